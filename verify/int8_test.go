package verify_test

import (
	"fmt"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	codec "colakit/quantize/int8"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify"
)

// inInt8 stores the projections of all blocks as codes in groups (0: whole rows)
// and the other matrices as f16, the way an int8 artifact does.
func (m *model) inInt8(t testing.TB, group int) *model {
	t.Helper()
	scheme := codec.Scheme{Quantization: tensor.Quantization{Group: group, Scale: dtype.F32}}
	if group > 0 {
		scheme.Scale = dtype.F16
	}
	half := m.as(t, dtype.F16)
	out := &model{source: &source{names: m.names, views: map[string]tensor.View{}}, cfg: m.cfg, dit: m.dit, vae: m.vae, text: m.text}
	for _, e := range m.cfg.Inventory() {
		v, ok := m.views[e.Name]
		switch {
		case !ok:
			continue
		case e.Class == hf.DiTProjection || e.Class == hf.VAEProjection:
			v = quantized(t, v, scheme)
		case len(v.Shape) > 1:
			v = half.views[e.Name]
		}
		out.views[e.Name] = v
	}
	return out
}

func quantized(t testing.TB, v tensor.View, s codec.Scheme) tensor.View {
	t.Helper()
	values, err := v.Float32s()
	check(t, err)
	rows, cols := v.Shape[0], v.Shape[1]
	v.Type, v.Quantization = dtype.I8, &s.Quantization
	v.Data, v.Scales = make([]byte, rows*cols), make([]byte, rows*s.ScalesPerRow(cols)*s.Scale.Size())
	_, err = codec.Quantize(v.Data, v.Scales, values, rows, cols, s)
	check(t, err)
	return v
}

// TestInt8ArtifactsPass judges every operation of int8 artifacts by the rules of
// their own, with activations as they are and in 8 bits.
func TestInt8ArtifactsPass(t *testing.T) {
	m := tiny(t)
	for _, tt := range []struct {
		group       int
		activations generate.Activations
		bundle      string
		rules       []string
	}{
		{0, generate.FloatActivations, "exact-ops", []string{"int8 artifact", "int8 artifact, free-running", "int8 artifact, block", "f16 artifact"}},
		{0, generate.FloatActivations, "released-ops", []string{"int8 artifact", "int8 artifact, free-running", "int8 artifact, block", "released, 16-bit artifact"}},
		{32, generate.FloatActivations, "exact-ops", []string{"int8 artifact"}},
		{0, generate.Int8Activations, "exact-ops", []string{"int8 artifact and activations", "int8 artifact and activations, free-running", "f16 artifact"}},
		{32, generate.Int8Activations, "released-ops", []string{"int8 artifact and activations", "int8 artifact and activations, block"}},
	} {
		t.Run(fmt.Sprintf("g%d/%v/%s", tt.group, tt.activations, tt.bundle), func(t *testing.T) {
			t.Parallel()
			r := m.inInt8(t, tt.group).run(t, tt.bundle, nil, reference.Options{Activations: tt.activations})
			if r.Verdict != verify.Pass || r.Engine.Activations != tt.activations.String() {
				t.Fatalf("%s with %s activations: %s", r.Verdict, r.Engine.Activations, r.Reason)
			}
			judged := map[string]bool{}
			for _, u := range r.Policy {
				judged[u.Name] = u.Compared > 0
			}
			for _, name := range tt.rules {
				if !judged[name] {
					t.Errorf("nothing was judged by %q", name)
				}
			}
		})
	}
}
