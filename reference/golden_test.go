package reference

import (
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference/generate"
)

// tiny is the embedded model under its native names.
type tiny struct {
	cfg      hf.Config
	dit, vae *safetensors.Folder
}

func openTiny(t testing.TB) tiny {
	t.Helper()
	files := golden.Tiny()
	folder := func(name string) (*safetensors.Folder, []byte) {
		raw, err := fs.ReadFile(files, name+"/config.json")
		if err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.OpenFS(files, name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f, raw
	}
	dit, ditRaw := folder("cola_dit")
	vae, vaeRaw := folder("cola_vae")
	cfg, err := hf.ParseConfig(ditRaw, vaeRaw)
	if err != nil {
		t.Fatal(err)
	}
	return tiny{cfg, dit, vae}
}

func (m tiny) Descs() []tensor.Desc { return append(m.dit.Descs(), m.vae.Descs()...) }

func (m tiny) Close() error { return nil }

func (m tiny) Read(name string) (tensor.View, error) {
	if source, ok := strings.CutPrefix(name, hf.DiT.Prefix()); ok {
		return m.dit.Read(source)
	}
	return m.vae.Read(strings.TrimPrefix(name, hf.VAE.Prefix()))
}

// replay drives an engine through the run of a bundle: every call is given the
// bundle's own latents and timesteps.
func replay(t *testing.T, e generate.Engine, b *golden.Bundle) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var ids [][]int32
	for _, s := range b.Info.Samples {
		ids = append(ids, s.TokenIDs)
	}
	latents, err := e.Encode(t.Context(), ids)
	must(err)
	for i, s := range b.Info.Samples {
		latents[i] = latents[i][:s.PrefixLatents*e.Model().LatentDim]
	}
	must(e.Prefill(t.Context(), latents))
	blocks := b.Info.Run.Blocks
	if limit := b.Info.Run.BlockLimit; limit != nil {
		blocks = min(blocks, *limit)
	}
	for block := range blocks {
		var z []float32
		for step := range b.Info.Run.Steps {
			at := fmt.Sprintf("b%02d/s%02d/", block, step)
			p := generate.Pass{Block: block, Step: step, Z: readTap(t, b, at+"z"), T: readTap(t, b, at+"t")}
			_, _, err := e.Velocity(t.Context(), p)
			must(err)
			z = readTap(t, b, at+"z_next")
		}
		_, err := e.Decode(t.Context(), generate.Pass{Block: block, Z: z})
		must(err)
		must(e.Commit(t.Context(), generate.Pass{Block: block, Z: z}))
	}
}

func readTap(t *testing.T, b *golden.Bundle, name string) []float32 {
	t.Helper()
	v, err := b.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := v.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// comparer is a tap that measures every value against a bundle's, and goes on with
// the bundle's if it forces.
type comparer struct {
	bundle *golden.Bundle
	force  bool
	check  func(name string, run string, got, want []float64)
	seen   map[string]bool
	t      *testing.T
}

func (c *comparer) Want(generate.Site) bool { return true }

func (c *comparer) Record(s generate.Site, v tensor.View) error {
	name := s.String()
	recorded, ok := c.bundle.Lookup(name)
	if !ok {
		if c.bundle.Info.Level == "ops" && !strings.HasSuffix(name, ".in") { // a block's input is another's output
			c.t.Errorf("%s is not in the bundle", name)
		}
		return nil
	}
	if c.seen[name] {
		c.t.Errorf("%s was shown twice", name)
	}
	c.seen[name] = true
	want, err := c.bundle.Read(name)
	if err != nil {
		return err
	}
	if !v.Shape.Equal(want.Shape) || v.Type.String() != recorded.RunType {
		c.t.Errorf("%s is %v of %v; the bundle has %v of %v", name, v.Shape, v.Type, want.Shape, recorded.RunType)
		return nil
	}
	if v.Type == dtype.I32 {
		if !slices.Equal(v.Data, want.Data) {
			c.t.Errorf("%s: other ids", name)
		}
		return nil
	}
	a, err := v.Float64s()
	if err != nil {
		return err
	}
	e, err := want.Float64s()
	if err != nil {
		return err
	}
	c.check(name, recorded.RunType, a, e)
	return nil
}

func (c *comparer) Replace(s generate.Site) (tensor.View, bool, error) {
	if _, ok := c.bundle.Lookup(s.String()); !ok || !c.force {
		return tensor.View{}, false, nil
	}
	v, err := c.bundle.Read(s.String())
	return v, true, err
}

// The embedded bundles hold what the public package computed; the engine agrees,
// operation by operation and as a whole.
func TestAgainstEmbeddedBundles(t *testing.T) {
	model := openTiny(t)
	for _, embedded := range golden.TinyBundles() {
		b, err := golden.OpenFS(embedded.Files)
		if err != nil {
			t.Fatal(err)
		}
		contract, err := generate.ParseContract(b.Info.Contract)
		if err != nil {
			t.Fatal(err)
		}
		for _, force := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/isolated=%v", embedded.Name, force), func(t *testing.T) {
				e, err := New(model, model.cfg, Options{Contract: contract})
				if err != nil {
					t.Fatal(err)
				}
				c := &comparer{bundle: b, force: force, seen: map[string]bool{}, t: t}
				c.check = agreement(t, contract, force && b.Info.Level == "ops")
				e.Observe(c)
				replay(t, e, b)
				c.complete()
			})
		}
	}
}

// agreement returns the check of a value. Isolated sums of up to 384 products stay
// within 8·√384·2⁻²⁴ of an exact golden, and are bit-equal to a released one but
// for values next to a rounding boundary.
func agreement(t *testing.T, contract generate.Contract, isolated bool) func(name, run string, got, want []float64) {
	return func(name, run string, got, want []float64) {
		limit, differing := 8*math.Sqrt(384)*0x1p-24, 1.0
		switch {
		case contract == generate.Released && isolated && run == "bf16":
			limit, differing = 1e-3, 0.01
		case contract == generate.Released && !isolated:
			limit = 2.5e-2
		case contract == generate.Exact && !isolated:
			limit = 1e-5
		}
		diff, norm, other := 0.0, 0.0, 0
		for i, a := range got {
			if a != want[i] {
				other++
			}
			diff += (a - want[i]) * (a - want[i])
			norm += want[i] * want[i]
		}
		if rel := math.Sqrt(diff / max(norm, 1e-30)); !(rel <= limit) {
			t.Errorf("%s: rel-L2 %.1e, limit %.1e", name, rel, limit)
		}
		if share := float64(other) / float64(len(got)); share > differing && other > 1 {
			t.Errorf("%s: %.2f %% of the elements differ", name, 100*share)
		}
	}
}

// complete fails for what the bundle holds and the engine did not show. The
// loop's own values, which have no module path, are the loop's to show.
func (c *comparer) complete() {
	missing := 0
	for _, tap := range c.bundle.Info.Taps {
		path := tap.Name[strings.LastIndex(tap.Name, "/")+1:]
		if !strings.Contains(path, ".") || c.seen[tap.Name] {
			continue
		}
		if missing++; missing <= 5 {
			c.t.Errorf("%s was not shown", tap.Name)
		}
	}
}
