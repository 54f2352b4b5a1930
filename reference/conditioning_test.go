package reference

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/internal/synth"
)

// Every distinct timestep is computed once in the life of an engine, and a line of
// it serves every row.
func TestModulationsAreComputedOncePerTimestep(t *testing.T) {
	cfg := small()
	d := newDiT(&loader[float32]{src: synth.NewSource(cfg, dtype.F32, 1), workers: 1}, cfg.DiT)
	p := newTestPass(4, false)
	c := d.cond.condition(p, []float32{500, 0, 500, 250})
	if diff := cmp.Diff([]int{0, 1, 0, 2}, c.out.shift.of); diff != "" {
		t.Errorf("rows do not share the lines of their timesteps:\n%s", diff)
	}
	if n := len(d.cond.lines[0]); n != 3*2*cfg.DiT.TxtDim {
		t.Errorf("%d elements of shift and scale are kept for 3 timesteps, wanted %d", n, 3*2*cfg.DiT.TxtDim)
	}
	again := d.cond.condition(p, []float32{250, 0})
	if diff := cmp.Diff([]int{2, 1}, again.out.shift.of); diff != "" || len(d.cond.line) != 3 {
		t.Errorf("known timesteps are computed again (%d lines):\n%s", len(d.cond.line), diff)
	}
	alone := newConditioner(d.EmbIn, d.Blocks, d.TxtOutAda).condition(p, []float32{250})
	if diff := cmp.Diff(alone.blocks[1].mlpOut.row(0), again.blocks[1].mlpOut.row(0)); diff != "" {
		t.Errorf("a timestep's line depends on when it was computed:\n%s", diff)
	}
}

func TestModulationsAreForgottenWhenThereAreTooMany(t *testing.T) {
	cfg := small()
	d := newDiT(&loader[float32]{src: synth.NewSource(cfg, dtype.F32, 1), workers: 1}, cfg.DiT)
	d.cond.room = 2 * d.cond.width()
	p := newTestPass(1, false)
	for i := range 100 {
		c := d.cond.condition(p, []float32{float32(i)})
		if n := len(d.cond.line); n > 3 {
			t.Fatalf("%d timesteps are kept; there is room for 2 and one more", n)
		}
		if len(c.out.shift.row(0)) != cfg.DiT.TxtDim {
			t.Fatal("the line of the pass is gone")
		}
	}
}
