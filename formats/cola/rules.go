package cola

import (
	"errors"

	"colakit/formats/tensor"
)

// ErrVersion is wrapped by the error for a sound file of a newer version.
var ErrVersion = errors.New("unsupported version of the .cola format")

// The rules of the format, as errors that say which one a file breaks. All of
// them wrap tensor.ErrDamaged.
var (
	ErrShort        = tensor.Damagedf("too short for a .cola file")
	ErrMagic        = tensor.Damagedf("not a .cola file")
	ErrRoot         = tensor.Damagedf("superblock is damaged")
	ErrReserved     = tensor.Damagedf("reserved bytes of the superblock are not zero")
	ErrFileSize     = tensor.Damagedf("file has the wrong size")
	ErrIndexSize    = tensor.Damagedf("index does not fit")
	ErrIndexSum     = tensor.Damagedf("index is damaged")
	ErrIndexForm    = tensor.Damagedf("index is not what a writer writes")
	ErrCount        = tensor.Damagedf("wrong number of tensors or sections")
	ErrName         = tensor.Damagedf("bad tensor name")
	ErrDuplicate    = tensor.Damagedf("tensor occurs twice")
	ErrType         = tensor.Damagedf("element type has no place in this version")
	ErrShape        = tensor.Damagedf("bad shape")
	ErrBytes        = tensor.Damagedf("bytes do not match shape and type")
	ErrQuantization = tensor.Damagedf("bad quantisation")
	ErrVersionHigh  = tensor.Damagedf("version is higher than the contents need")
	ErrHole         = tensor.Damagedf("hole in the file")
	ErrOverlap      = tensor.Damagedf("parts overlap or are not aligned")
	ErrBounds       = tensor.Damagedf("part reaches behind the end")
	ErrSection      = tensor.Damagedf("sections are wrong")
	ErrPadding      = tensor.Damagedf("padding is not zero")
	ErrSum          = tensor.Damagedf("checksum does not match")
)
