package convert

import (
	"fmt"
	"io"
	"io/fs"
	"os"

	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/internal/blake3"
)

// reader is an open file of the source.
type reader interface {
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

func openFile(path string) (reader, error) { return os.Open(path) }

// weights are the weight files of the source. They are read, not mapped: memory
// is what the workers hold, and a file that shrinks is an error.
type weights struct {
	files  []*weightFile
	byPath map[string]*weightFile
}

// weightFile is one of them, hashed part by part.
type weightFile struct {
	number int // among the weight files
	*sourceFile
	reader
	opened  fs.FileInfo
	offsets map[string]int64 // where tensors start, by name
	parts   []blake3.Part
	known   []bool // parts that need not be hashed any more
}

func (c *Conversion) openWeights() (*weights, error) {
	w := &weights{byPath: map[string]*weightFile{}}
	offsets := map[string]map[string]int64{}
	for _, folder := range c.source.models {
		for _, f := range folder.Files() {
			offsets[f.Path()] = dataOffsets(f)
		}
	}
	for _, f := range c.source.files {
		if f.data != nil {
			continue
		}
		h := &weightFile{number: len(w.files), sourceFile: f, offsets: offsets[f.path]}
		if err := h.open(c.open); err != nil {
			w.close()
			return nil, err
		}
		w.files = append(w.files, h)
		w.byPath[f.path] = h
	}
	return w, nil
}

// dataOffsets returns where the tensors of a file start: they end with it and
// leave no holes.
func dataOffsets(f *safetensors.File) map[string]int64 {
	offsets := map[string]int64{}
	descs := f.Descs()
	end := f.Size()
	for i := len(descs) - 1; i >= 0; i-- {
		n, err := descs[i].Bytes()
		if err != nil {
			n = 0 // a type that no tensor of a model has
		}
		end -= n
		offsets[descs[i].Name] = end
	}
	return offsets
}

func (h *weightFile) open(open func(string) (reader, error)) (err error) {
	if h.reader, err = open(h.path); err != nil {
		return fmt.Errorf("reading the source: %w", err)
	}
	if h.opened, err = h.Stat(); err != nil {
		h.Close()
		return fmt.Errorf("reading the source: %w", err)
	}
	if h.opened.Size() != h.size {
		h.Close()
		return h.changed()
	}
	n := (h.size + blake3.PartSize - 1) / blake3.PartSize
	h.parts, h.known = make([]blake3.Part, n), make([]bool, n)
	return nil
}

func (h *weightFile) changed() error {
	return tensor.Damagedf("%s changed during the conversion: convert again when it is complete", h.path)
}

// read fills p from the offset.
func (h *weightFile) read(p []byte, offset int64) error {
	switch n, err := h.ReadAt(p, offset); {
	case n == len(p):
		return nil
	case err == io.EOF:
		return h.changed()
	default:
		return fmt.Errorf("reading %s: %w", h.path, err)
	}
}

// piece is a run of a file's bytes that is read at once.
type piece struct {
	from, to int64
	part     int // of the file, if the piece is just that; else −1
}

// pieces cuts the bytes from…to−1, elements of the given size, at the parts of
// the file and nowhere within an element.
func (h *weightFile) pieces(from, to, size int64) []piece {
	var pieces []piece
	for at := from; at < to; {
		next := (at/blake3.PartSize + 1) * blake3.PartSize
		if next -= (next - from) % size; next <= at { // an element straddles the part's end
			next += blake3.PartSize
		}
		next = min(next, to)
		p := piece{at, next, -1}
		if at%blake3.PartSize == 0 && (next-at == blake3.PartSize || next == h.size) {
			p.part = int(at / blake3.PartSize)
		}
		pieces = append(pieces, p)
		at = next
	}
	return pieces
}

// readPiece reads a piece, and hashes it if it is a part.
func (h *weightFile) readPiece(buffer []byte, p piece) ([]byte, error) {
	data := buffer[:p.to-p.from]
	if err := h.read(data, p.from); err != nil {
		return nil, err
	}
	if p.part >= 0 {
		h.parts[p.part] = blake3.OfPart(data, p.part)
	}
	return data, nil
}

// wholePart returns part i as a piece.
func (h *weightFile) wholePart(i int) piece {
	from := int64(i) * blake3.PartSize
	return piece{from, min(from+blake3.PartSize, h.size), i}
}

// unchanged returns an error if a file is not, by size and time of modification,
// what it was in the beginning.
func (w *weights) unchanged() error {
	for _, h := range w.files {
		info, err := os.Stat(h.path)
		if err != nil || info.Size() != h.size || !info.ModTime().Equal(h.opened.ModTime()) {
			return h.changed()
		}
	}
	return nil
}

// sum returns the BLAKE3 of a file of the source, once all its parts are hashed.
func (w *weights) sum(f *sourceFile) blake3.Sum {
	if h := w.byPath[f.path]; h != nil {
		return blake3.Join(h.parts)
	}
	return blake3.Of(f.data)
}

func (w *weights) close() {
	for _, h := range w.files {
		h.Close()
	}
}
