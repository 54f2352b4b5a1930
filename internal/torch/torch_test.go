package torch

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"testing"
)

// cases is testdata/cases.json: hashes of what torch gives.
type cases struct {
	Normal, Uniform, Exponential []draws
	Multinomial                  []struct {
		Seed        json.Number
		Rows, Vocab int
		Sha256      string
	}
	Linspace []struct {
		Start, End  float32
		First, Last int
		Sha256      string
	}
}

// draws are tensors of the given sizes, drawn one after the other.
type draws struct {
	Seed   json.Number
	Sizes  []int
	Sha256 string
}

func readCases(t *testing.T) cases {
	t.Helper()
	raw, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var c cases
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// seeded reads a seed as Python has it: −2⁶³ to 2⁶⁴−1.
func seeded(t *testing.T, seed json.Number) *Generator {
	t.Helper()
	n, ok := new(big.Int).SetString(seed.String(), 10)
	if !ok {
		t.Fatalf("seed %s is no number", seed)
	}
	if n.Sign() < 0 {
		return New(uint64(n.Int64()))
	}
	return New(n.Uint64())
}

type digest struct{ bytes []byte }

func (d *digest) add(values ...float32) {
	for _, v := range values {
		d.bytes = binary.LittleEndian.AppendUint32(d.bytes, math.Float32bits(v))
	}
}

func (d *digest) check(t *testing.T, want, format string, args ...any) {
	t.Helper()
	sum := sha256.Sum256(d.bytes)
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf(format+": sha256 of the bytes is %s, torch's %s", append(args, got, want)...)
	}
}

func TestDraws(t *testing.T) {
	c := readCases(t)
	for _, kind := range []struct {
		name  string
		cases []draws
		fill  func(*Generator, []float32)
	}{
		{"Normal", c.Normal, (*Generator).Normal},
		{"Uniform", c.Uniform, (*Generator).Uniform},
		{"Exponential", c.Exponential, (*Generator).Exponential},
	} {
		if len(kind.cases) == 0 {
			t.Errorf("%s: no cases", kind.name)
		}
		for _, tt := range kind.cases {
			g := seeded(t, tt.Seed)
			var got digest
			for _, n := range tt.Sizes {
				dst := make([]float32, n)
				kind.fill(g, dst)
				got.add(dst...)
			}
			got.check(t, tt.Sha256, "%s: seed %s, sizes %v", kind.name, tt.Seed, tt.Sizes)
		}
	}
}

// Tokens drawn by way of Exponential are those of torch.multinomial.
func TestMultinomial(t *testing.T) {
	for _, tt := range readCases(t).Multinomial {
		g := seeded(t, tt.Seed)
		weights := make([]float32, tt.Rows*tt.Vocab)
		g.Normal(weights)
		draws := make([]float32, len(weights))
		g.Exponential(draws)
		var got digest
		for row := range tt.Rows {
			best, most := 0, float32(-1)
			for i := range tt.Vocab {
				at := row*tt.Vocab + i
				if v := float32(math.Abs(float64(weights[at]*8))) / draws[at]; v > most {
					best, most = i, v
				}
			}
			got.bytes = binary.LittleEndian.AppendUint32(got.bytes, uint32(best))
		}
		got.check(t, tt.Sha256, "seed %s, %d rows of %d", tt.Seed, tt.Rows, tt.Vocab)
	}
}

func TestLinspace(t *testing.T) {
	for _, tt := range readCases(t).Linspace {
		var got digest
		for n := tt.First; n <= tt.Last; n++ {
			got.add(Linspace(tt.Start, tt.End, n)...)
		}
		got.check(t, tt.Sha256, "from %v to %v in %d to %d points", tt.Start, tt.End, tt.First, tt.Last)
	}
	if got := Linspace(1, 2, 0); len(got) != 0 {
		t.Errorf("no points: got %v", got)
	}
}

// fma rounds once, also where the float64 sum lies on the midpoint of two float32.
func TestFMA(t *testing.T) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	check := func(a, b, c float32) {
		t.Helper()
		exact := new(big.Float).SetPrec(400).Mul(big.NewFloat(float64(a)), big.NewFloat(float64(b)))
		exact.Add(exact, big.NewFloat(float64(c)))
		if want, _ := exact.Float32(); fma(a, b, c) != want {
			t.Errorf("fma(%v, %v, %v) = %v, want %v", a, b, c, fma(a, b, c), want)
		}
	}
	// 1 + 2⁻²⁴ ± a little: in float64 the little is lost and the tie goes to even.
	check(1+0x1p-23, 0x1p-24, 1)
	check(-(1 - 0x1p-24), -0x1p-24, 1)
	check(0x1p-30, 0x1p-30, 1+0x1p-23)
	check(1+0x1p-12, 1+0x1p-12, -0x1p-80)
	check(3, -2, 6)
	for range 100_000 {
		a, b := float32(r.NormFloat64()), float32(r.NormFloat64())
		check(a, b, float32(r.NormFloat64()*math.Exp2(float64(r.IntN(60)-30))))
	}
}
