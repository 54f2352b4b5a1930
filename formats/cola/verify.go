package cola

import (
	"fmt"

	"colakit/formats/tensor"
	"colakit/internal/blake3"
	"colakit/internal/mmap"
)

// verifyTensor checks all chunks of tensor i against their sums, and those
// against the index.
func (f *File) verifyTensor(i int) error {
	return f.guard(func() error {
		e := f.index.tensors[i]
		if err := f.verifyChunkSums(i); err != nil {
			return err
		}
		for c := range e.Chunks() {
			if err := f.verifyChunk(i, c); err != nil {
				return err
			}
		}
		return nil
	})
}

// verifyChunkSums checks the sums of tensor i's chunks against its own.
func (f *File) verifyChunkSums(i int) error {
	e := f.index.tensors[i]
	if got := tensorSum(f.chunkSums(i)); got != e.Sum {
		return fmt.Errorf("%s: tensor %q: %w: the sums of its %d chunks give %v, not %v",
			f.name, e.Name, ErrSum, e.Chunks(), got, e.Sum)
	}
	return nil
}

// verifyChunk checks chunk c of tensor i against its sum.
func (f *File) verifyChunk(i, c int) error {
	return f.compareSum(i, c, blake3.Of(f.chunk(i, c)))
}

// compareSum compares the sum of chunk c of tensor i with what it should be.
func (f *File) compareSum(i, c int, got blake3.Sum) error {
	if want := blake3.Sum(f.chunkSums(i)[c*sumBytes:]); got != want {
		e := f.index.tensors[i]
		offset, bytes := e.span(c)
		return fmt.Errorf("%s: tensor %q: %w: %s, bytes %d to %d of the file",
			f.name, e.Name, ErrSum, e.chunkName(c), offset, offset+bytes-1)
	}
	return nil
}

func (f *File) verifySection(s sectionEntry) error {
	return f.guard(func() error {
		if got := blake3.Of(f.bytes(s.Offset, s.Bytes)); got != s.Sum {
			return fmt.Errorf("%s: section %q: %w: bytes %d to %d of the file",
				f.name, s.Section, ErrSum, s.Offset, s.Offset+s.Bytes-1)
		}
		return nil
	})
}

// guard makes the fault of a file that was truncated meanwhile an error.
func (f *File) guard(read func() error) error {
	var broken error
	if err := mmap.Guard(f.name, func() error { broken = read(); return nil }); err != nil {
		return tensor.Damagedf("%w", err)
	}
	return broken
}

const sumBytes = len(blake3.Sum{})

// chunkSums returns the sums of tensor i's chunks, one after the other.
func (f *File) chunkSums(i int) []byte {
	s := f.index.sections[len(f.index.sections)-1]
	from := int64(f.chunks[i]) * int64(sumBytes)
	return f.bytes(s.Offset+from, int64(f.index.tensors[i].Chunks())*int64(sumBytes))
}

// chunk returns the data of chunk c of tensor i.
func (f *File) chunk(i, c int) []byte {
	return f.bytes(f.index.tensors[i].span(c))
}

// tensorSum returns the sum of a tensor, given those of its chunks.
func tensorSum(chunkSums []byte) blake3.Sum { return blake3.Of(chunkSums) }

// forget says that bytes of the file are not needed soon, so that reading all of it
// does not take as much memory. Failing to is no error.
func (f *File) forget(data []byte) {
	if f.mapping != nil {
		_ = f.mapping.Forget(data)
	}
}
