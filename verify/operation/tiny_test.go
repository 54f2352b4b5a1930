package operation

import (
	"io/fs"
	"math"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// weights is a source of native names in memory.
type weights map[string]tensor.View

func (w weights) Descs() []tensor.Desc {
	var descs []tensor.Desc
	for _, v := range w {
		descs = append(descs, v.Desc)
	}
	return descs
}

func (w weights) Read(name string) (tensor.View, error) {
	v, ok := w[name]
	if !ok {
		return v, tensor.ErrNotFound
	}
	return v, nil
}

func (w weights) Close() error { return nil }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tinyWeights are those of the embedded model.
func tinyWeights(t testing.TB) weights {
	t.Helper()
	w := weights{}
	for _, part := range []hf.Model{hf.DiT, hf.VAE} {
		raw, err := fs.ReadFile(golden.Tiny(), "cola_"+part.String()+"/model.safetensors")
		check(t, err)
		file, err := safetensors.Parse(raw)
		check(t, err)
		for _, d := range file.Descs() {
			v, err := file.Read(d.Name)
			check(t, err)
			v.Name = part.Prefix() + d.Name
			w[v.Name] = v
		}
	}
	return w
}

func tinyBundle(t testing.TB, name string) *golden.Bundle {
	t.Helper()
	for _, e := range golden.TinyBundles() {
		if e.Name == name {
			b, err := golden.OpenFS(e.Files)
			check(t, err)
			return b
		}
	}
	t.Fatalf("no bundle %s", name)
	return nil
}

// distance returns ‖a−e‖/‖e‖ and the share of elements that differ in type typ and
// are not small.
func distance(a, e []float64, typ dtype.Type) (relative, differing float64) {
	var d2, e2 float64
	for i, x := range e {
		d := a[i] - x
		d2, e2 = d2+d*d, e2+x*x
		if typ == dtype.BF16 && math.Abs(x) >= 0x1p-10 && dtype.RoundBF16(float32(a[i])) != dtype.RoundBF16(float32(x)) {
			differing++
		}
	}
	return math.Sqrt(d2) / math.Max(math.Sqrt(e2), 1e-30), differing / math.Max(float64(len(e)), 1)
}

// TestEvaluateAgreesWithTheGoldens computes every recorded value of bundles from the
// golden's inputs. In float64 an operation is off by the golden's own rounding.
func TestEvaluateAgreesWithTheGoldens(t *testing.T) {
	w := tinyWeights(t)
	for _, name := range []string{"exact-ops", "released-ops"} {
		b := tinyBundle(t, name)
		run, err := NewRun(&b.Info)
		check(t, err)
		seen := map[string]bool{}
		for _, tap := range b.Info.Taps {
			site, err := generate.ParseSite(tap.Name)
			if err != nil || site.Step > 1 {
				continue // noise is given
			}
			seen[site.Path] = true
			agree(t, run, site, tap, w, b)
		}
		for _, op := range run.Catalog().Ops() {
			if op.Recorded("ops", generate.Denoise) && !seen[op.Path] {
				t.Errorf("%s: %s was not computed", name, op.Path)
			}
		}
	}
}

func agree(t *testing.T, run *Run, site generate.Site, tap golden.Tap, w tensor.Source, b *golden.Bundle) {
	t.Helper()
	c, err := NewCall(run, site, w, BundleValues(b))
	check(t, err)
	got, err := Evaluate(c, Alternative{})
	check(t, err)
	if !got.Shape.Equal(tap.Shape) || tap.Type.Float() && got.Type.String() != tap.RunType {
		t.Errorf("%s: %v %v, want %v %v", site, got.Type, got.Shape, tap.RunType, tap.Shape)
		return
	}
	view, err := b.Read(tap.Name)
	check(t, err)
	if !tap.Type.Float() {
		return
	}
	want, err := view.Float64s()
	check(t, err)
	relative, differing := distance(got.Data, want, got.Type)
	limit := 2e-6
	switch {
	case got.Type == dtype.BF16:
		limit = 1e-3
	case c.Op().Kind == catalog.Sinusoid:
		limit = 1000 * 0x1p-24 // the golden's angles are float32 numbers up to 1000
	}
	if !(relative <= limit) || differing > 0.02+3/float64(len(want)) {
		t.Errorf("%s: rel-L2 %.2e, %.2f %% differ", site, relative, 100*differing)
	}
}
