// Package blake3 computes BLAKE3 over data that several workers hash: of a
// buffer, on the calling goroutine only, and of a file part by part in any
// order. The sums are those that b3sum prints.
//
// BLAKE3 is a binary tree over chunks of 1 KiB in which every left subtree is
// the largest complete one that leaves something to its right. Compression and
// its vector forms are lukechampine.com/blake3/guts; this package walks the tree
// itself, because the Hasher of that module starts a goroutine for every 16 KiB,
// and jobs are counted here. With AVX-512 it compresses complete subtrees, too:
// level by level, so that parents fill the registers as chunks do.
package blake3

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"

	"lukechampine.com/blake3/guts"
)

// Sum is a BLAKE3 digest of 256 bits.
type Sum [32]byte

// String returns the sum in lower-case hexadecimal.
func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// MarshalText writes lower-case hexadecimal.
func (s Sum) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (s *Sum) UnmarshalText(text []byte) error {
	if len(text) != 2*len(s) {
		return fmt.Errorf("a BLAKE3 sum has %d hexadecimal digits, found %d", 2*len(s), len(text))
	}
	_, err := hex.Decode(s[:], text)
	return err
}

// Of returns the sum of data.
func Of(data []byte) Sum { return root(node(data, 0)) }

// PartSize is the size of every part of a file but the last, in bytes. It is a
// power of two, so that a full part is a complete subtree.
const PartSize = 1 << 20

// Part is what the sum of a whole file needs to know of one of its parts.
type Part struct {
	value [8]uint32 // the chaining value of its subtree
	node  guts.Node // its root, for a file that is no more than this part
}

// OfPart hashes part number index of a file. Every part but the last has
// PartSize bytes; the last has 1 to PartSize.
func OfPart(data []byte, index int) Part {
	n := node(data, uint64(index)*PartSize/guts.ChunkSize)
	return Part{guts.ChainingValue(n), n}
}

// InParts returns the sum of data, and calls see for each part of it before it is
// hashed: whoever else reads the data does so while it is in the processor's caches.
func InParts(data []byte, see func(part []byte)) Sum {
	var parts []Part
	for at := 0; at < len(data); at += PartSize {
		part := data[at:min(at+PartSize, len(data))]
		see(part)
		parts = append(parts, OfPart(part, len(parts)))
	}
	return Join(parts)
}

// Value returns a part in a form to be stored, for files of two parts or more.
func (p Part) Value() (v Sum) {
	for i, w := range p.value {
		binary.LittleEndian.PutUint32(v[4*i:], w)
	}
	return v
}

// StoredPart returns the part that has the value. It must not be its file's only one.
func StoredPart(v Sum) (p Part) {
	for i := range p.value {
		p.value[i] = binary.LittleEndian.Uint32(v[4*i:])
	}
	return p
}

// Join returns the sum of the file whose parts are given, in order. No parts
// are an empty file.
func Join(parts []Part) Sum {
	switch len(parts) {
	case 0:
		return Of(nil)
	case 1:
		return root(parts[0].node)
	}
	left := leftSize(len(parts))
	return root(guts.ParentNode(join(parts[:left]), join(parts[left:]), &guts.IV, 0))
}

// join returns the chaining value of the subtree over parts.
func join(parts []Part) [8]uint32 {
	if len(parts) == 1 {
		return parts[0].value
	}
	left := leftSize(len(parts))
	return guts.ChainingValue(guts.ParentNode(join(parts[:left]), join(parts[left:]), &guts.IV, 0))
}

// node returns the root of the subtree over data, which starts at the given
// chunk of the whole.
func node(data []byte, chunk uint64) guts.Node {
	if n, ok := wideNode(data, chunk); ok {
		return n
	}
	const group = guts.MaxSIMD * guts.ChunkSize
	if len(data) <= group {
		return leaf(data, chunk)
	}
	groups := (len(data) + group - 1) / group
	left := leftSize(groups) * group
	return parent(node(data[:left], chunk), node(data[left:], chunk+uint64(left/guts.ChunkSize)))
}

func leaf(data []byte, chunk uint64) guts.Node {
	if len(data) == guts.MaxSIMD*guts.ChunkSize {
		return guts.CompressBuffer((*[guts.MaxSIMD * guts.ChunkSize]byte)(data), len(data), &guts.IV, chunk, 0)
	}
	var padded [guts.MaxSIMD * guts.ChunkSize]byte
	copy(padded[:], data)
	return guts.CompressBuffer(&padded, len(data), &guts.IV, chunk, 0)
}

func parent(left, right guts.Node) guts.Node {
	return guts.ParentNode(guts.ChainingValue(left), guts.ChainingValue(right), &guts.IV, 0)
}

// leftSize returns the largest power of two below n, for n ≥ 2.
func leftSize(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

func root(n guts.Node) Sum {
	n.Flags |= guts.FlagRoot
	words := guts.CompressNode(n)
	out := guts.WordsToBytes(words)
	return Sum(out[:32])
}
