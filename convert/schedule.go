package convert

import (
	"slices"

	"colakit/internal/blake3"
)

// task is a tile to convert or, where file is set, a part of a source file to hash.
type task struct {
	step, chunk int
	file        *weightFile
	part        int
}

// schedule lists the tasks for some steps: their tiles in the order of the artifact,
// and before each the parts of its file that it touches and that no tile reads as a
// whole. Parts that are known already are left out; in the end, all are hashed.
func schedule(c *Conversion, src *weights, steps []int) []task {
	s := scheduler{hashed: map[*weightFile][]bool{}}
	for _, h := range src.files {
		s.hashed[h] = slices.Clone(h.known)
	}
	for _, i := range steps {
		for chunk := range c.layout[i].DataChunks() {
			h, pieces := c.tilePieces(i, chunk, src)
			s.markWhole(h, pieces)
		}
	}
	for _, i := range steps {
		for chunk := range c.layout[i].DataChunks() {
			h, pieces := c.tilePieces(i, chunk, src)
			for _, p := range pieces {
				s.hashParts(h, p)
			}
			s.tasks = append(s.tasks, task{step: i, chunk: chunk})
		}
	}
	for _, h := range src.files {
		s.hashParts(h, piece{from: 0, to: h.size, part: -1})
	}
	return s.tasks
}

// tilePieces returns the file of a tile and what is read of it: nothing for what is
// computed.
func (c *Conversion) tilePieces(step, chunk int, src *weights) (*weightFile, []piece) {
	f := c.tensors[step]
	if f.file == nil {
		return nil, nil
	}
	h := src.byPath[f.path()]
	size := int64(f.stored.Type.Size())
	first, n := c.layout[step].Elements(chunk)
	from := h.offsets[f.stored.Name] + first*size
	return h, h.pieces(from, from+n*size, size)
}

type scheduler struct {
	hashed map[*weightFile][]bool // parts that some task hashes
	tasks  []task
}

// markWhole notes the parts that a tile hashes as it reads them.
func (s *scheduler) markWhole(h *weightFile, pieces []piece) {
	for _, p := range pieces {
		if p.part >= 0 {
			s.hashed[h][p.part] = true
		}
	}
}

// hashParts schedules the parts that the piece touches and nothing hashes yet.
func (s *scheduler) hashParts(h *weightFile, p piece) {
	for i := p.from / blake3.PartSize; i*blake3.PartSize < p.to; i++ {
		if !s.hashed[h][i] {
			s.hashed[h][i] = true
			s.tasks = append(s.tasks, task{file: h, part: int(i)})
		}
	}
}
