package cola

import (
	"fmt"

	"colakit/internal/blake3"
)

// Size returns the bytes that the finished file will have, given the sections;
// only their lengths count.
func (w *Writer) Size(m Meta) (int64, error) {
	x, end, err := w.arrange(m)
	if err != nil {
		return 0, err
	}
	raw, err := encodeBounded(x)
	return alignUp(end, smallAlignment) + int64(len(raw)), err
}

// Finish writes the padding, the sections, the index and, last of all, the
// superblock. It returns the root and the size of the file.
func (w *Writer) Finish(m Meta) (blake3.Sum, int64, error) {
	chunkSums, err := w.sumTensors()
	if err != nil {
		return blake3.Sum{}, 0, err
	}
	x, end, err := w.arrange(m)
	if err != nil {
		return blake3.Sum{}, 0, err
	}
	super, err := w.writeFrame(x, end, m, chunkSums)
	if err != nil {
		return blake3.Sum{}, 0, fmt.Errorf("writing the index: %w", err)
	}
	return super.root, super.fileSize, nil
}

// sumTensors enters the tensors' sums and returns those of all chunks.
func (w *Writer) sumTensors() ([]byte, error) {
	var all []byte
	for i := range w.tensors {
		first := len(all)
		for c, sum := range w.sums[i] {
			if sum == (blake3.Sum{}) {
				return nil, fmt.Errorf("tensor %q: %s was never written", w.tensors[i].Name, w.tensors[i].chunkName(c))
			}
			all = append(all, sum[:]...)
		}
		w.tensors[i].Sum = tensorSum(all[first:])
	}
	return all, nil
}

// arrange returns the index, without the sums of the sections, and where the last
// section ends.
func (w *Writer) arrange(m Meta) (x index, end int64, err error) {
	x.tensors, end = w.tensors, w.dataEnd
	for _, name := range sectionOrder {
		size := w.chunks * sumBytes
		if name != sums {
			size = len(*m.field(name))
		}
		switch {
		case size == 0 && name.optional():
			continue
		case size == 0 && name != sums:
			return x, end, fmt.Errorf("section %q is empty", name)
		case size > MaxSectionBytes && name != sums:
			return x, end, fmt.Errorf("section %q has %d bytes; the .cola format allows %d", name, size, MaxSectionBytes)
		}
		at := alignUp(end, smallAlignment)
		x.sections = append(x.sections, sectionEntry{Section: name, Offset: at, Bytes: int64(size)})
		end = at + int64(size)
	}
	return x, end, nil
}

// writeFrame writes everything but the tensors' data.
func (w *Writer) writeFrame(x index, end int64, m Meta, chunkSums []byte) (superblock, error) {
	at := int64(superblockBytes)
	for _, e := range x.tensors {
		for _, r := range e.regions() {
			if err := w.write(nil, at, r.offset); err != nil {
				return superblock{}, err
			}
			at = r.offset + r.bytes
		}
	}
	for i, s := range x.sections {
		data := chunkSums
		if s.Section != sums {
			data = *m.field(s.Section)
		}
		x.sections[i].Sum = blake3.Of(data)
		if err := w.write(data, at, s.Offset); err != nil {
			return superblock{}, err
		}
		at = s.Offset + s.Bytes
	}
	raw, err := encodeBounded(x)
	if err != nil {
		return superblock{}, err
	}
	super := superblock{
		version: leastVersion(x.tensors), indexOffset: alignUp(end, smallAlignment), indexBytes: int64(len(raw)), indexSum: blake3.Of(raw),
	}
	super.fileSize = super.indexOffset + super.indexBytes
	if err := w.write(raw, end, super.indexOffset); err != nil {
		return superblock{}, err
	}
	return super, w.write(super.encode(), 0, 0)
}

// write writes zeros from end up to offset and data from there on.
func (w *Writer) write(data []byte, end, offset int64) error {
	_, err := w.out.WriteAt(append(make([]byte, offset-end, offset-end+int64(len(data))), data...), end)
	return err
}

func encodeBounded(x index) ([]byte, error) {
	raw, err := x.encode()
	if err == nil && len(raw) > MaxIndexBytes {
		err = fmt.Errorf("the index has %d bytes; the .cola format allows %d", len(raw), MaxIndexBytes)
	}
	return raw, err
}
