package operation

import (
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/internal/synth"
	codec "colakit/quantize/int8"
	"colakit/reference/generate"
)

// madeUp is a model that has what the embedded one lacks: patches, a clip, shifted and
// scaled latents, stored frequencies that are not the computed ones.
func madeUp(t testing.TB) hf.Config {
	t.Helper()
	cfg, err := hf.ParseConfig(
		[]byte(`{"txt_in_channels":4,"txt_out_channels":4,"txt_dim":32,"emb_dim":32,"heads":2,"head_dim":16,"expand_ratio":2,"num_layers":2,"rope_dim":12,"block_size":2,"qk_bias":true}`),
		[]byte(`{"vocab_size":40,"encoder_num_blocks":1,"decoder_num_blocks":2,"dim":32,"ffn_dim":64,"latent_dim":4,"num_heads":2,"patch_size":2,"block_size":4,"clip_qkv":0.3,"act":"gelu","scaling_factor":0.7,"shifting_factor":0.2,"rope_full_precision":false,"rope_theta":10000}`))
	check(t, err)
	return cfg
}

func madeUpRun(t testing.TB, contract generate.Contract) *Run {
	ids := func(n int) []int32 { return make([]int32, n) }
	return &Run{
		Config: madeUp(t), Contract: contract, T: 1000, Steps: 7, Guidance: 3.307,
		Samples: []Sample{{IDs: ids(12), Prefix: 4, Pinned: 1}, {IDs: ids(4), Prefix: 0, Pinned: 1}},
	}
}

// madeUpWeights are those of a made-up checkpoint, the matrices in one of the types.
func madeUpWeights(t testing.TB, cfg hf.Config, typ dtype.Type) weights {
	t.Helper()
	w := weights{}
	src := synth.NewSource(cfg, dtype.F32, 5)
	for _, d := range src.Descs() {
		v, err := src.Read(d.Name)
		check(t, err)
		values, err := v.Float32s()
		check(t, err)
		switch {
		case strings.HasSuffix(d.Name, "freqs"):
			values[1] *= 1.01
		case len(d.Shape) != 2 || typ == dtype.F32:
		case typ == dtype.I8:
			v = quantised8(t, v)
		default:
			v.Type, v.Data = typ, make([]byte, len(values)*typ.Size())
			check(t, dtype.FromFloat32s(v.Data, values, typ))
		}
		w[d.Name] = v
	}
	return w
}

func quantised8(t testing.TB, v tensor.View) tensor.View {
	t.Helper()
	values, err := v.Float32s()
	check(t, err)
	rows, cols := v.Shape[0], v.Shape[1]
	s := codec.Scheme{Quantization: tensor.Quantization{Group: 32, Scale: dtype.F32}}
	v.Type, v.Quantization, v.Data = dtype.I8, &s.Quantization, make([]byte, len(values))
	v.Scales = make([]byte, 4*rows*s.ScalesPerRow(cols))
	_, err = codec.Quantize(v.Data, v.Scales, values, rows, cols, s)
	check(t, err)
	return v
}

// madeUpValues returns random numbers for every value, the same for the same name.
func madeUpValues(r *Run) Values {
	return func(name string) (Input, bool, error) {
		site, err := generate.ParseSite(name)
		c := &Call{Run: r, Site: site}
		shape := tensor.Shape{len(r.Samples), r.Config.DiT.BlockSize, r.Config.VAE.LatentDim}
		if err == nil {
			shape = c.shape(site.Path)
		} else if !strings.HasPrefix(name, "noise/") {
			return Input{}, false, nil
		}
		n, err := shape.Elements()
		if err != nil {
			return Input{}, false, err
		}
		h := fnv.New64a()
		h.Write([]byte(name))
		random := rand.New(rand.NewPCG(h.Sum64(), 1))
		data := make([]float32, n)
		for i := range data {
			data[i] = dtype.RoundBF16(float32(random.NormFloat64()))
		}
		run := dtype.F32
		if r.Contract == generate.Released {
			run = dtype.BF16
		}
		if site.Path == "t" || site.Path == "t_used" {
			given := r.schedule()[site.Step]
			for i := range data {
				data[i] = given
				if site.Path == "t_used" && r.Contract == generate.Released {
					data[i] = dtype.RoundBF16(given)
				}
			}
		}
		return Input{tensor.FromFloat32s(name, shape, data), run}, true, nil
	}
}

// madeUpCalls returns calls of every operation of the made-up model.
func madeUpCalls(t testing.TB, contract generate.Contract, typ dtype.Type) []*Call {
	t.Helper()
	run := madeUpRun(t, contract)
	w, values := madeUpWeights(t, run.Config, typ), madeUpValues(run)
	var list []*Call
	for _, op := range run.Catalog().Ops() {
		for _, site := range []generate.Site{
			{Stage: generate.Encode}, {Stage: generate.Denoise, Step: 2}, {Stage: generate.Denoise, Block: 1, Step: 2}, {Stage: generate.Denoise, Block: 1, Step: 2, Branch: generate.Cond},
			{Stage: generate.Denoise, Block: 1, Step: 2, Branch: generate.Uncond}, {Stage: generate.Decode, Block: 1},
		} {
			site.Path = op.Path
			if found, ok := run.Catalog().Lookup(site); !ok || found != op || op.Layer > 0 {
				continue
			}
			c, err := NewCall(run, site, w, values)
			check(t, err)
			list = append(list, c)
		}
	}
	return list
}
