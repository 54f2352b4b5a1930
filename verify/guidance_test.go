package verify

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"colakit/formats/hf"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

var twelveDigits = cmpopts.EquateApprox(1e-12, 1e-12)

// TestGuidanceGains has errors of 0.1 in both branches that are the same, opposed,
// independent, or in one branch only, of samples with one scale or several.
func TestGuidanceGains(t *testing.T) {
	tests := []struct {
		name           string
		dc, du         []float64
		scales         []float64
		correlation    float64
		gain, observed float64
		dv             float64 // an error of the guidance itself
	}{
		{"none", []float64{0, 0}, []float64{0, 0}, []float64{7}, 0, 0, 0, 0},
		{"common", []float64{0.1, -0.1}, []float64{0.1, -0.1}, []float64{7}, 1, 1, 1, 0},
		{"opposed", []float64{0.1, -0.1}, []float64{-0.1, 0.1}, []float64{7}, -1, 13, 13, 0},
		{"independent", []float64{0.1, 0.1}, []float64{0.1, -0.1}, []float64{7}, 0, math.Hypot(7, 6), math.Hypot(7, 6), 0},
		{"one branch", []float64{0.1, 0.1}, []float64{0, 0}, []float64{7}, 0, 7 * math.Sqrt2, 7 * math.Sqrt2, 0},
		{"no guidance", []float64{0.1, 0.1}, []float64{0.1, -0.1}, []float64{1}, 0, 1, 1, 0},
		{"two samples", []float64{0.1, 0.1}, []float64{-0.1, -0.1}, []float64{1, 7}, -1, math.Sqrt((1 + 169) / 2.), math.Sqrt((1 + 169) / 2.), 0},
		{"guidance with another scale", []float64{0.1, 0.1}, []float64{0.1, 0.1}, []float64{7}, 1, 1, 3, 0.2},
	}
	for _, tt := range tests {
		b := branches{block: 1, step: 2, got: map[string][]float64{}, want: map[string][]float64{}}
		for i := range tt.dc {
			c, u, s := 1.0, 0.5*float64(i+1), tt.scales[i*len(tt.scales)/len(tt.dc)]
			v := s*c - (s-1)*u
			for branch, side := range map[string][2]float64{generate.Cond: {c, tt.dc[i]}, generate.Uncond: {u, tt.du[i]}, "": {v, s*tt.dc[i] - (s-1)*tt.du[i] + tt.dv}} {
				b.want[branch] = append(b.want[branch], side[0])
				b.got[branch] = append(b.got[branch], side[0]+side[1])
			}
		}
		row, ok := b.sum(tt.scales)
		got := []float64{row.Correlation, row.Predicted, row.Observed}
		if diff := cmp.Diff([]float64{tt.correlation, tt.gain, tt.observed}, got, twelveDigits); diff != "" || !ok || row.Block != 1 || row.Step != 2 {
			t.Errorf("%s: correlation, predicted and observed gain (-want +got)\n%s", tt.name, diff)
		}
		if want := math.Hypot(tt.dc[0], tt.dc[1]) / math.Sqrt2; math.Abs(row.Cond-want) > 1e-12 {
			t.Errorf("%s: rel-L2 of cond %v, want %v", tt.name, row.Cond, want)
		}
		if row.Scale == 7 && (math.Abs(row.Independent-math.Sqrt(85)) > 1e-12 || row.Opposed != 13) {
			t.Errorf("%s: %+v", tt.name, row)
		}
	}
}

func TestGuidanceNeedsAllVelocities(t *testing.T) {
	one := map[string][]float64{generate.Cond: {1}, "": {1}}
	b := branches{got: one, want: one}
	if _, ok := b.sum([]float64{7}); ok {
		t.Error("a step without its unconditional velocity is summed up")
	}
}

func TestGrowthPer(t *testing.T) {
	for _, tt := range []struct {
		figures []float64
		factor  float64
	}{
		{nil, 0}, {[]float64{1}, 0}, {[]float64{0, 0, 3}, 0}, {[]float64{1, 2, 4, 8}, 2}, {[]float64{8, 0, 2}, 0.5}, {[]float64{3, 3}, 1}, {[]float64{math.NaN(), 1, 10}, 10},
	} {
		if got := growthPer(tt.figures); math.Abs(got-tt.factor) > 1e-12 {
			t.Errorf("%v: got %v, want %v", tt.figures, got, tt.factor)
		}
	}
}

func TestGrowthOverBlocks(t *testing.T) {
	steps := []GrowthRow{
		{Mode: Free, Value: "cond velocity", Over: "steps", Block: 0, RelL2: []float64{3, 4}},
		{Mode: Generation, Value: "latents", Over: "steps", Block: 0, RelL2: []float64{3, 4}},
		{Mode: Free, Value: "cond velocity", Over: "steps", Block: 1, RelL2: []float64{5, 5}},
		{Mode: Generation, Value: "latents", Over: "steps", Block: 1, RelL2: []float64{6, 7}},
		{Mode: Free, Value: "uncond velocity", Over: "steps", Block: 1, RelL2: []float64{5, 5}}, // in one block only
	}
	want := []GrowthRow{
		{Mode: Free, Value: "cond velocity", Over: "blocks", Block: -1, RelL2: []float64{math.Sqrt(12.5), 5}},
		{Mode: Generation, Value: "latents", Over: "blocks", Block: -1, RelL2: []float64{4, 7}},
	}
	if diff := cmp.Diff(want, overBlocks(steps), twelveDigits); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestUnstableIsNotWrong: a layer whose operations are right and that multiplies what
// it is given is unstable; one whose errors are its own roundings is not.
func TestUnstableIsNotWrong(t *testing.T) {
	first := generate.Site{Stage: generate.Denoise, Branch: generate.Cond, Path: "dit.blocks.1.in"}
	second := first
	second.Step = 1
	op := &catalog.Op{Path: "dit.blocks.1.msa.out", Section: catalog.DiT, Layer: 1}
	tests := []struct {
		name    string
		in, out float64 // rel-L2 before and after it in one pass; in another only what comes after is known
		own     float64
		fails   bool
		state   string
		factor  float64
	}{
		{"steady", 1e-3, 2e-3, 1e-3, false, "", 2},
		{"unstable", 1e-3, 1e-1, 1e-3, false, UnstableLayer, 100},
		{"its own roundings", 1e-9, 2e-3, 1e-3, false, "", 2e6},
		{"wrong", 1e-3, 1e-1, 1e-3, true, WrongLayer, 100},
		{"no error before it", 0, 2e-3, 1e-3, false, "", 0},
	}
	for _, tt := range tests {
		rel := map[string]float64{first.String(): tt.in, sibling(first, "dit.blocks.2.in"): tt.out, sibling(second, "dit.blocks.2.in"): 5}
		g := gainOf(rel, []generate.Site{first, second}, []string{"dit.blocks.1.in"}, []string{"dit.blocks.2.in"})
		g.Own = tt.own
		row := LayerRow{Layer: layerName(op), Gain: g}
		if tt.fails {
			row.Isolated.Failed = 1
		}
		row.State = row.state()
		if g.Passes != 1 || math.Abs(g.Factor-tt.factor) > 1e-9*tt.factor || row.State != tt.state {
			t.Errorf("%s: %q, %+v", tt.name, row.State, g)
		}
		if note := unstableNote([]LayerRow{row}); strings.Contains(note, "dit 1 by 100") != (tt.state == UnstableLayer) {
			t.Errorf("%s: note %q", tt.name, note)
		}
	}
}

// TestStreamFollowsTheLayers: what goes into a layer is what came out of the last.
func TestStreamFollowsTheLayers(t *testing.T) {
	b, err := golden.OpenFS(golden.TinyBundles()[0].Files)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := hf.ParseConfig(b.Info.Model.DiT, b.Info.Model.VAE)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{catalog: catalog.New(cfg, 7)}
	for _, section := range []catalog.Section{catalog.Encoder, catalog.DiT, catalog.Decoder} {
		before, after := s.stream(section)
		if len(before) < 2 || len(after) != len(before) {
			t.Fatalf("%s: before %v, after %v", section, before, after)
		}
		for i := range len(before) - 1 {
			if diff := cmp.Diff(before[i+1], after[i]); diff != "" {
				t.Errorf("%s %d: (-before the next +after)\n%s", section, i, diff)
			}
		}
		if last := after[len(after)-1]; len(last) != 1 || s.catalog.Op(last[0]).Layer != len(after)-1 {
			t.Errorf("%s: after the last layer comes %v", section, last)
		}
	}
}

func TestWhatIsFollowed(t *testing.T) {
	at := func(m Mode, branch, path string) *Comparison {
		return &Comparison{Mode: m, site: generate.Site{Stage: generate.Denoise, Branch: branch, Path: path}, op: &catalog.Op{Path: path}, Summary: metric.Summary{RelL2: 1}}
	}
	for c, want := range map[*Comparison]string{
		at(Free, generate.Cond, catalog.Velocity): "cond velocity", at(Free, generate.Uncond, catalog.Velocity): "uncond velocity",
		at(Free, "", "velocity"): "guided velocity", at(Generation, "", "z_next"): "latents", at(Free, "", "z_next"): "", at(Isolated, "", "velocity"): "",
	} {
		if got := grows(c); got != want {
			t.Errorf("%s %s is followed as %q, want %q", c.Mode, c.site, got, want)
		}
	}
}

// TestRoundingsAreNoInstability: under the released contract the least error ahead of
// a layer sends some of its results the other way; that is not multiplied error.
func TestRoundingsAreNoInstability(t *testing.T) {
	b, err := golden.OpenFS(golden.TinyBundles()[0].Files)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := hf.ParseConfig(b.Info.Model.DiT, b.Info.Model.VAE)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{catalog: catalog.New(cfg, 7), contract: generate.Released}
	own := s.roundings(catalog.Encoder, 1)
	for out, unstable := range map[float64]bool{4.7e-3: false, 0.1: true} {
		g := &Gain{Passes: 1, In: 1e-6, Out: out, Factor: out / 1e-6, Own: own}
		if g.unstable() != unstable {
			t.Errorf("an error of %v is unstable: %v, beyond %v by itself", out, !unstable, own)
		}
	}
	if s.contract = generate.Exact; s.roundings(catalog.Encoder, 1) != 0 {
		t.Error("the exact contract rounds")
	}
}
