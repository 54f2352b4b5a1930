package convert

import (
	"fmt"
	"os"
	"time"

	"colakit/formats/tensor"
	"colakit/internal/blake3"
	"colakit/internal/mmap"
)

// sourceBytes are the bytes of all source files, hashed part by part while the
// tensors are read, so that a file comes from the disk once.
type sourceBytes struct {
	files []*hashedFile
}

type hashedFile struct {
	*sourceFile
	mapped   *mmap.Map // nil for a small file
	parts    []blake3.Part
	modified time.Time
}

func openBytes(files []*sourceFile) (*sourceBytes, error) {
	s := &sourceBytes{}
	for _, f := range files {
		h := &hashedFile{sourceFile: f}
		s.files = append(s.files, h)
		if f.data == nil {
			if err := h.open(); err != nil {
				s.close()
				return nil, err
			}
		}
	}
	return s, nil
}

func (h *hashedFile) open() (err error) {
	info, err := os.Stat(h.path)
	if err != nil {
		return fmt.Errorf("the source vanished: %w", err)
	}
	h.modified = info.ModTime()
	if h.mapped, err = mmap.Open(h.path); err != nil {
		return err
	}
	if n := int64(len(h.mapped.Bytes())); n != h.size {
		return h.changed()
	}
	h.parts = make([]blake3.Part, (h.size+blake3.PartSize-1)/blake3.PartSize)
	return nil
}

func (h *hashedFile) changed() error {
	return tensor.Damagedf("%s changed during the conversion: convert again when it is complete", h.path)
}

// hashPart hashes one part. Different parts may be hashed at the same time.
func (h *hashedFile) hashPart(i int) error {
	return mmap.Guard(h.path, func() error {
		data := h.mapped.Bytes()
		from := i * blake3.PartSize
		h.parts[i] = blake3.OfPart(data[from:min(from+blake3.PartSize, len(data))], i)
		return nil
	})
}

// unchanged returns an error if a file is not, by size and time of modification,
// what it was in the beginning.
func (s *sourceBytes) unchanged() error {
	for _, h := range s.files {
		if h.mapped == nil {
			continue
		}
		info, err := os.Stat(h.path)
		if err != nil || info.Size() != h.size || !info.ModTime().Equal(h.modified) {
			return h.changed()
		}
	}
	return nil
}

// sums returns the BLAKE3 of every file, once all parts are hashed.
func (s *sourceBytes) sums() []blake3.Sum {
	sums := make([]blake3.Sum, len(s.files))
	for i, h := range s.files {
		if h.mapped == nil {
			sums[i] = blake3.Of(h.data)
		} else {
			sums[i] = blake3.Join(h.parts)
		}
	}
	return sums
}

func (s *sourceBytes) close() {
	for _, h := range s.files {
		if h.mapped != nil {
			h.mapped.Close()
		}
	}
}
