package ops

import "colakit/kernels/device"

// Step is what a step of the integrator reads beside the velocities. All of it lies
// in device memory, so that one graph serves every step.
type Step struct {
	Guidance Vector // F32, one for each sample
	Width    Vector // F32, (t − t')/T of every step
	Index    Vector // I32, the step
	Each     int    // rows of a sample
	Pinned   Vector // I32, [rows]: not 0 where a row is pinned; none: none is
	Clean    Matrix // F32, [rows, cols]: values of pinned rows
	Round    Type   // of every result but z
	Velocity Matrix // F32, [rows, cols]: receives the guided velocity; none: nobody asks
	Broken   Vector // I32, [1]: becomes 1 if an element of a branch is NaN or infinite; none: nobody asks
}

// GuidedStep combines the branches, v = g·(cond − uncond) + uncond, and moves z [rows,
// cols] (F32) by it, z − v·width. Pinned rows get their clean values.
func (o *Ops) GuidedStep(z, cond, uncond Matrix, s Step) error {
	c := &checker{op: "step"}
	s.check(c, z)
	c.matrix("cond", cond, z.Rows, z.Cols)
	c.matrix("uncond", uncond, z.Rows, z.Cols)
	c.require(cond.Type == uncond.Type && cond.Stride == uncond.Stride, "the branches differ in type or stride")
	c.require(s.Each > 0, "%d rows of a sample", s.Each)
	c.vector("guidance", s.Guidance, F32, ceil(z.Rows, max(s.Each, 1)))
	c.vector("widths", s.Width, F32, 1)
	c.vector("step", s.Index, I32, 1)
	c.require(s.Round.float(), "rounding to %v", s.Round)
	c.optionalVector("broken", s.Broken, I32, 1)
	if !s.Velocity.none() {
		c.matrix("velocity", s.Velocity, z.Rows, z.Cols)
		c.require(s.Velocity.Type == F32 && s.Velocity.Stride == z.Cols, "the velocity is f32 without gaps")
	}
	if c.err != nil || z.Rows == 0 {
		return c.err
	}
	return o.launch("guided_step", flat(z.Rows*z.Cols), z, s.Velocity, cond, uncond, cond.Type, cond.Stride,
		s.Guidance, s.Width, s.Index, z.Rows, z.Cols, s.Each, s.Pinned, s.Clean, s.Round, s.Broken)
}

// Pin gives the pinned rows of z their clean values.
func (o *Ops) Pin(z Matrix, pinned Vector, clean Matrix) error {
	c := &checker{op: "pin"}
	Step{Pinned: pinned, Clean: clean}.check(c, z)
	c.require(!pinned.none(), "no rows are named")
	if c.err != nil || z.Rows == 0 {
		return c.err
	}
	return o.launch("pin_rows", flat(z.Rows*z.Cols), z, pinned, clean, z.Rows, z.Cols)
}

// check checks z and what is pinned of it.
func (s Step) check(c *checker, z Matrix) {
	c.matrix("z", z, z.Rows, z.Cols)
	c.require(z.Type == F32 && z.Stride == z.Cols, "z is f32 without gaps")
	if s.Pinned.none() {
		return
	}
	c.vector("pinned", s.Pinned, I32, z.Rows)
	c.matrix("clean", s.Clean, z.Rows, z.Cols)
	c.require(s.Clean.Type == F32 && s.Clean.Stride == z.Cols, "clean values are f32 without gaps")
}

// TimestepLines sets line [rows] (I32) to the lines of modulations that the rows of a
// pass read: lineOfStep[index], or cleanLine for pinned rows. The rows are those of
// the branches one behind the other, `each` of each.
func (o *Ops) TimestepLines(line, lineOfStep, index, pinned Vector, cleanLine, each int) error {
	c := &checker{op: "timestep lines"}
	c.vector("lines", line, I32, line.N)
	c.vector("lines of steps", lineOfStep, I32, 1)
	c.vector("step", index, I32, 1)
	c.require(each > 0, "%d rows of a branch", each)
	c.optionalVector("pinned", pinned, I32, each)
	if c.err != nil || line.N == 0 {
		return c.err
	}
	return o.launch("timestep_lines", flat(line.N), line, lineOfStep, index, pinned, cleanLine, line.N, each)
}

// NextStep adds 1 to the step.
func (o *Ops) NextStep(index Vector) error {
	c := &checker{op: "next step"}
	c.vector("step", index, I32, 1)
	if c.err != nil {
		return c.err
	}
	return o.launch("next_step", device.Launch{Grid: device.D(1), Block: device.D(1)}, index)
}
