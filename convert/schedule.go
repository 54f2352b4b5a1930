package convert

import (
	"colakit/formats/cola"
	"colakit/formats/safetensors"
	"colakit/internal/blake3"
)

// schedule lists the tasks: tiles in the order of the artifact, and before each
// the parts of its file that it touches and that were not hashed yet, so that both
// find the same pages in memory.
func schedule(c *Conversion, w *cola.Writer, src *sourceBytes) []task {
	s := scheduler{files: map[string]*hashedFile{}, hashed: map[*hashedFile][]bool{}}
	for _, h := range src.files {
		if h.mapped != nil {
			s.files[h.path], s.hashed[h] = h, make([]bool, len(h.parts))
		}
	}
	offsets := map[*safetensors.File]map[string]int64{}
	for i, f := range c.tensors {
		if offsets[f.file] == nil {
			offsets[f.file] = dataOffsets(f.file)
		}
		start := offsets[f.file][f.stored.Name]
		for chunk := range w.Entries()[i].Chunks() {
			first, n := tileElements(c.Steps[i], chunk)
			size := int64(f.stored.Type.Size())
			s.hash(s.files[f.file.Path()], start+first*size, start+(first+n)*size)
			s.tasks = append(s.tasks, task{step: i, chunk: chunk})
		}
	}
	for _, h := range src.files {
		if h.mapped != nil {
			s.hash(h, 0, h.size)
		}
	}
	return s.tasks
}

type scheduler struct {
	files  map[string]*hashedFile
	hashed map[*hashedFile][]bool // by part
	tasks  []task
}

// hash schedules the parts of a file that hold the bytes from…to−1.
func (s *scheduler) hash(h *hashedFile, from, to int64) {
	for part := from / blake3.PartSize; part*blake3.PartSize < to; part++ {
		if !s.hashed[h][part] {
			s.hashed[h][part] = true
			s.tasks = append(s.tasks, task{file: h, part: int(part)})
		}
	}
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
			n = 0 // a type without a size: no tensor of the model
		}
		end -= n
		offsets[descs[i].Name] = end
	}
	return offsets
}
