package safetensors

import (
	"errors"

	"colakit/formats/tensor"
)

// The rules of the format, one error value each; all wrap tensor.ErrDamaged.
var (
	ErrHeaderLength = tensor.Damagedf("the header length is wrong or the file is cut short")
	ErrHeaderLimit  = tensor.Damagedf("a header has at most %d bytes", maxHeader)
	ErrHeaderStart  = tensor.Damagedf("a header starts with '{'; this is no safetensors file")
	ErrUTF8         = tensor.Damagedf("invalid UTF-8")
	ErrSyntax       = tensor.Damagedf("malformed JSON")
	ErrDuplicate    = tensor.Damagedf("a key stands twice")
	ErrNumber       = tensor.Damagedf("a number must be an integer from 0 to 2^63-1")
	ErrEntry        = tensor.Damagedf("a tensor has exactly dtype, shape and data_offsets")
	ErrMetadata     = tensor.Damagedf("__metadata__ maps strings to strings")
	ErrType         = tensor.Damagedf("no such element type in this format")
	ErrShape        = tensor.Damagedf("a shape has at most %d dimensions and its product fits in 63 bits", maxDims)
	ErrOffsets      = tensor.Damagedf("data_offsets are [begin, end] with begin <= end")
	ErrSize         = tensor.Damagedf("shape and type do not give the number of bytes")
	ErrHole         = tensor.Damagedf("the data has a hole")
	ErrOverlap      = tensor.Damagedf("tensors overlap")
	ErrFileSize     = tensor.Damagedf("the data does not end where the last tensor ends; copy or download the file again")
	ErrChanged      = tensor.Damagedf("the file was changed while it was open")
)

// The rules of a model folder's index; all wrap tensor.ErrDamaged.
var (
	ErrIndex        = tensor.Damagedf("malformed index")
	ErrShardMissing = tensor.Damagedf("a file that the index names is missing; copy or download it again")
	ErrNotInShard   = tensor.Damagedf("the index places a tensor in a file that does not hold it")
	ErrNotInIndex   = tensor.Damagedf("a file holds a tensor that the index does not place there")
)

// ErrUnsupported is wrapped by Read's error for a tensor of a type that the
// format has and this toolkit does not.
var ErrUnsupported = errors.New("element type is not supported; known are F64, F32, F16, BF16, I64, I32, I8, U8, BOOL")
