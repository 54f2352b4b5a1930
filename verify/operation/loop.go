package operation

import (
	"math"

	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// loop computes a value of the generation loop: R rows of c channels.
func (e *evaluation) loop(op *catalog.Op, f *form) matrix {
	rows, c := e.size(op.Path)
	switch op.Path {
	case "t":
		return e.given(f, rows)
	case "t_used":
		y := e.in(f, "t").each(unrounded)
		for i, t := range y.data {
			y.data[i] = f.time(t, t, e.Call)
		}
		return f.hold(y, e.released())
	case "z":
		return e.pin(f, e.external(Before, rows, c))
	case "velocity":
		return e.guided(f, e.in(f, op.Inputs[0]), e.in(f, op.Inputs[1]))
	}
	return e.pin(f, e.euler(f, e.in(f, "z"), e.in(f, "velocity")))
}

// given returns the timesteps of a step: the schedule's, 0 for pinned rows.
func (e *evaluation) given(f *form, rows int) matrix {
	schedule := e.Run.schedule()
	if e.Site.Step >= len(schedule) {
		return e.fail(errMissing("a timestep of step beyond the schedule"))
	}
	y := newMatrix(rows, 1)
	for r, pinned := range e.pinnedRows() {
		y.data[r] = f.time(float64(schedule[e.Site.Step]), float64(schedule[e.Site.Step]), e.Call)
		if pinned && f.pinned {
			y.data[r] = 0
		}
	}
	return f.hold(y, false)
}

// pinnedRows says which rows are latents of a prompt.
func (e *evaluation) pinnedRows() []bool {
	var pinned []bool
	for _, s := range e.Run.Samples {
		for i := range e.Run.Config.DiT.BlockSize {
			pinned = append(pinned, e.Site.Block == 0 && i < s.Pinned)
		}
	}
	return pinned
}

// pin gives the pinned rows of the first block their clean value.
func (e *evaluation) pin(f *form, z matrix) matrix {
	if e.err != nil || e.Site.Block > 0 || !f.pinned {
		return f.hold(z.each(unrounded), false)
	}
	z = z.each(unrounded)
	bs, p := e.Run.Config.DiT.BlockSize, max(e.Run.Config.VAE.PatchSize, 1)
	latents := 0
	for _, s := range e.Run.Samples {
		latents += len(s.IDs) / p
	}
	clean := e.external(Clean, latents, z.cols)
	if e.err != nil {
		return matrix{}
	}
	first := 0
	for i, s := range e.Run.Samples {
		for r := range s.Pinned {
			copy(z.row(i*bs+r), clean.row(first+s.Prefix+r))
		}
		first += len(s.IDs) / p
	}
	return f.hold(z, false)
}

// guidances combine conditional and unconditional velocity; every operation is
// rounded by r.
var guidances = map[string]func(c, u, s float64, r rounding) float64{
	"u + s(c−u)": func(c, u, s float64, r rounding) float64 { return r(s*r(c-u)) + u },
	"c + s(c−u)": func(c, u, s float64, r rounding) float64 { return r(s*r(c-u)) + c },
	"u − s(c−u)": func(c, u, s float64, r rounding) float64 { return u - r(s*r(c-u)) },
	"s·c + (1−s)·u": func(c, u, s float64, r rounding) float64 {
		return r(s*c) + r(r(1-s)*u)
	},
	"(1+s)·c − s·u": func(c, u, s float64, r rounding) float64 { return r(r(1+s)*c) - r(s*u) },
	"c":             func(c, _, _ float64, _ rounding) float64 { return c },
	"u":             func(_, u, _ float64, _ rounding) float64 { return u },
}

// guided returns s·(cond − uncond) + uncond with each sample's scale s.
func (e *evaluation) guided(f *form, cond, uncond matrix) matrix {
	if e.err != nil {
		return matrix{}
	}
	y := newMatrix(cond.rows, cond.cols)
	each := max(len(y.data)/max(len(e.Run.Samples), 1), 1)
	for i := range y.data {
		y.data[i] = guidances[f.guide](cond.data[i], uncond.data[i], f.stepping.scale(e.Call, i/each), f.step)
	}
	return f.hold(y, e.released())
}

// guidanceScale is the guidance of a sample; in the first block 1 where its prefix is
// empty, and a number of the run's own type.
func guidanceScale(c *Call, sample int) float64 {
	s := single(c.Run.Guidance)
	if c.Site.Block > 0 {
		return s
	}
	if c.Run.Samples[sample].Prefix == 0 {
		s = 1
	}
	if c.Run.Contract == generate.Released {
		s = nearestBF16(s)
	}
	return s
}

// euler returns z − v·(t − t')/T.
func (e *evaluation) euler(f *form, z, v matrix) matrix {
	if e.err != nil {
		return matrix{}
	}
	dt := f.dt(e.Call)
	y := newMatrix(z.rows, z.cols)
	for i, x := range z.data {
		y.data[i] = x + f.stepping.sign*f.step(v.data[i]*dt)
	}
	return f.hold(y, false)
}

// stepWidth is (t − t')/T of the timesteps as given, a float32 number.
func stepWidth(c *Call) float64 { return c.Run.width(c.Site.Step, unrounded) }

// width returns (t − t')/T of a step, with timesteps rounded by r.
func (r *Run) width(step int, by rounding) float64 {
	s := r.schedule()
	step = min(max(step, 0), len(s)-2)
	return single((by(float64(s[step])) - by(float64(s[step+1]))) / math.Max(r.T, 1))
}

// usedTime is the timestep as the model takes it.
func usedTime(_, used float64, _ *Call) float64 { return used }
