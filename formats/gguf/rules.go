package gguf

import (
	"errors"

	"colakit/formats/tensor"
)

// Limits of the format, or of its readers.
const (
	MaxDimensions = 4
	MaxNameBytes  = 64 // of a tensor's name; 63 are written
	MaxKeyBytes   = 1<<16 - 1
	MaxLength     = 64 << 20 // bytes of a string and elements of an array, as in ggml

	// These bound what is read of a hostile file; the format has no such limit.
	MaxTensors     = 1 << 16
	MaxKeys        = 1 << 16
	MaxHeaderBytes = 128 << 20 // header, metadata and infos

	minAlignment     = 8
	maxAlignment     = 1 << 20 // as in ggml
	defaultAlignment = 32
)

// The rules of the format, as errors that say which one a file breaks. All of
// them wrap tensor.ErrDamaged.
var (
	ErrShort           = tensor.Damagedf("cut short")
	ErrMagic           = tensor.Damagedf("not a GGUF file")
	ErrVersion         = tensor.Damagedf("no version of GGUF that is known")
	ErrCount           = tensor.Damagedf("too many tensors or keys")
	ErrHeaderSize      = tensor.Damagedf("metadata and infos are too long")
	ErrLength          = tensor.Damagedf("a length is beyond its limit or the end of the file")
	ErrUTF8            = tensor.Damagedf("invalid UTF-8")
	ErrKey             = tensor.Damagedf("bad key")
	ErrDuplicateKey    = tensor.Damagedf("key occurs twice")
	ErrValueType       = tensor.Damagedf("no such type of value")
	ErrNesting         = tensor.Damagedf("an array of arrays")
	ErrBool            = tensor.Damagedf("a bool is neither 0 nor 1")
	ErrAlignment       = tensor.Damagedf("general.alignment is not a uint32 and power of two from %d to %d", minAlignment, maxAlignment)
	ErrName            = tensor.Damagedf("bad tensor name")
	ErrDuplicateTensor = tensor.Damagedf("tensor occurs twice")
	ErrDimensions      = tensor.Damagedf("too many dimensions")
	ErrShape           = tensor.Damagedf("bad shape")
	ErrType            = tensor.Damagedf("no element type that is known")
	ErrRow             = tensor.Damagedf("a row is no whole number of blocks")
	ErrUnaligned       = tensor.Damagedf("data are not aligned")
	ErrHole            = tensor.Damagedf("hole in the data")
	ErrOverlap         = tensor.Damagedf("tensors overlap")
	ErrBounds          = tensor.Damagedf("data reach behind the end of the file")
	ErrFileSize        = tensor.Damagedf("file has the wrong size")
	ErrPadding         = tensor.Damagedf("padding is not zero")
	ErrChanged         = tensor.Damagedf("the file was changed while it was open")
)

// ErrUnsupported is wrapped by errors for what is in order and not read here:
// version 1, big-endian files, and tensors without a dtype.Type where one is needed.
var ErrUnsupported = errors.New("not supported")
