package tensor

import "errors"

// ReadShaped reads a tensor of numbers of exactly the given shape, which a
// configuration calls for. A tensor that is missing, of another shape, of integers
// that stand for no numbers, or with too few bytes is an error that wraps ErrDamaged.
func ReadShaped(src Source, name string, shape Shape) (View, error) {
	view, err := src.Read(name)
	if errors.Is(err, ErrNotFound) {
		err = missing(name, shape)
	}
	if err != nil {
		return view, err
	}
	return view, view.checkShaped(shape)
}

// FindShaped looks up what ReadShaped reads, among the descriptions of a source by
// their names. Its errors are those of ReadShaped that need no values.
func FindShaped(descs map[string]Desc, name string, shape Shape) (Desc, error) {
	d, ok := descs[name]
	if !ok {
		return d, missing(name, shape)
	}
	return d, d.checkShaped(shape)
}

func missing(name string, shape Shape) error {
	return Damagedf("tensor %q is missing; the configuration calls for one of shape %v", name, shape)
}

func (d Desc) checkShaped(shape Shape) error {
	if !d.Shape.Equal(shape) {
		return Damagedf("tensor %q has shape %v; the configuration calls for %v", d.Name, d.Shape, shape)
	}
	if !d.Type.Float() && d.Quantization == nil {
		return Damagedf("tensor %q is of type %v; wanted a floating-point type, or i8 with scales", d.Name, d.Type)
	}
	return nil
}

func (v View) checkShaped(shape Shape) error {
	if err := v.Desc.checkShaped(shape); err != nil {
		return err
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
