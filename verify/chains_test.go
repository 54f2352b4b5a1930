package verify_test

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify"
	"colakit/verify/metric"
)

// alwaysRecorded reports whether bundles of every level hold a tap.
func alwaysRecorded(tap string) bool {
	return !strings.Contains(tap, "/dit.blocks") && !strings.Contains(tap, "vae.encoder.") && !strings.Contains(tap, "vae.decoder.") ||
		strings.HasSuffix(tap, ".msa.v") || strings.HasSuffix(tap, ".attn.k_raw") || strings.HasSuffix(tap, ".attn.v") ||
		strings.HasSuffix(tap, ".msa.k") && (strings.HasPrefix(tap, "prefill") || strings.Contains(tap, "commit"))
}

func levelTokens(i *golden.Info, _ map[string]tensor.View) { i.Level = "tokens" }

// TestTokensShowWrongWeights: an error that is below that of other roundings in a
// model of the released size is one in a small model, whatever is recorded.
func TestTokensShowWrongWeights(t *testing.T) {
	for _, contract := range []string{"exact", "released"} {
		m := tiny(t)
		transposeHalves(t, m, string(hf.DiTBlockModules(0).AdaMLPIn)+".weight")
		r := m.against(t, derive(t, contract+"-layers", alwaysRecorded, levelTokens), "transposed", nil, reference.Options{})
		if r.Verdict != verify.Fail {
			t.Errorf("%s: %s: %s", contract, r.Verdict, r.Reason)
		}
		noted(t, r)
	}
}

func noted(t *testing.T, r *verify.Report) {
	t.Helper()
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.HasPrefix(n, "resolution: ") }) {
		t.Errorf("no note says what is not seen: %q", r.Notes)
	}
}

// transposeHalves transposes the two square halves of a weight [2d, d].
func transposeHalves(t *testing.T, m *model, name string) {
	t.Helper()
	v := m.views[name]
	d := v.Shape[1]
	data := slices.Clone(v.Data)
	size := v.Type.Size()
	for i := range v.Shape[0] {
		for j := range d {
			from, to := i*d+j, i/d*d*d+j*d+i%d
			copy(data[to*size:(to+1)*size], v.Data[from*size:])
		}
	}
	v.Data = data
	m.views[name] = v
}

// TestTokensAllowOtherRoundings lets 1 result in 500 fall on the other side of a
// rounding to bfloat16 in every operation, as on another processor.
func TestTokensAllowOtherRoundings(t *testing.T) {
	for seed := range uint64(3) {
		other := wrapped{tap: func(tap generate.Tap) generate.Tap {
			return &roundings{Forcing: tap.(generate.Forcing), seed: seed}
		}}
		r := tiny(t).against(t, derive(t, "released-layers", alwaysRecorded, levelTokens), "other roundings", func(e generate.Engine) generate.Engine {
			other.Engine = e
			return &other
		}, reference.Options{})
		if r.Verdict != verify.Pass {
			t.Errorf("seed %d: %s: %s", seed, r.Verdict, r.Reason)
		}
		grown := 0
		for _, c := range r.Comparisons {
			if c.Mode == verify.Isolated && c.Grown > 0 {
				grown++
			}
		}
		if grown == 0 {
			t.Errorf("seed %d: nothing was measured", seed)
		}
		noted(t, r)
	}
}

// roundings moves bfloat16 values that the tap behind it doesn't ask for.
type roundings struct {
	generate.Forcing
	seed uint64
	last tensor.View
}

func (r *roundings) Want(generate.Site) bool { return true }

func (r *roundings) Record(s generate.Site, v tensor.View) error {
	r.last = v
	if r.Forcing.Want(s) {
		return r.Forcing.Record(s, v)
	}
	return nil
}

func (r *roundings) Replace(s generate.Site) (tensor.View, bool, error) {
	if r.Forcing.Want(s) {
		return r.Forcing.Replace(s)
	}
	if r.last.Type != dtype.BF16 {
		return tensor.View{}, false, nil
	}
	values, err := r.last.Float64s()
	if err != nil {
		return tensor.View{}, false, err
	}
	digest := fnv.New64a()
	digest.Write([]byte(s.String()))
	random := rand.New(rand.NewPCG(digest.Sum64(), r.seed))
	for i, x := range values {
		if random.IntN(500) == 0 {
			values[i] = metric.Neighbour(x, dtype.BF16, random.IntN(2) == 0)
		}
	}
	v := r.last
	v.Data = make([]byte, len(r.last.Data))
	return v, true, dtype.FromFloat64s(v.Data, values, dtype.BF16)
}
