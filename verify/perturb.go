package verify

import (
	"hash/fnv"
	"math"
	"math/rand/v2"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/metric"
)

// perturber is the tap of a run with random errors: it adds one to every value
// whose operation was seen to make one.
type perturber struct {
	observer // for the latents between the passes
	growth   *growth
	draw     int         // −1: without errors
	last     tensor.View // what was shown last, with its error
}

var _ generate.Forcing = (*perturber)(nil)

// Want asks for what is watched and for everything whose error is known.
func (p *perturber) Want(site generate.Site) bool {
	op, ok := p.catalog.Lookup(site)
	return ok && !op.Derived && (p.growth.watched[site.String()] || p.draw >= 0 && p.growth.seen[op.Path] != nil)
}

// Record draws the error of a value.
func (p *perturber) Record(site generate.Site, got tensor.View) error {
	if err := p.halted(p.ctx); err != nil {
		return err
	}
	op, _ := p.catalog.Lookup(site)
	p.last = got
	p.last.Name = site.String()
	if e := p.growth.seen[op.Path]; e != nil && p.draw >= 0 {
		var err error
		if p.last.Data, err = perturbed(got, *e, p.last.Name, uint64(p.draw)); err != nil {
			return err
		}
	}
	return p.growth.look(p.ctx, p.last.Name, p.last, p.draw)
}

// Replace hands out the golden's latents as when free-running, else the value with
// its error.
func (p *perturber) Replace(site generate.Site) (tensor.View, bool, error) {
	if v, ok, err := p.observer.Replace(site); ok || err != nil {
		return v, ok, err
	}
	op, ok := p.catalog.Lookup(site)
	if !ok || p.draw < 0 || p.growth.seen[op.Path] == nil || p.last.Name != site.String() {
		return tensor.View{}, false, nil
	}
	return p.last, true, nil
}

// perturbed returns the bytes of v with an error of the size seen: a normal one of
// that rms, or, where values are rounded to bfloat16, one ULP up or down in that
// share of the elements. The same name and draw give the same error.
func perturbed(v tensor.View, e opError, name string, draw uint64) ([]byte, error) {
	values, err := v.Float64s()
	if err != nil {
		return nil, err
	}
	digest := fnv.New64a()
	digest.Write([]byte(name))
	random := rand.New(rand.NewPCG(digest.Sum64(), draw))
	noisy := make([]float64, len(values))
	size := math.Sqrt(e.square/e.count) * rms(values)
	for i, x := range values {
		switch {
		case v.Type != dtype.BF16:
			noisy[i] = x + size*random.NormFloat64()
		case random.Float64() < e.differing/e.elements:
			noisy[i] = metric.Neighbour(x, v.Type, random.IntN(2) == 0)
		default:
			noisy[i] = x
		}
	}
	data := make([]byte, len(v.Data))
	return data, dtype.FromFloat64s(data, noisy, v.Type)
}

func rms(values []float64) float64 {
	sum := 0.0
	for _, x := range values {
		sum += x * x
	}
	return math.Sqrt(sum / math.Max(float64(len(values)), 1))
}
