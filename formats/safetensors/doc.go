// Package safetensors reads and writes the safetensors format, and model folders
// whose weights are one such file or several with an index.
//
// # The format
//
//	8 bytes   n: length of the header, unsigned, little-endian, at most 100 MB
//	n bytes   header: one JSON object in UTF-8, first byte '{', padded with spaces
//	the rest  data: the tensors' elements, little-endian and row-major
//
// The header maps each tensor's name to
//
//	{"dtype": "BF16", "shape": [2048, 16], "data_offsets": [begin, end]}
//
// with offsets into the data. The optional key "__metadata__" maps strings to
// strings. Sorted by offset the tensors begin at 0, follow each other without
// hole or overlap, and the last one ends with the file; end − begin is the
// product of the shape times the size of the type. No key stands twice.
//
// Every rule is checked when a file is opened, and a broken one is an error that
// wraps one of the Err values below and [tensor.ErrDamaged]. All lengths are
// checked against the file's size before anything is allocated from them.
//
// # Element types
//
// F64, F32, F16, BF16, I64, I32, I8, U8 and BOOL have a [dtype.Type]. A file
// with tensors of the format's other types (F8_E4M3, I16, U16 …) opens, since
// nothing is wrong with it: Descs lists such a tensor with the type
// dtype.Invalid, StoredType names its type, and Read returns [ErrUnsupported].
// A type name that the format does not have is damage.
//
// # Model folders
//
// OpenDir takes model.safetensors where it exists, as the transformers library
// does, else the shards that model.safetensors.index.json lists. The index is
// checked both ways: every listed tensor is in the file that the index names,
// and every tensor of these files is listed, in that place.
//
// # Memory
//
// Files are mapped (package mmap says what that means): tensors are views of the
// file, nothing is read before it is touched, and a tensor of type F32 is used in
// place. A file must not shrink while it is open: touching a page that is gone is
// a fault. Read checks the size again and returns [ErrChanged]; what shrinks after
// that is for mmap.Guard.
package safetensors
