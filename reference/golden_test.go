package reference

import (
	"context"
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
func (m tiny) Close() error         { return nil }

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
		if !strings.HasSuffix(name, ".in") || c.bundle.Info.Level != "ops" {
			if c.bundle.Info.Level == "ops" {
				c.t.Errorf("%s is not in the bundle", name)
			}
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

// Forcing an engine with everything that it showed itself changes nothing, under
// both contracts and for every kind of model.
func TestForcedWithItsOwnValues(t *testing.T) {
	for name, cfg := range variants() {
		for _, contract := range bothContracts {
			t.Run(name+"/"+contract.String(), func(t *testing.T) {
				ids := samples(cfg, 2, 0)
				e := newTestEngine(t, cfg, Options{Contract: contract})
				seen := &recorder{}
				e.Observe(seen)
				want := exercise(t, e, cfg, ids, 0, 1)
				e.Observe(&forcer{replace: func(s generate.Site) (tensor.View, bool) { v, ok := seen.views[s.String()]; return v, ok }})
				if got := exercise(t, e, cfg, ids, 0, 1); relativeError(got.Cond2, want.Cond2) != 0 || relativeError(got.Logits, want.Logits) != 0 {
					t.Error("the results changed")
				}
			})
		}
	}
}

// A forced value is used by all that follows it, caches included.
func TestForcedValuesPropagate(t *testing.T) {
	cfg := small()
	ids := samples(cfg, 2)
	e := newTestEngine(t, cfg, Options{})
	seen := &recorder{}
	e.Observe(seen)
	exercise(t, e, cfg, ids, 0)
	for _, c := range []struct{ forced, reaches string }{
		{"encode/vae.encoder.wte", "encode/vae.latents"},
		{"encode/vae.encoder.blocks.0.attn.scores", "encode/vae.encoder.blocks.0.attn.attn"},
		{"encode/vae.encoder.blocks.1.attn.k", "encode/vae.encoder.blocks.1.attn.k_rot"},
		{"prefill/dit.blocks.0.msa.k", "b00/s00/cond/dit.blocks.0.msa.k_rot"},
		{"prefill/dit.blocks.1.msa.v", "b00/s00/cond/dit.blocks.1.msa.attn"},
		{"prefill/dit.blocks.0.msa.qkv", "prefill/dit.blocks.0.msa.v"},
		{"prefill/vae.decoder.blocks.0.attn.k_raw", "b00/decode/vae.decoder.blocks.0.attn.k_rot"},
		{"prefill/vae.decoder.blocks.1.attn.v", "b00/decode/vae.decoder.logits"},
		{"b00/s00/cond/dit.emb.sinusoid", "b00/s00/cond/dit.blocks.1.ada.mlp_out.gate"},
		{"b00/s00/cond/dit.emb", "b00/s00/cond/dit.txt_out_ada.out_in.scale"},
		{"b00/s00/cond/dit.blocks.0.ada.msa_in.shift", "b00/s00/cond/dit.blocks.0.msa.in"},
		{"b00/s00/cond/dit.blocks.0.ada.msa_in.scale", "b00/s00/cond/dit.blocks.0.msa.in"},
		{"b00/s00/cond/dit.blocks.0.ada.msa_out.gate", "b00/s00/cond/dit.blocks.0.msa.residual"},
		{"b00/s00/cond/dit.blocks.1.in", "b00/s00/cond/dit.blocks.1.msa.residual"},
		{"b00/s00/uncond/dit.blocks.1.msa.q_rot", "b00/s00/uncond/dit.blocks.1.msa.scores"},
		{"b00/s00/uncond/dit.blocks.0.mlp.act", "b00/s00/uncond/dit.velocity"},
		{"b00/commit/dit.blocks.1.msa.k", "b01/s00/cond/dit.velocity"},
		{"b00/decode/vae.decoder.logits", "b00/decode/logits.logsumexp"},
	} {
		original, ok := seen.views[c.forced]
		if !ok {
			t.Errorf("%s is not shown", c.forced)
			continue
		}
		other := original
		other.Data = slices.Clone(original.Data)
		halve(other.Data)
		second := &forcer{replace: func(s generate.Site) (tensor.View, bool) { return other, s.String() == c.forced }}
		e.Observe(second)
		exercise(t, e, cfg, ids, 0)
		if slices.Equal(second.views[c.reaches].Data, seen.views[c.reaches].Data) {
			t.Errorf("%s does not notice that %s was replaced", c.reaches, c.forced)
		}
		before := seen.names[:slices.Index(seen.names, c.forced)+1]
		for _, name := range before {
			if !slices.Equal(second.views[name].Data, seen.views[name].Data) {
				t.Errorf("%s changes, though %s comes later", name, c.forced)
			}
		}
	}
}

// halve halves every second of the float32 values.
func halve(data []byte) {
	for i := 3; i < len(data); i += 8 {
		if data[i]&0x7f > 1 {
			data[i-1] ^= 0x80
			if data[i-1]&0x80 != 0 {
				data[i]--
			}
		}
	}
}

// A replacement of another shape is an error, not a panic.
func TestForcedShapeIsChecked(t *testing.T) {
	cfg := small()
	e := newTestEngine(t, cfg, Options{})
	e.Observe(&forcer{replace: func(s generate.Site) (tensor.View, bool) {
		return tensor.FromFloat32s("", tensor.Shape{1, 2}, make([]float32, 2)), s.Path == "dit.blocks.0.msa.q"
	}})
	_, err := tryExercise(context.Background(), e, cfg, samples(cfg, 2), 0)
	if err == nil || !strings.Contains(err.Error(), "prefill/dit.blocks.0.msa.q") || !strings.Contains(err.Error(), "[6, 3, 8]") {
		t.Errorf("error %v; it should name the tap and the shape wanted", err)
	}
}
