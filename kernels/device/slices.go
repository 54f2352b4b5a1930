package device

import (
	"fmt"
	"unsafe"
)

// Number is what kernels read and write.
type Number interface {
	~int8 | ~uint8 | ~int16 | ~uint16 | ~int32 | ~uint32 | ~int64 | ~uint64 | ~float32 | ~float64
}

// Put allocates a buffer and fills it.
func Put[T Number](d Device, values []T) (Buffer, error) {
	raw := bytesOf(values)
	b, err := d.Alloc(int64(len(raw)))
	if err != nil {
		return Buffer{}, err
	}
	if err := d.Upload(b, 0, raw); err != nil {
		d.Free(b)
		return Buffer{}, err
	}
	return b, nil
}

// Get returns the whole buffer.
func Get[T Number](d Device, b Buffer) ([]T, error) {
	var one T
	size := int64(unsafe.Sizeof(one))
	if b.Bytes%size != 0 {
		return nil, fmt.Errorf("a buffer of %d bytes holds no whole number of values of %d", b.Bytes, size)
	}
	values := make([]T, b.Bytes/size)
	return values, d.Download(bytesOf(values), b, 0)
}

func bytesOf[T Number](values []T) []byte {
	if len(values) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), len(values)*int(unsafe.Sizeof(values[0])))
}
