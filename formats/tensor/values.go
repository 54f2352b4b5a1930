package tensor

import (
	"fmt"
	"unsafe"

	"colakit/formats/dtype"
)

// Float32s returns the elements of a floating-point tensor, row-major; F64 is
// rounded to nearest even. For an aligned F32 tensor the slice is the View's own
// bytes, with the same lifetime and as read-only as they are; otherwise a copy.
func (v View) Float32s() ([]float32, error) {
	n, err := v.count()
	if err != nil {
		return nil, err
	}
	if v.Type == dtype.F32 && shareable[float32](v.Data) {
		return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(v.Data))), n), nil
	}
	values := make([]float32, n)
	if err := dtype.Float32s(values, v.Data, v.Type); err != nil {
		return nil, fmt.Errorf("tensor %q: %w", v.Name, err)
	}
	return values, nil
}

// Float64s is Float32s in float64, where every float type is exact.
func (v View) Float64s() ([]float64, error) {
	n, err := v.count()
	if err != nil {
		return nil, err
	}
	if v.Type == dtype.F64 && shareable[float64](v.Data) {
		return unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(v.Data))), n), nil
	}
	values := make([]float64, n)
	if err := dtype.Float64s(values, v.Data, v.Type); err != nil {
		return nil, fmt.Errorf("tensor %q: %w", v.Name, err)
	}
	return values, nil
}

// FromFloat32s returns data as an F32 tensor. The View shares data's memory on a
// little-endian machine. That shape fits data is the caller's promise; reading
// the View checks it.
func FromFloat32s(name string, shape Shape, data []float32) View {
	v := View{Desc: Desc{Name: name, Type: dtype.F32, Shape: shape}}
	if littleEndian {
		v.Data = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), 4*len(data))
		return v
	}
	v.Data = make([]byte, 4*len(data))
	_ = dtype.FromFloat32s(v.Data, data, dtype.F32) // the sizes fit
	return v
}

// count returns the number of elements after checking that the bytes hold
// exactly those, so that no allocation follows a shape that lies.
func (v View) count() (int, error) {
	size, err := v.Bytes()
	if err != nil {
		return 0, err
	}
	if size != int64(len(v.Data)) {
		return 0, fmt.Errorf("tensor %q: shape %v of %v takes %d bytes, but there are %d", v.Name, v.Shape, v.Type, size, len(v.Data))
	}
	return len(v.Data) / v.Type.Size(), nil
}

var littleEndian = func() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 1
}()

// shareable reports whether data can be read in place as elements of type T.
func shareable[T float32 | float64](data []byte) bool {
	var zero T
	return littleEndian && uintptr(unsafe.Pointer(unsafe.SliceData(data)))%unsafe.Sizeof(zero) == 0
}
