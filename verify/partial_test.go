package verify_test

import (
	"slices"
	"strings"
	"testing"

	"colakit/formats/tensor"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify"
)

// partial is an engine in which the values of the given names exist nowhere.
type partial struct {
	generate.Engine
	hidden []string
}

func (p *partial) Shows(s generate.Site) bool {
	return !slices.ContainsFunc(p.hidden, func(name string) bool { return strings.HasSuffix(s.Path, name) })
}

func (p *partial) Observe(tap generate.Tap) {
	if tap == nil {
		p.Engine.Observe(nil)
		return
	}
	p.Engine.Observe(&blind{tap.(generate.Forcing), p})
}

// blind is a tap that is told of what the engine shows only.
type blind struct {
	generate.Forcing
	engine *partial
}

func (b *blind) Want(s generate.Site) bool { return b.engine.Shows(s) && b.Forcing.Want(s) }

func (b *blind) Replace(s generate.Site) (tensor.View, bool, error) {
	if !b.engine.Shows(s) {
		return tensor.View{}, false, nil
	}
	return b.Forcing.Replace(s)
}

// An engine of fused kernels passes where it is right, says what it could not be
// compared in, and fails at the next value that it shows where it is wrong.
func TestEnginesThatFuseOperations(t *testing.T) {
	fused := []string{"msa.norm", "msa.in", "msa.q", "msa.q_rot", "msa.scores", "attn.scores", "mlp.hidden", "ffn.hidden", "dit.emb.sinusoid"}
	tests := []struct {
		name, bundle string
		hidden       []string
		spoil        func(*testing.T, *model)
		op           string // that diverges; "": none
		says         string // in the list of missing taps, "": none is
	}{
		{name: "exact", bundle: "exact-ops", hidden: fused},
		{name: "released", bundle: "released-ops", hidden: fused},
		{name: "nothing to hide", bundle: "exact-layers", hidden: fused},
		{name: "a fault inside", bundle: "exact-ops", hidden: fused, spoil: swapHalves("dit.blocks.1.mlp.proj_in.weight"), op: "dit.blocks.1.mlp.act"},
		{name: "a fault of attention", bundle: "released-ops", hidden: fused, spoil: scale("dit.blocks.2.msa.norm_q.weight", 0, 1, 1.1), op: "dit.blocks.2.msa.attn"},
		{name: "what must be shown", bundle: "exact-layers", hidden: []string{"dit.velocity", "z_next"}, says: "dit.velocity"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := tiny(t)
			if tt.spoil != nil {
				tt.spoil(t, m)
			}
			r := m.run(t, tt.bundle, func(e generate.Engine) generate.Engine { return &partial{e, tt.hidden} }, reference.Options{})
			if missing := strings.Join(r.Coverage.Missing, " "); !strings.Contains(missing, tt.says) || tt.says == "" && missing != "" {
				t.Errorf("missing %q, want %q among them", missing, tt.says)
			}
			if tt.says != "" {
				return
			}
			hidden := hiddenTaps(t, tt.bundle, tt.hidden)
			if got := r.Coverage.NotCompared["fused in this engine"]; got != hidden || r.Coverage.Compared+hidden != r.Coverage.Taps {
				t.Errorf("%d fused, %d compared of %d taps; %d are hidden", got, r.Coverage.Compared, r.Coverage.Taps, hidden)
			}
			if pass := r.Verdict == verify.Pass; pass != (tt.op == "") {
				t.Fatalf("%s: %s", r.Verdict, r.Reason)
			}
			if tt.op != "" && (r.Divergence.Op != tt.op || r.Divergence.Mode != verify.Isolated) {
				t.Errorf("diverges at %s (%s), want %s", r.Divergence.Op, r.Divergence.Mode, tt.op)
			}
		})
	}
}

func hiddenTaps(t *testing.T, name string, hidden []string) int {
	p, n := partial{hidden: hidden}, 0
	for _, tap := range bundle(t, name).Info.Taps {
		if site, err := generate.ParseSite(tap.Name); err == nil && !p.Shows(site) {
			n++
		}
	}
	return n
}

// swapHalves exchanges the rows of a matrix's first half with those of the second.
func swapHalves(name string) func(*testing.T, *model) {
	return func(t *testing.T, m *model) {
		v := m.views[name]
		half := len(v.Data) / 2
		v.Data = slices.Concat(v.Data[half:], v.Data[:half])
		m.views[name] = v
	}
}
