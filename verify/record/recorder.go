package record

import (
	"encoding/binary"
	"fmt"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// recorder is a tap that writes what a level asks for.
type recorder struct {
	writer  *golden.Writer
	level   string
	catalog *catalog.Catalog
	width   int // channels of a latent
}

// Want asks for the values of the level, and for logits, of which every level
// keeps something.
func (r *recorder) Want(site generate.Site) bool {
	return isLogits(site) || r.keeps(site)
}

func (r *recorder) keeps(site generate.Site) bool {
	op, known := r.catalog.Lookup(site)
	return known && !op.Derived && op.Recorded(r.level, site.Stage)
}

func isLogits(site generate.Site) bool {
	return site.Stage == generate.Decode && site.Path == catalog.Logits
}

// Record writes a value, and what is derived from logits.
func (r *recorder) Record(site generate.Site, v tensor.View) error {
	if r.keeps(site) {
		if err := r.add(site.String(), v); err != nil {
			return err
		}
	}
	if !isLogits(site) {
		return nil
	}
	return r.derive(site, v)
}

func (r *recorder) add(name string, v tensor.View) error {
	run := stored(v.Type)
	if v.Type != run {
		values, err := v.Float32s()
		if err != nil {
			return err
		}
		v = tensor.FromFloat32s(name, v.Shape, values)
	}
	return r.writer.Add(name, v, run)
}

// kept is the number of logits of a row that bundles of every level keep.
const kept = 64

// derive writes the largest logits of every row, their ids, the lower one first
// where logits are equal, and the row's log-sum-exp.
func (r *recorder) derive(site generate.Site, logits tensor.View) error {
	if len(logits.Shape) != 2 {
		return fmt.Errorf("%s: logits of shape %v, wanted [rows, vocabulary]", site, logits.Shape)
	}
	all, err := logits.Float64s()
	if err != nil {
		return err
	}
	rows, width := logits.Shape[0], logits.Shape[1]
	k := min(kept, width)
	top, sums := make([]float32, 0, rows*k), make([]float32, 0, rows)
	ids := make([]byte, 0, 4*rows*k)
	for i := range rows {
		row := all[i*width : (i+1)*width]
		for _, id := range metric.Largest(row, k) {
			top = append(top, float32(row[id]))
			ids = binary.LittleEndian.AppendUint32(ids, uint32(id))
		}
		sums = append(sums, float32(metric.LogSumExp(row)))
	}
	name := func(path string) string {
		site.Path = path
		return site.String()
	}
	run := stored(logits.Type)
	if err := r.writer.Add(name(catalog.TopValues), tensor.FromFloat32s("", tensor.Shape{rows, k}, top), run); err != nil {
		return err
	}
	if err := r.writer.Add(name(catalog.TopIDs), tensor.View{Desc: tensor.Desc{Type: dtype.I32, Shape: tensor.Shape{rows, k}}, Data: ids}, dtype.I32); err != nil {
		return err
	}
	return r.writer.Add(name(catalog.LogSumExp), tensor.FromFloat32s("", tensor.Shape{rows}, sums), dtype.F32)
}

// starting records the noise that a block starts from, once all samples have theirs.
type starting struct {
	noise   generate.Noise
	to      *recorder
	samples int
	block   []float32
}

// Block draws the noise of one sample.
func (s *starting) Block(sample, block int, dst []float32) error {
	if err := s.noise.Block(sample, block, dst); err != nil {
		return err
	}
	if sample == 0 {
		s.block = s.block[:0]
	}
	s.block = append(s.block, dst...)
	if sample < s.samples-1 {
		return nil
	}
	return s.to.addNoise(block, s.samples, s.block)
}

// addNoise writes the noise [samples, block_size, channels] of a block.
func (r *recorder) addNoise(block, samples int, values []float32) error {
	shape := tensor.Shape{samples, len(values) / samples / r.width, r.width}
	return r.writer.Add(golden.NoiseName(block), tensor.FromFloat32s("", shape, values), dtype.F32)
}
