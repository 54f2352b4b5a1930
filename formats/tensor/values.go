package tensor

import (
	"fmt"
	"unsafe"

	"colakit/formats/dtype"
)

// Float32s returns the elements of a floating-point or quantised tensor,
// row-major; F64 is rounded to nearest even. For an aligned F32 tensor the slice is the View's own
// bytes, with the same lifetime and as read-only as they are; otherwise a copy.
func (v View) Float32s() ([]float32, error) {
	n, err := v.count()
	if err != nil {
		return nil, err
	}
	if v.Quantization != nil {
		return v.dequantized(n)
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

// Float64s is Float32s in float64, where every float type is exact. Those of a
// quantised tensor are the same numbers, rounded to float32.
func (v View) Float64s() ([]float64, error) {
	n, err := v.count()
	if err != nil {
		return nil, err
	}
	if v.Quantization != nil {
		return v.dequantized64(n)
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

// Int8s returns the elements of an I8 tensor, the codes of a quantised one, in
// the View's own bytes.
func (v View) Int8s() ([]int8, error) {
	n, err := v.count()
	if err != nil {
		return nil, err
	}
	if v.Type != dtype.I8 {
		return nil, fmt.Errorf("tensor %q holds %v, not i8", v.Name, v.Type)
	}
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(v.Data))), n), nil
}

// ScaleFloat32s returns the scales of a quantised tensor, [rows, groups of a row].
func (v View) ScaleFloat32s() ([]float32, error) {
	n, err := v.scaleCount()
	if err != nil {
		return nil, err
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = v.Quantization.At(v.Scales, i)
	}
	return values, nil
}

func (v View) dequantized(n int) ([]float32, error) {
	if _, err := v.scaleCount(); err != nil {
		return nil, err
	}
	values := make([]float32, n)
	v.Quantization.Dequantize(values, v.Data, v.Scales, v.Shape[len(v.Shape)-1])
	return values, nil
}

func (v View) dequantized64(n int) ([]float64, error) {
	narrow, err := v.dequantized(n)
	if err != nil {
		return nil, err
	}
	values := make([]float64, n)
	for i, x := range narrow {
		values[i] = float64(x)
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

// scaleCount returns the number of scales after checking that there are as many.
func (v View) scaleCount() (int, error) {
	size, err := v.ScaleBytes()
	if err != nil {
		return 0, err
	}
	if size != int64(len(v.Scales)) {
		return 0, fmt.Errorf("tensor %q: the scales of shape %v take %d bytes, but there are %d", v.Name, v.Shape, size, len(v.Scales))
	}
	if size == 0 {
		return 0, nil
	}
	return len(v.Scales) / v.Quantization.Scale.Size(), nil
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
