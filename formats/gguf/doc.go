// Package gguf reads and writes GGUF, the model file of ggml and of the programs
// built on it. Versions 2 and 3 are read, in little-endian order, and 3 is
// written. The layout of both is the same.
//
// # Layout
//
// All numbers are little-endian, and nothing is aligned but the data.
//
//	header    24 bytes
//	metadata  the keys and their values, one after the other
//	infos     the description of every tensor, one after the other
//	data      the tensors, in the order of the infos
//
// The alignment of the data is the value of the key general.alignment, a uint32
// and a power of two from 8 to 1 Mi, and 32 in a file without that key. The data
// begin at the first multiple of the alignment behind the infos, and a tensor at
// the first one behind the tensor before it. The bytes between are padding and
// are zero. A file ends with its last tensor or with the padding behind it;
// it is written with that padding.
//
// # Header
//
//	offset  bytes
//	     0      4  magic: "GGUF"
//	     4      4  version
//	     8      8  number of tensors
//	    16      8  number of keys
//
// # Metadata
//
//	string  key: 1 to 65535 bytes of printable ASCII, once in a file
//	uint32  type of the value
//	        the value
//
// A string is a uint64, the number of its bytes, and these, in UTF-8. The types:
//
//	0 uint8    2 uint16   4 uint32   6 float32   8 string   10 uint64  12 float64
//	1 int8     3 int16    5 int32    7 bool      9 array    11 int64
//
// A bool is a byte, 0 or 1. An array is a uint32, the type of its elements, a
// uint64, their number, and the elements. Arrays of arrays, which the format
// allows and ggml does not read, are refused.
//
// # Infos
//
//	string  name: 1 to 64 bytes, without control characters, once in a file
//	uint32  number of dimensions, at most 4
//	uint64  each dimension, the innermost first: the reverse of a tensor.Shape
//	uint32  type of the elements
//	uint64  where the data begin, counted from the beginning of all data
//
// # Element types
//
// F32, F16, BF16, F64, I8, I32 and I64 have a [dtype.Type], and their tensors are
// read through tensor.Source. I16 and the block types do not: Descs lists such a
// tensor with the type dtype.Invalid, Entries names its type and Raw gives its
// bytes. A block type stores a fixed number of elements of one row together, so
// that rows must be whole blocks. Of these Q8_0 is also encoded and decoded here:
//
//	offset  bytes
//	     0      2  d: the scale, a binary16
//	     2     32  q: 32 codes, int8; element i is q[i]·d
//
// # What a reader checks
//
// Open checks all of the above but the padding between tensors, which
// CheckPadding reads. Each broken rule has its error value that wraps
// tensor.ErrDamaged. Every length is held against the file and its cap before
// anything is allocated by it. GGUF has no checksums: a flipped bit in the data
// can't be found.
//
// # What a writer writes
//
// NewLayout holds its input to the rules that the format's documents have for
// writers, beyond those above: keys of lower_snake_case segments with dots
// between; general.architecture, and with block types also
// general.quantization_version; tensors with 1 to 4 dimensions, none of them
// zero, because older versions of ggml divide by them; and names of at most 63
// bytes, because ggml's buffer of 64 holds a terminator. Keys and tensors stay in the order
// given: the same input gives the same bytes.
//
// # Sources
//
// The layout is that of docs/gguf.md in the ggml repository, the caps and the
// order of the data are those of its loader (src/gguf.cpp), and Q8_0 is
// quantize_row_q8_0_ref of src/ggml-quants.c. TestCrosscheck holds all of it
// against the Python package gguf.
package gguf
