package verify

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

func TestRuleOf(t *testing.T) {
	exact := func(k catalog.Kind) Facts {
		return Facts{Mode: Isolated, Contract: generate.Exact, Artifact: dtype.F32, Kind: k, Type: dtype.F32}
	}
	released := func(k catalog.Kind, typ dtype.Type) Facts {
		return Facts{Mode: Isolated, Contract: generate.Released, Artifact: dtype.F32, Kind: k, Type: typ}
	}
	with := func(f Facts, m Mode, artifact dtype.Type) Facts {
		f.Mode, f.Artifact = m, artifact
		return f
	}
	coded := func(f Facts) Facts {
		f.Activations = generate.Int8Activations
		return f
	}
	tests := []struct {
		f    Facts
		rule string
	}{
		{exact(catalog.Copy), "float32 copy"},
		{exact(catalog.Product), "float32 product"},
		{exact(catalog.Chain), "float32 chain"},
		{exact(catalog.Sinusoid), "float32 sinusoid"},
		{released(catalog.Product, dtype.BF16), "released"},
		{released(catalog.Copy, dtype.BF16), "released copy"},
		{released(catalog.Normalisation, dtype.F32), "float32 normalisation"},
		{released(catalog.Chain, dtype.F32), "released chain"},
		{released(catalog.Chain, dtype.BF16), "released chain"},
		{with(exact(catalog.Copy), Isolated, dtype.F16), "f16 artifact"}, // an embedding
		{with(exact(catalog.Product), Isolated, dtype.BF16), "bf16 artifact"},
		{with(released(catalog.Product, dtype.BF16), Isolated, dtype.F16), "released, 16-bit artifact"},
		{with(exact(catalog.Product), Free, dtype.F32), "exact, free-running"},
		{with(exact(catalog.Product), Free, dtype.F16), "f16 artifact, free-running"},
		{with(exact(catalog.Product), Free, dtype.BF16), "bf16 artifact, free-running"},
		{with(released(catalog.Product, dtype.BF16), Free, dtype.F32), "released, free-running"},
		{with(released(catalog.Product, dtype.BF16), Free, dtype.BF16), "released, 16-bit artifact, free-running"},
		{with(exact(catalog.Elementwise), Generation, dtype.F32), "exact, block"},
		{with(exact(catalog.Elementwise), Generation, dtype.F16), "f16 artifact, block"},
		{with(released(catalog.Elementwise, dtype.F32), Generation, dtype.F32), "released, block"},
		{with(exact(catalog.Product), Isolated, dtype.I8), "int8 artifact"},
		{with(released(catalog.Chain, dtype.BF16), Isolated, dtype.I8), "int8 artifact"},
		{with(released(catalog.Product, dtype.BF16), Free, dtype.I8), "int8 artifact, free-running"},
		{with(exact(catalog.Elementwise), Generation, dtype.I8), "int8 artifact, block"},
		{coded(with(exact(catalog.Product), Isolated, dtype.I8)), "int8 artifact and activations"},
		{coded(with(exact(catalog.Product), Isolated, dtype.F16)), "f16 artifact"}, // a layer with float weights
		{coded(with(exact(catalog.Product), Free, dtype.I8)), "int8 artifact and activations, free-running"},
		{coded(with(released(catalog.Elementwise, dtype.F32), Generation, dtype.I8)), "int8 artifact and activations, block"},
		{with(exact(catalog.Product), Isolated, dtype.U8), ""}, // no weights are stored so
	}
	for _, tt := range tests {
		name := ""
		if r := rule(tt.f); r != nil {
			name = r.Name
		}
		if name != tt.rule {
			t.Errorf("%+v is judged by %q, want %q", tt.f, name, tt.rule)
		}
	}
}

// TestEveryRuleJudges gives every rule an error of half a limit, of twice one, and NaN.
func TestEveryRuleJudges(t *testing.T) {
	f := Facts{Kind: catalog.Product, Type: dtype.BF16, Terms: 64, Operations: 1, Modules: 1, Operand: 1, Score: 1, Position: 3, Timestep: 500, Elements: 1000}
	for _, r := range Policy {
		none := metric.Summary{N: 1000, MaxRef: 1, RMS: 1, ULP: metric.ULP{N: 1000}}
		for _, c := range r.limits(f, none) {
			if !c.OK() || c.Share != 0 {
				t.Errorf("%s: no error at all fails: %+v", r.Name, c)
			}
		}
		nan := none
		nan.RelL2, nan.MaxAbs.Value, nan.Outside.Used.Value, nan.Differing = math.NaN(), math.NaN(), math.NaN(), 1000
		if why := failure(r.limits(f, nan)); why == "" {
			t.Errorf("%s: NaN passes", r.Name)
		}
		limit := r.limits(f, none)[0].Limit
		for factor, ok := range map[float64]bool{0.5: true, 1: true, 1.001: false, 100: false} {
			s := none
			s.RelL2, s.MaxAbs.Value, s.Outside.Used.Value, s.Differing = factor*limit, 0, factor*limit, int64(math.Ceil(factor*limit))
			if strings.Contains(r.Formula, "max-abs ≤ (2·t") {
				s.RelL2, s.MaxAbs.Value = 0, factor*limit
			}
			if limit == 0 && factor == 100 {
				s.Differing = 1
			}
			if limit == 0 && factor < 100 {
				continue
			}
			if r.Name == "released" {
				s.Differing = 0
			}
			if got := failure(r.limits(f, s)) == ""; got != ok {
				t.Errorf("%s: %v of the limit: passes %v, want %v", r.Name, factor, got, ok)
			}
		}
	}
}

func TestEveryRuleIsDerived(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if r.Name == "" || r.Formula == "" || r.Derivation == "" || seen[r.Name] {
			t.Errorf("rule %q lacks its formula or derivation, or is there twice", r.Name)
		}
		seen[r.Name] = true
	}
}

// TestSumsWithoutTerms: residuals alone are a chain that adds nothing up, and rounds
// nevertheless.
func TestSumsWithoutTerms(t *testing.T) {
	for _, c := range amplified(rule(Facts{Mode: Isolated, Kind: catalog.Chain, Type: dtype.F32, Artifact: dtype.F32}).limits(Facts{}, metric.Summary{MaxRef: 1}), 1e-7, 1e-6) {
		if !(c.Limit > 0x1p-24 && c.Limit < 1e-5) {
			t.Errorf("%+v", c)
		}
	}
}

func TestGranted(t *testing.T) {
	for _, tt := range []struct{ p, n, want float64 }{
		{0.01, 64, 0.01 + 3*math.Sqrt(0.0099/64)},
		{0.001, 64, 0.001 + 1./64},
		{0.01, 0, 1.01},
		{0.01, 1e12, 0.01 + 3*math.Sqrt(0.0099/1e12)},
	} {
		if got := granted(tt.p, tt.n); math.Abs(got-tt.want) > 1e-15 {
			t.Errorf("granted(%v, %v) = %v, want %v", tt.p, tt.n, got, tt.want)
		}
	}
}

// TestFew draws results of n elements, each as large as its error may be five times:
// all are small, and the error beyond the limit, once in 10⁴ and less.
func TestFew(t *testing.T) {
	const draws = 200000
	random := rand.New(rand.NewPCG(1, 2))
	for n := int64(1); n < 12; n++ {
		beyond := 0
		for range draws {
			squares := 0.0
			for range n {
				z := random.NormFloat64()
				squares += z * z
			}
			if few(n)*5*math.Sqrt(squares/float64(n)) < 1 {
				beyond++
			}
		}
		if share := float64(beyond) / draws; share > 1e-4+5*math.Sqrt(1e-4/draws) {
			t.Errorf("%d elements: a share of %.1e is beyond the limit", n, share)
		}
	}
	if few(9) != 1 || few(0) != 1 {
		t.Errorf("few(9) = %v, few(0) = %v", few(9), few(0))
	}
}

// TestTokenKinds has a golden whose logits of ids 3 and 5 are 0.001 apart, and of
// ids 3 and 7 by 1.
func TestTokenKinds(t *testing.T) {
	known := make([]metric.Reference, 4)
	for i := range known {
		known[i] = metric.Whole([]float64{-9, -9, -9, 5, -9, 4.999, -9, 4})
	}
	s := &session{contract: generate.Exact, references: [][]metric.Reference{known, nil}, bundle: &golden.Bundle{}, weights: weights{least: dtype.F32}}
	s.info = newInfo()
	s.cfg.DiT.BlockSize, s.cfg.VAE.PatchSize = 4, 1
	tests := []struct {
		block     int
		got, want int32
		seen      []int32
		kind      string
	}{
		{0, 3, 3, nil, ""},
		{0, 5, 3, nil, tieFlip},
		{0, 7, 3, nil, wrong},
		{0, 5, 3, []int32{5}, wrong},      // 4.999/1.25 is no tie with 5
		{0, 7, 3, []int32{3, 3}, tieFlip}, // 5/1.25 is 4
		{1, 5, 3, nil, unknown},
	}
	for _, tt := range tests {
		if kind, gap := s.kind(tokenPlace{0, tt.block, 2, tt.want, tt.seen}, tt.got); kind != tt.kind {
			t.Errorf("%+v: got %s with a gap of %v", tt, kind, gap)
		}
	}
}

// TestLeastDrawn looks for the least logit that top-k and top-p leave in the draw.
func TestLeastDrawn(t *testing.T) {
	row := metric.Whole([]float64{0, 4, 3.9, 2, -9}) // probabilities 0.009, 0.485, 0.439, 0.066, 1e-6
	part := metric.Reference{Values: row.Values[:3], IDs: row.IDs[:3], LogSumExp: row.LogSumExp}
	tests := []struct {
		name string
		row  metric.Reference
		topK int
		topP float64
		seen []int32
		want float64
		ok   bool
	}{
		{"top-k", row, 2, 1, nil, 3.9, true},
		{"top-k of a part", part, 3, 1, nil, 2, true},
		{"more than is known", part, 4, 1, nil, 0, false},
		{"all of a part", part, 0, 1, nil, 0, false},
		{"all", row, 0, 1, nil, -9, true},
		{"top-p", row, 0, 0.9, nil, 3.9, true},
		{"top-p of all but the least", row, 0, 0.95, nil, 2, true},
		{"top-p after top-k", row, 2, 0.5, nil, 4, true},
		{"more of it", row, 2, 0.6, nil, 3.9, true},
		{"little", row, 0, 0.1, nil, 4, true},
		{"weakened", row, 1, 1, []int32{1}, 3.9, true}, // 4/1.25 is 3.2
	}
	for _, tt := range tests {
		s := &session{contract: generate.Exact, info: newInfo()}
		s.cfg.VAE.VocabSize = 5
		s.info.Run.TopK, s.info.Run.TopP, s.info.Run.Temperature = tt.topK, tt.topP, 1
		if got, ok := s.leastDrawn(tt.row, tt.seen); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %v, %v; want %v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.25: "0.25", 12.3456: "12.3", 1234: "1.2e+03", 0.0099: "9.9e-03", -3e-7: "-3.0e-07"} {
		if got := short(v); got != want {
			t.Errorf("short(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestFailureNamesTheWorst(t *testing.T) {
	checks := []Check{check("a", 2, 1), check("b", 9, 3), check("c", 1, 1), check("d", math.NaN(), 1)}
	if got := failure(checks[:3]); got != "b 9 > 3" {
		t.Errorf("got %q", got)
	}
	if got := failure(checks); !strings.HasPrefix(got, "d NaN") {
		t.Errorf("got %q", got)
	}
	if got := failure(checks[2:3]); got != "" {
		t.Errorf("a limit that is kept fails: %q", got)
	}
	if got := fmt.Sprint(used(checks)); got != fmt.Sprint(mostShare) {
		t.Errorf("used %s", got)
	}
}

// TestWhatIsMeasured: limits of float32 artifacts are replaced, those of 16-bit ones
// raised at most, and where the errors are of another origin they stay.
func TestWhatIsMeasured(t *testing.T) {
	chain := Facts{Mode: Isolated, Kind: catalog.Chain, Artifact: dtype.F32}
	distant := Facts{Mode: Free, Kind: catalog.Chain, Artifact: dtype.F32, Distant: true}
	with := func(f Facts, change func(*Facts)) Facts {
		change(&f)
		return f
	}
	tests := []struct {
		name                string
		f                   Facts
		measurable, narrows bool
	}{
		{"a chain", chain, true, false},
		{"a distant value", distant, true, true},
		{"released", with(distant, func(f *Facts) { f.Contract = generate.Released }), true, true},
		{"one operation", with(chain, func(f *Facts) { f.Kind = catalog.Product }), false, false},
		{"bf16 weights", with(distant, func(f *Facts) { f.Artifact = dtype.BF16 }), true, false},
		{"bf16 weights, released", with(distant, func(f *Facts) { f.Artifact, f.Contract = dtype.BF16, generate.Released }), false, false},
		{"int8 weights", with(chain, func(f *Facts) { f.Artifact = dtype.I8 }), false, false},
		{"a fused kernel", with(chain, func(f *Facts) { f.Fused = true }), false, false},
	}
	for _, tt := range tests {
		if tt.f.measurable() != tt.measurable || tt.f.narrows() != tt.narrows {
			t.Errorf("%s: measurable %v, narrows %v", tt.name, tt.f.measurable(), tt.f.narrows())
		}
	}
	f32, bf16 := ownError(64, dtype.F32), ownError(64, dtype.BF16)
	if got := math.Sqrt(f32.square); got != 0x1p-22 {
		t.Errorf("a product of 64 terms is off by %v", got)
	}
	if got := math.Sqrt(bf16.square); math.Abs(got-1.7e-3) > 1e-6 {
		t.Errorf("with bfloat16 weights by %v", got)
	}
	limits := []Check{check("rel-L2", 3e-3, 2e-2), check("max-abs", 0.03, 0.5)}
	if got := measured(limits, []Check{check("rel-L2", 3e-3, 1e-6), check("max-abs", 0.03, 1e-5)}, 1e-3, 0.02); failure(got) != "rel-L2 3.0e-03 > 2.0e-03" || got[1].Limit != 0.04 {
		t.Errorf("measured limits %+v", got)
	}
	if got := amplified(limits, 0.1, 0.1); got[0].Limit != 0.2 || got[1].Limit != 5 {
		t.Errorf("raised limits %+v", got)
	}
}
