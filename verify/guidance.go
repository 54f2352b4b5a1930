package verify

import (
	"math"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// GuidanceRow says what guidance made of the errors of a step, free-running: v = s·c
// − (s−1)·u of the conditional and unconditional velocities c and u. Errors of both
// that are the same pass as they are, independent ones grow by √(s² + (s−1)²),
// opposed ones by 2·s − 1.
type GuidanceRow struct {
	Block int     `json:"block"`
	Step  int     `json:"step"`
	Scale float64 `json:"scale"` // s; in the first block the rms over the samples

	// Rel-L2 of c, of u, of c − u and of v.
	Cond       float64 `json:"cond"`
	Uncond     float64 `json:"uncond"`
	Difference float64 `json:"difference"`
	Guided     float64 `json:"guided"`

	// Correlation is Σδc·δu / √(Σδc²·Σδu²) of the errors; 0 where one is 0.
	Correlation float64 `json:"correlation"`
	// Predicted is rms(s·δc − (s−1)·δu) / √((mean(δc²) + mean(δu²))/2), which the
	// errors and their correlation lead to; Observed has the error of v in its place.
	// Both are 0 where neither branch has an error.
	Predicted float64 `json:"predicted_gain"`
	Observed  float64 `json:"observed_gain"`
	// Independent is √(s² + (s−1)²), Opposed 2·s − 1.
	Independent float64 `json:"independent_gain"`
	Opposed     float64 `json:"opposed_gain"`
}

// branches are both sides' velocities of the step that a free-running mode is at.
type branches struct {
	block, step int
	got, want   map[string][]float64 // by branch
}

// watchGuidance takes the velocities of a step, and sums up once it has all.
func (s *session) watchGuidance(site generate.Site, got, want tensor.View) error {
	guided := site.Branch == "" && site.Path == "velocity"
	if site.Stage != generate.Denoise || !guided && site.Path != catalog.Velocity {
		return nil
	}
	a, err := got.Float64s()
	if err != nil {
		return err
	}
	e, err := want.Float64s()
	if err != nil {
		return err
	}
	b := &s.branches
	if b.got == nil || b.block != site.Block || b.step != site.Step {
		*b = branches{site.Block, site.Step, map[string][]float64{}, map[string][]float64{}}
	}
	b.got[site.Branch], b.want[site.Branch] = append([]float64(nil), a...), append([]float64(nil), e...)
	if row, ok := b.sum(s.scales(site.Block)); ok {
		s.guidance = append(s.guidance, row)
	}
	return nil
}

// scales returns the guidance of every sample in a block.
func (s *session) scales(block int) []float64 {
	scales := make([]float64, len(s.info.Samples))
	for i, sample := range s.info.Samples {
		scales[i] = s.info.Run.Guidance
		if block > 0 {
			continue
		}
		if scales[i] = sample.FirstGuidance; s.contract == generate.Released {
			scales[i] = float64(dtype.RoundBF16(float32(scales[i])))
		}
	}
	return scales
}

// sum sums up a step whose three velocities are known.
func (b *branches) sum(scales []float64) (row GuidanceRow, ok bool) {
	c, u, v := b.want[generate.Cond], b.want[generate.Uncond], b.want[""]
	if c == nil || u == nil || v == nil || len(c) != len(v) || len(u) != len(v) || len(v)%max(len(scales), 1) != 0 || len(v) == 0 {
		return row, false
	}
	var cond, uncond, difference, guided, linear energy
	product, square := 0.0, 0.0
	for i := range v {
		dc, du, dv := b.got[generate.Cond][i]-c[i], b.got[generate.Uncond][i]-u[i], b.got[""][i]-v[i]
		scale := scales[i*len(scales)/len(v)]
		cond.add(dc, c[i])
		uncond.add(du, u[i])
		difference.add(dc-du, c[i]-u[i])
		guided.add(dv, v[i])
		linear.add(scale*dc-(scale-1)*du, 0)
		product, square = product+dc*du, square+scale*scale/float64(len(v))
	}
	row = GuidanceRow{
		Block: b.block, Step: b.step, Scale: math.Sqrt(square),
		Cond: cond.relative(), Uncond: uncond.relative(), Difference: difference.relative(), Guided: guided.relative(),
	}
	row.Independent, row.Opposed = math.Hypot(row.Scale, row.Scale-1), 2*row.Scale-1
	if both := math.Sqrt(cond.err2 * uncond.err2); both > 0 {
		row.Correlation = product / both
	}
	if either := math.Sqrt((cond.err2 + uncond.err2) / 2); either > 0 {
		row.Predicted, row.Observed = math.Sqrt(linear.err2)/either, math.Sqrt(guided.err2)/either
	}
	return row, true
}

// energy holds the squares of an error and of what it is relative to.
type energy struct{ err2, ref2 float64 }

func (n *energy) add(d, e float64) {
	n.err2 += d * d
	n.ref2 += e * e
}

func (n energy) relative() float64 {
	if n.err2 == 0 {
		return 0
	}
	return math.Sqrt(n.err2) / math.Max(math.Sqrt(n.ref2), 0x1p-126)
}
