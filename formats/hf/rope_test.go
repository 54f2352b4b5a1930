package hf

import (
	"fmt"
	"math"
	"testing"

	"colakit/formats/dtype"
)

type recordedFrequencies struct {
	DiT map[int][]float32
	VAE map[string][]float32
}

// torchUlps is what the documentation of RopeFrequencies promises.
const torchUlps = 2

func TestFrequenciesAreTorchs(t *testing.T) {
	var recorded recordedFrequencies
	readTestdata(t, "frequencies.json", &recorded)
	values, equal := 0, 0
	compare := func(name string, got, want []float32) {
		if len(got) != len(want) {
			t.Errorf("%s: %d values, want %d", name, len(got), len(want))
			return
		}
		for j, w := range want {
			values++
			if got[j] == w {
				equal++
			}
			if d := int64(math.Float32bits(got[j])) - int64(math.Float32bits(w)); d < -torchUlps || d > torchUlps {
				t.Errorf("%s: value %d is %v, want %v within %d ulp", name, j, got[j], w, torchUlps)
			}
		}
	}
	for dim, want := range recorded.DiT {
		c := DefaultDiT()
		c.RopeDim = dim
		compare(fmt.Sprint("rope_dim ", dim), c.RopeFrequencies(), want)
		if err := c.CheckRope(want, dtype.F32); err != nil {
			t.Errorf("rope_dim %d: %v", dim, err)
		}
	}
	for name, want := range recorded.VAE {
		c := DefaultVAE()
		if _, err := fmt.Sscan(name, &c.RopeTheta, &c.Dim); err != nil {
			t.Fatal(err)
		}
		c.NumHeads = 1
		compare(name, c.RopeInvFreq(), want)
	}
	if equal < values*95/100 {
		t.Errorf("%d of %d values have torch's bits, want 95 %%", equal, values)
	}
}

func TestReleasedFrequencies(t *testing.T) {
	f := DefaultDiT().RopeFrequencies()
	if len(f) != 48 || f[0] != 1 || f[24] != 0.01 {
		t.Errorf("%d values, f[0] = %v, f[24] = %v, want 48, 1, 0.01", len(f), f[0], f[24])
	}
	v := DefaultVAE().RopeInvFreq()
	if len(v) != 64 || v[0] != 1 || v[32] != 1/float32(math.Sqrt(500000)) {
		t.Errorf("%d values, v[0] = %v, v[32] = %v", len(v), v[0], v[32])
	}
}

func TestCheckRope(t *testing.T) {
	c := DefaultDiT()
	exact := c.RopeFrequencies()
	with := func(change func(f []float32)) []float32 {
		f := append([]float32(nil), exact...)
		change(f)
		return f
	}
	rounded := func(to dtype.Type) []float32 {
		return with(func(f []float32) {
			for j := range f {
				f[j] = round(f[j], to)
			}
		})
	}
	for _, r := range []struct {
		name   string
		stored []float32
		t      dtype.Type
		ok     bool
	}{
		{"computed", exact, dtype.F32, true},
		{"computed, f64", exact, dtype.F64, true},
		{"two ulp off", with(func(f []float32) { f[7] = steps(f[7], 2) }), dtype.F32, true},
		{"a flipped bit", with(func(f []float32) { f[7] = math.Float32frombits(math.Float32bits(f[7]) ^ 1<<4) }), dtype.F32, false},
		{"bf16", rounded(dtype.BF16), dtype.BF16, true},
		{"f16", rounded(dtype.F16), dtype.F16, true},
		{"bf16 stored as f32", rounded(dtype.BF16), dtype.F32, true},
		{"f16 stored as f32", rounded(dtype.F16), dtype.F32, true},
		{"bf16 stored as f16", rounded(dtype.BF16), dtype.F16, false},
		{"bf16 but for one", with(func(f []float32) {
			for j := range f[:40] {
				f[j] = dtype.RoundBF16(f[j])
			}
		}), dtype.F32, false},
		{"another base", with(func(f []float32) { f[47] *= 1.1 }), dtype.F32, false},
		{"NaN", with(func(f []float32) { f[3] = float32(math.NaN()) }), dtype.F32, false},
		{"infinite", with(func(f []float32) { f[3] = float32(math.Inf(1)) }), dtype.BF16, false},
		{"zeros", make([]float32, 48), dtype.F32, false},
		{"too few", exact[:47], dtype.F32, false},
		{"integers", exact, dtype.I32, false},
	} {
		if err := c.CheckRope(r.stored, r.t); (err == nil) != r.ok {
			t.Errorf("%s: %v, want accepted: %v", r.name, err, r.ok)
		}
	}
}
