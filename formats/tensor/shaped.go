package tensor

import "errors"

// ReadShaped reads a tensor of numbers of exactly the given shape, which a
// configuration calls for. A tensor that is missing, of another shape, of integers
// that stand for no numbers, or with too few bytes is an error that wraps ErrDamaged.
func ReadShaped(src Source, name string, shape Shape) (View, error) {
	view, err := src.Read(name)
	if errors.Is(err, ErrNotFound) {
		err = Damagedf("tensor %q is missing; the configuration calls for one of shape %v", name, shape)
	}
	if err != nil {
		return view, err
	}
	return view, view.checkShaped(shape)
}

func (v View) checkShaped(shape Shape) error {
	if !v.Shape.Equal(shape) {
		return Damagedf("tensor %q has shape %v; the configuration calls for %v", v.Name, v.Shape, shape)
	}
	if !v.Type.Float() && v.Quantization == nil {
		return Damagedf("tensor %q is of type %v; wanted a floating-point type, or i8 with scales", v.Name, v.Type)
	}
	if size, err := v.Bytes(); err != nil || size != int64(len(v.Data)) {
		return Damagedf("tensor %q: %d bytes are not shape %v of %v", v.Name, len(v.Data), v.Shape, v.Type)
	}
	size, err := v.ScaleBytes()
	if err != nil {
		return Damagedf("%w", err)
	}
	if size != int64(len(v.Scales)) {
		return Damagedf("tensor %q: %d bytes of scales; those of shape %v take %d", v.Name, len(v.Scales), v.Shape, size)
	}
	return nil
}
