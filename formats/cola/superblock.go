package cola

import (
	"encoding/binary"
	"fmt"

	"colakit/internal/blake3"
)

const (
	superblockBytes = 128
	magic           = "\x89COLA\r\n\x1a"

	versionAt     = 8
	flagsAt       = 12
	fileSizeAt    = 16
	indexOffsetAt = 24
	indexBytesAt  = 32
	reservedAt    = 40
	indexSumAt    = 64
	rootAt        = 96
)

// superblock is the decoded head of a file.
type superblock struct {
	version     Version
	fileSize    int64
	indexOffset int64
	indexBytes  int64
	indexSum    blake3.Sum
	root        blake3.Sum
}

// encode returns the bytes of the superblock and sets its root.
func (s *superblock) encode() []byte {
	b := make([]byte, superblockBytes)
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[versionAt:], uint32(s.version))
	binary.LittleEndian.PutUint64(b[fileSizeAt:], uint64(s.fileSize))
	binary.LittleEndian.PutUint64(b[indexOffsetAt:], uint64(s.indexOffset))
	binary.LittleEndian.PutUint64(b[indexBytesAt:], uint64(s.indexBytes))
	copy(b[indexSumAt:], s.indexSum[:])
	s.root = blake3.Of(b[:rootAt])
	copy(b[rootAt:], s.root[:])
	return b
}

// decodeSuperblock reads the head of a file of the given size. No number in it
// is trusted before the root is right, and none is used before it is in bounds.
func decodeSuperblock(b []byte, fileSize int64) (superblock, error) {
	if len(b) < superblockBytes {
		return superblock{}, fmt.Errorf("%w: %d bytes, the superblock alone has %d", ErrShort, fileSize, superblockBytes)
	}
	b = b[:superblockBytes]
	if string(b[:len(magic)]) != magic {
		return superblock{}, fmt.Errorf("%w: it starts with %q, not %q", ErrMagic, b[:len(magic)], magic)
	}
	s := rawSuperblock(b)
	if got := blake3.Of(b[:rootAt]); got != s.root {
		return s, fmt.Errorf("%w: its BLAKE3 is %v, not the root %v that it holds", ErrRoot, got, s.root)
	}
	return s, s.validate(b, fileSize)
}

// rawSuperblock reads the fields of the 128 bytes, checking nothing.
func rawSuperblock(b []byte) superblock {
	return superblock{
		version:     Version(binary.LittleEndian.Uint32(b[versionAt:])),
		fileSize:    int64(binary.LittleEndian.Uint64(b[fileSizeAt:])),
		indexOffset: int64(binary.LittleEndian.Uint64(b[indexOffsetAt:])),
		indexBytes:  int64(binary.LittleEndian.Uint64(b[indexBytesAt:])),
		indexSum:    blake3.Sum(b[indexSumAt:rootAt]),
		root:        blake3.Sum(b[rootAt:superblockBytes]),
	}
}

func (s superblock) validate(b []byte, fileSize int64) error {
	switch {
	case s.version == 0 || s.version > newest:
		return fmt.Errorf("%w: %d, this program reads up to %d; use a newer one", ErrVersion, s.version, newest)
	case !zero(b[flagsAt:fileSizeAt]) || !zero(b[reservedAt:indexSumAt]):
		return ErrReserved
	case s.fileSize != fileSize:
		return fmt.Errorf("%w: %d bytes, the superblock says %d%s", ErrFileSize, fileSize, s.fileSize, truncated(fileSize, s.fileSize))
	case s.indexBytes < 0 || s.indexBytes > MaxIndexBytes:
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrIndexSize, uint64(s.indexBytes), MaxIndexBytes)
	case s.indexOffset < superblockBytes || s.indexOffset%smallAlignment != 0 || s.indexOffset != fileSize-s.indexBytes:
		return fmt.Errorf("%w: %d bytes at offset %d do not end the file of %d bytes", ErrIndexSize, s.indexBytes, s.indexOffset, fileSize)
	}
	return nil
}

func truncated(got, want int64) string {
	if got < want {
		return "; it is cut short"
	}
	return "; something was appended"
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
