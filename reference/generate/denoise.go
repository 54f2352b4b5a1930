package generate

import (
	"context"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// denoise carries a block's latents from noise at t = T to t = 0 and returns them as a
// pass, without a value if the engine holds them.
func (r *run) denoise(ctx context.Context, block int) (Pass, error) {
	p := Pass{Block: block}
	z, err := r.start(block)
	if err != nil {
		return p, err
	}
	if r.blocks != nil {
		return p, r.blocks.Denoise(ctx, r.flow(block, z))
	}
	p.Z = z
	for step := range r.options.Steps {
		if err := ctx.Err(); err != nil {
			return p, err
		}
		if err := r.step(ctx, Site{Stage: Denoise, Block: block, Step: step}, z); err != nil {
			return p, err
		}
	}
	return p, nil
}

// start draws the noise of a block, sample by sample.
func (r *run) start(block int) ([]float32, error) {
	each := r.model.BlockSize * r.model.LatentDim
	z := make([]float32, len(r.layouts)*each)
	for i := range r.layouts {
		if err := r.noise.Block(i, block, z[i*each:(i+1)*each]); err != nil {
			return nil, err
		}
	}
	return z, nil
}

// step takes one Euler step along the guided velocity. In the first block the
// pinned rows have their clean value and t = 0 before it and the clean value
// again after it.
func (r *run) step(ctx context.Context, at Site, z []float32) error {
	o, contract := r.options, r.model.Contract
	t := r.timesteps(at)
	r.pin(at.Block, z)
	if err := r.observe(at, "z", dtype.F32, z); err != nil {
		return err
	}
	if err := r.observe(at, "t", dtype.F32, t); err != nil {
		return err
	}
	if err := r.observe(at, "t_used", runType(contract), TimestepsUsed(t, contract)); err != nil {
		return err
	}
	v, err := r.velocity(ctx, Pass{Block: at.Block, Step: at.Step, Z: z, T: t})
	if err != nil {
		return err
	}
	if err := r.observe(at, "velocity", runType(contract), v); err != nil {
		return err
	}
	width := StepWidth(r.schedule[at.Step], r.schedule[at.Step+1], o.T)
	if err := EulerStep(z, v, width, contract); err != nil {
		return err
	}
	r.pin(at.Block, z)
	return r.observe(at, "z_next", dtype.F32, z)
}

// velocity returns the guided velocity of a step.
func (r *run) velocity(ctx context.Context, p Pass) ([]float32, error) {
	cond, uncond, err := r.engine.Velocity(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := sized("conditional velocity", cond, len(p.Z)); err != nil {
		return nil, err
	}
	scales := GuidanceScales(r.layouts, r.options.Guidance, p.Block, r.model.Contract)
	return Guide(cond, uncond, scales, r.model.Contract)
}

// timesteps returns the timestep of every row.
func (r *run) timesteps(at Site) []float32 {
	t := make([]float32, len(r.layouts)*r.model.BlockSize)
	for i := range t {
		if at.Block > 0 || i%r.model.BlockSize >= r.layouts[i/r.model.BlockSize].Pinned {
			t[i] = r.schedule[at.Step]
		}
	}
	return t
}

// pin gives the pinned rows of the first block their clean value.
func (r *run) pin(block int, z []float32) {
	if block > 0 {
		return
	}
	for i, clean := range r.pinned {
		copy(z[i*r.model.BlockSize*r.model.LatentDim:], clean)
	}
}

// observe shows one of the loop's own values to the tap; a forcing tap may
// replace it.
func (r *run) observe(at Site, path string, t dtype.Type, values []float32) error {
	tap := r.options.Tap
	if tap == nil {
		return nil
	}
	at.Path = path
	if tap.Want(at) {
		v, err := r.view(at, t, values)
		if err != nil {
			return err
		}
		if err := tap.Record(at, v); err != nil {
			return err
		}
	}
	if forcing, ok := tap.(Forcing); ok {
		return replace(forcing, at, values)
	}
	return nil
}

// view presents values as a tensor of the type that they have in a run: a row per
// latent, [rows, LatentDim], or [rows] for one value each.
func (r *run) view(at Site, t dtype.Type, values []float32) (tensor.View, error) {
	shape := tensor.Shape{len(r.layouts) * r.model.BlockSize, r.model.LatentDim}
	if at.Path == "t" || at.Path == "t_used" {
		shape = shape[:1]
	}
	v := tensor.FromFloat32s(at.String(), shape, values)
	if t == dtype.F32 {
		return v, nil
	}
	v.Type, v.Data = t, make([]byte, len(values)*t.Size())
	return v, dtype.FromFloat32s(v.Data, values, t)
}

func replace(forcing Forcing, at Site, values []float32) error {
	v, ok, err := forcing.Replace(at)
	if err != nil || !ok {
		return err
	}
	forced, err := v.Float32s()
	if err != nil {
		return err
	}
	if err := sized("forced "+at.Path, forced, len(values)); err != nil {
		return err
	}
	copy(values, forced)
	return nil
}

// runType is the type of a value that the released run holds in bfloat16.
func runType(c Contract) dtype.Type {
	if c == Released {
		return dtype.BF16
	}
	return dtype.F32
}
