package reference

import (
	"testing"

	"github.com/nlpodyssey/spago/nn"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/internal/synth"
)

// The modules are spago models: walking them meets every parameter of the
// inventory once, but for the embedding, which is read row by row, and the rotary
// frequencies, which are none.
func TestSpagoFindsEveryParameter(t *testing.T) {
	for name, cfg := range variants() {
		l := &loader[float32]{src: synth.NewSource(cfg, dtype.F32, 1), workers: 1}
		dit := newDiT(l, cfg.DiT)
		encoder, decoder := newVAE(l, cfg.VAE)
		if l.err != nil {
			t.Fatal(l.err)
		}
		found, elements := 0, 0
		for _, m := range []nn.Model{dit, encoder, decoder} {
			nn.ForEachParam(m, func(p *nn.Param) {
				found++
				elements += p.Size()
			})
		}
		wanted, wantedElements := 0, 0
		for _, e := range cfg.Inventory() {
			if e.Class == hf.Embedding || e.Class == hf.Buffer {
				continue
			}
			n, err := e.Shape.Elements()
			if err != nil {
				t.Fatal(err)
			}
			wanted++
			wantedElements += int(n)
		}
		if found != wanted || elements != wantedElements {
			t.Errorf("%s: %d parameters of %d elements, the inventory has %d of %d", name, found, elements, wanted, wantedElements)
		}
	}
}
