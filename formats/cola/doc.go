// Package cola reads and writes the native format of the toolkit, file
// extension .cola: a whole Cola DLM (weights, both configurations, tokenizer,
// provenance) in one file that is used through a memory map and in which every
// flipped bit is found and located. This comment is its specification.
//
// # Layout
//
// All numbers are little-endian, all offsets count from the start of the file.
//
//	superblock    128 bytes at offset 0
//	tensors       the data of every tensor, in the order of the index
//	sections      the other contents, in the order of the index
//	index         JSON lines, to the last byte of the file
//
// Each part starts at the first multiple of its alignment behind the part before
// it. The alignment is 4096 for a tensor's data of 65536 bytes or more, and 64 for
// that of every other tensor, the sections and the index. The scales of a quantised
// tensor are a part of their own right behind its data, aligned by their size in
// the same way. So sizes and order determine all offsets: there are no holes, no overlaps, and nothing follows the index.
// The bytes between two parts are padding and are zero.
//
// # Superblock
//
//	offset  bytes
//	     0      8  magic: 89 43 4f 4c 41 0d 0a 1a, that is \x89 C O L A \r \n \x1a
//	     8      4  version
//	    12      4  flags, zero
//	    16      8  size of the file
//	    24      8  offset of the index
//	    32      8  bytes of the index, at most 64 MiB
//	    40     24  reserved, zero
//	    64     32  BLAKE3 of the index
//	    96     32  root: BLAKE3 of the 96 bytes before it
//
// The superblock has this form in every version, so that a reader can tell a
// newer file (the root is right) from a damaged one. It is written last: a file
// whose writing was cut short has no magic. The root identifies the artifact:
// through the index it depends on every byte but the padding, which is zero.
//
// # Index
//
// Lines of compact JSON of at most 4096 bytes, each ended by one line feed, keys
// in the order shown, none omitted. A file has exactly one valid
// index: encoding what was read must give the same bytes again.
//
//	{"tensors":2,"sections":4}
//	{"tensor":"vae.decoder.in_layer.bias","type":"f32","shape":[1536],"offset":128,"bytes":6144,"blake3":"…"}
//	{"section":"dit_config","offset":22144,"bytes":390,"blake3":"…"}
//
// The first line counts the lines of each kind that follow: first tensors, at
// most 1048576, then sections. A tensor's name is 1 to 512 bytes of UTF-8
// without control characters and occurs once. Its shape has at most 8
// dimensions, none negative, row-major; the empty shape is a scalar. Bytes is
// the product of the shape and the size of the type: f32, f16, bf16 or, since
// version 2, i8.
//
// # Quantised tensors
//
// A tensor of type i8 has scales, and no other has. It is a matrix: its shape has
// two dimensions, rows and columns, the columns at most 4194304. Each row is cut
// into groups of 32, 64 or 128 elements, the last one shorter where they do not
// divide it, or is one group as a whole, and every group has a scale of type f32 or
// f16: [rows, groups of a row], row-major. An element's value is its code times the
// scale of its group, rounded once to f32. The line of such a tensor says so between
// bytes and blake3, group 0 for whole rows:
//
//	{"tensor":…,"type":"i8","shape":[3,40],"offset":128,"bytes":120,"scales":{"group":0,"type":"f32","offset":256,"bytes":12},"blake3":"…"}
//
// # Version
//
// A file is written in the oldest version that has all it holds: in version 1
// without i8 tensors, whose bytes did so not change when version 2 came.
//
// # Sections
//
// Each at most once and in this order; those marked * must be there.
//
//	dit_config  * config.json of the prior, verbatim
//	vae_config  * config.json of the Text VAE, verbatim
//	tokenizer     tokenizer.json, verbatim
//	generation    the checkpoint's generation defaults (JSON), verbatim
//	provenance  * where the artifact comes from (JSON): package convert
//	sums        * the sums of all chunks
//
// All but sums are at most 64 MiB.
//
// # Checksums
//
// A tensor's data is cut into chunks of 4 MiB, the last one shorter. The codes of
// a quantised tensor are cut between rows: into chunks of as many whole rows as have
// at most 4 MiB of codes and at most 4 MiB of scales; the last chunk may have fewer.
// Its scales are cut at the same rows, so that rows can be written when they are
// quantised; chunks of the scales come behind all those of the codes. The section
// sums holds the BLAKE3 of every chunk, 32 bytes each, by tensor and chunk. A
// tensor's "blake3" is the BLAKE3 of its chunks' sums, one after the other; a
// section's is that of its bytes. One tensor can so be verified without reading
// another, by several workers at once, and damage is located to a chunk.
//
// # What a reader checks
//
// Open checks the superblock, the index and every rule above about them, before
// it allocates by any number it has read; Read checks the sum of a tensor the
// first time; Check reads everything, the padding too. Each broken rule has its
// error value, and all of those wrap tensor.ErrDamaged, but for ErrVersion: a
// newer version is no damage.
//
// # Determinism
//
// A file holds no time, no path of the machine that wrote it and nothing that
// depends on the number of workers: the same input gives the same bytes.
package cola

// Version is the version of the format that a file is written in.
type Version uint32

// The versions, with what each added.
const (
	// V1 has f32, f16 and bf16 tensors.
	V1 Version = 1
	// V2 has i8 tensors with scales.
	V2 Version = 2

	newest = V2
)
