package verify_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/reference"
	"colakit/verify"
)

// faults are ways to spoil an artifact, and the operation that has to be named.
var faults = []struct {
	name   string
	bundle string
	spoil  func(t *testing.T, m *model)
	op     string // operation that diverges first
	tensor string // one of the tensors it must name
	says   string // a part of the pattern
}{
	{
		name: "a transposed square matrix", bundle: "exact-ops",
		spoil: transpose("dit.blocks.2.msa.proj_out.weight"),
		op:    "dit.blocks.2.msa.out", tensor: "dit.blocks.2.msa.proj_out.weight", says: "this layer alone of 4",
	},
	{
		name: "a transposed square matrix, released", bundle: "released-ops",
		spoil: transpose("vae.decoder.blocks.1.attn_out_proj.weight"),
		op:    "vae.decoder.blocks.1.attn.out", tensor: "vae.decoder.blocks.1.attn_out_proj.weight", says: "this layer alone of 2",
	},
	{
		name: "a transposed matrix, seen through a whole layer", bundle: "released-layers",
		spoil: transpose("dit.blocks.1.msa.proj_out.weight"),
		op:    "dit.blocks.1.msa.out", tensor: "dit.blocks.1.msa.proj_out.weight", says: "this layer alone of 4",
	},
	{
		name: "one bias element changed", bundle: "exact-ops",
		spoil: change("dit.blocks.1.mlp.proj_out.bias", 17, func(v float32) float32 { return v + 0.01 }),
		op:    "dit.blocks.1.mlp.out", tensor: "dit.blocks.1.mlp.proj_out.bias", says: "one element of a bias",
	},
	{
		name: "one bias element changed, released", bundle: "released-ops",
		spoil: change("dit.blocks.0.mlp.proj_in.bias", 200, func(v float32) float32 { return v + 0.1 }),
		op:    "dit.blocks.0.mlp.hidden", tensor: "dit.blocks.0.mlp.proj_in.bias", says: "channel 200",
	},
	{
		name: "one bias element of the encoder", bundle: "exact-layers",
		spoil: change("vae.encoder.blocks.1.ffn_out.bias", 3, func(v float32) float32 { return v - 0.01 }),
		op:    "vae.encoder.blocks.1.ffn.out", tensor: "vae.encoder.blocks.1.ffn_out.bias", says: "one element of a bias",
	},
	{
		name: "a dropped bias", bundle: "exact-ops",
		spoil: scale("dit.blocks.3.ada.mlp_in.1.bias", 0, 1, 0),
		op:    "dit.blocks.3.ada.mlp_in.shift", tensor: "dit.blocks.3.ada.mlp_in.1.bias", says: "this layer alone of 4",
	},
	{
		name: "a scaled channel", bundle: "exact-ops",
		spoil: scale("dit.blocks.0.mlp.proj_in.weight", 5, 128, 1.01),
		op:    "dit.blocks.0.mlp.hidden", tensor: "dit.blocks.0.mlp.proj_in.weight", says: "channel 5: one row of a weight",
	},
	{
		name: "swapped tensors of two layers", bundle: "exact-ops",
		spoil: swap("dit.blocks.1.mlp.proj_in.weight", "dit.blocks.2.mlp.proj_in.weight"),
		op:    "dit.blocks.1.mlp.hidden", tensor: "dit.blocks.1.mlp.proj_in.weight", says: "dit.blocks.2.mlp.hidden",
	},
	{
		name: "swapped norms of query and key", bundle: "released-ops",
		spoil: swap("dit.blocks.2.msa.norm_q.weight", "dit.blocks.2.msa.norm_k.weight"),
		op:    "dit.blocks.2.msa.q", tensor: "dit.blocks.2.msa.norm_q.weight", says: "dit.blocks.2.msa.k",
	},
	{
		name: "NaN in one element", bundle: "exact-ops",
		spoil: change("vae.encoder.blocks.0.ffn_proj.weight", 64*7+1, func(float32) float32 { return float32(math.NaN()) }),
		op:    "vae.encoder.blocks.0.ffn.hidden", tensor: "vae.encoder.blocks.0.ffn_proj.weight", says: "this layer alone of 2",
	},
	{
		name: "the timestep embedding, seen through whole layers", bundle: "exact-layers",
		spoil: change("dit.emb_in.proj_out.bias", 9, func(v float32) float32 { return v + 0.5 }),
		op:    "dit.blocks.0.msa.k", tensor: "dit.emb_in.proj_out.bias", says: "uniform over all 4 layers",
	},
	{
		name: "a logit's bias", bundle: "exact-layers",
		spoil: change("vae.decoder.final_layer.bias", 400, func(v float32) float32 { return v + 30 }),
		op:    "logits.top_values", tensor: "vae.decoder.final_layer.bias",
	},
}

func TestFaultsOfAnArtifactAreLocated(t *testing.T) {
	for i, f := range faults {
		if testing.Short() && i%4 > 0 {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			m := tiny(t)
			f.spoil(t, m)
			r := m.run(t, f.bundle, nil, reference.Options{Workers: 1})
			if r.Verdict != verify.Fail || r.Divergence == nil {
				t.Fatalf("verdict %s: %s", r.Verdict, r.Reason)
			}
			d := r.Divergence
			if d.Op != f.op || d.Mode != verify.Isolated {
				t.Errorf("located at %s (%s), want %s: %s", d.Op, d.Mode, f.op, d.Problem)
			}
			if !slices.ContainsFunc(d.Tensors, func(s string) bool { return strings.HasPrefix(s, f.tensor+" ") }) {
				t.Errorf("names %q, want %s among them", d.Tensors, f.tensor)
			}
			if len(d.Suspects) > 0 && !slices.ContainsFunc(d.Suspects, func(s string) bool { return strings.HasPrefix(s, f.tensor+" ") }) {
				t.Errorf("suspects %q, want %s among them", d.Suspects, f.tensor)
			}
			if pattern := strings.Join(d.Pattern, "\n"); !strings.Contains(pattern, f.says) {
				t.Errorf("pattern %q does not say %q", pattern, f.says)
			}
		})
	}
}

// edit changes a tensor's values in place.
func edit(t *testing.T, m *model, name string, change func(values []float32)) {
	t.Helper()
	v, ok := m.views[name]
	if !ok {
		t.Fatalf("no tensor %s", name)
	}
	values, err := v.Float32s()
	check(t, err)
	values = slices.Clone(values)
	change(values)
	v.Data = make([]byte, len(values)*v.Type.Size())
	check(t, dtype.FromFloat32s(v.Data, values, v.Type))
	m.views[name] = v
}

func transpose(name string) func(*testing.T, *model) {
	return func(t *testing.T, m *model) {
		n := m.views[name].Shape[0]
		if m.views[name].Shape[1] != n {
			t.Fatalf("%s is no square matrix", name)
		}
		edit(t, m, name, func(v []float32) {
			for i := range n {
				for j := range i {
					v[i*n+j], v[j*n+i] = v[j*n+i], v[i*n+j]
				}
			}
		})
	}
}

func change(name string, at int, f func(float32) float32) func(*testing.T, *model) {
	return func(t *testing.T, m *model) {
		edit(t, m, name, func(v []float32) { v[at] = f(v[at]) })
	}
}

// scale multiplies a row of the given width; row 0 of width 1 is the whole tensor.
func scale(name string, row, width int, by float32) func(*testing.T, *model) {
	return func(t *testing.T, m *model) {
		edit(t, m, name, func(v []float32) {
			part := v[row*width : (row+1)*width]
			if width == 1 {
				part = v
			}
			for i := range part {
				part[i] *= by
			}
		})
	}
}

func swap(a, b string) func(*testing.T, *model) {
	return func(t *testing.T, m *model) {
		x, y := m.views[a], m.views[b]
		if !x.Shape.Equal(y.Shape) {
			t.Fatal(fmt.Errorf("%s and %s have different shapes", a, b))
		}
		x.Name, y.Name = b, a
		m.views[a], m.views[b] = y, x
	}
}
