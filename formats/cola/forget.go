package cola

// Forget says that the bytes of data, a part of a View's, are not needed soon, so
// that they stop counting as this process's memory.
func (f *File) Forget(data []byte) error {
	if f.mapping == nil {
		return nil
	}
	return f.mapping.Forget(data)
}
