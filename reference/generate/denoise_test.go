package generate

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoopTaps(t *testing.T) {
	m := small
	m.Contract = Released
	o := options(4)
	tap := &recorder{}
	o.Tap = tap
	f := newFake(m)
	generate(t, f, prompts(6), o)
	want := []string{
		"b00/s00/z", "b00/s00/t", "b00/s00/t_used", "b00/s00/velocity", "b00/s00/z_next",
		"b00/s01/z", "b00/s01/t", "b00/s01/t_used", "b00/s01/velocity", "b00/s01/z_next",
	}
	if diff := cmp.Diff(want, tap.names); diff != "" {
		t.Error(diff)
	}
	for name, desc := range map[string]string{
		"b00/s01/z": "f32 [4, 2]", "b00/s01/t": "f32 [4]", "b00/s01/t_used": "bf16 [4]",
		"b00/s01/velocity": "bf16 [4, 2]", "b00/s01/z_next": "f32 [4, 2]",
	} {
		if v := tap.views[name]; v.Type.String()+" "+v.Shape.String() != desc {
			t.Errorf("%s is %v %v, want %s", name, v.Type, v.Shape, desc)
		}
	}
	if f.tap != nil {
		t.Error("the engine is still observed after the run")
	}
	values, err := tap.views["b00/s01/z_next"].Float32s()
	if err != nil || !cmp.Equal(values, f.final[0]) {
		t.Errorf("last z_next %v (%v), decoded %v", values, err, f.final[0])
	}
	generate(t, newFake(m), prompts(6), options(4)) // no tap at all
}

// TestForcing: what a forcing tap gives takes the place of the loop's values.
func TestForcing(t *testing.T) {
	o := options(4)
	forced := []float32{1, 2, 3, 4, 5, 6, 7, 8}
	o.Tap = &recorder{force: map[string][]float32{"b00/s00/z": forced, "b00/s01/z_next": forced}}
	f := newFake(small)
	generate(t, f, prompts(4), o)
	if diff := cmp.Diff(forced, f.passes[0].Z); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(forced, f.final[0]); diff != "" {
		t.Error(diff)
	}
	o.Tap = &recorder{force: map[string][]float32{"b00/s00/z": forced[:3]}}
	if _, err := Run(context.Background(), f, prompts(4), o, NoiseFunc(zeroNoise)); err == nil {
		t.Error("a forced value of another size passes")
	}
}
