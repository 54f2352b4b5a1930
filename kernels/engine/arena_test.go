package engine

import (
	"testing"

	"colakit/kernels/emulated"
	"colakit/kernels/ops"
)

// TestLayers: a layer's values take the place of those of the layer before the
// previous one, and of no others; so memory does not grow with the number of layers.
func TestLayers(t *testing.T) {
	d, err := emulated.Open(emulated.Options{})
	if err != nil {
		t.Skip("not run: ", err)
	}
	defer d.Close()
	s := newScratch(d)
	p := &pass{engine: &engine{device: d, scratch: s}, arena: s.whole}
	// values takes room as a layer does, for more than one chunk, and returns where it is.
	values := func() (places [3]ops.Matrix) {
		for i := range places {
			places[i] = p.matrix(ops.F32, 1, chunkBytes/8)
		}
		return places
	}
	whole := values()
	var layers [][3]ops.Matrix
	for i := range 6 {
		p.layer(i)
		layers = append(layers, values())
	}
	if p.err != nil {
		t.Fatal(p.err)
	}
	if s.grown() != 6 {
		t.Errorf("memory was added %d times; wanted 2 chunks for the pass and for each of two layers", s.grown())
	}
	for i, l := range layers {
		if l == whole || i > 0 && l == layers[i-1] {
			t.Errorf("layer %d lies where other values are needed", i)
		}
		if i > 1 && l != layers[i-2] {
			t.Errorf("layer %d does not lie in the place of layer %d", i, i-2)
		}
	}
	if err := s.free(); err != nil {
		t.Error(err)
	}
}
