package reference

import (
	"context"
	"testing"

	"github.com/nlpodyssey/spago/mat"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/internal/synth"
	"colakit/reference/generate"
)

// BenchmarkDenoise times both branches of a flow-matching step after a prefix of
// eight blocks. Models of int8 are all of it.
func BenchmarkDenoise(b *testing.B) {
	model := openTiny(b)
	wide := hf.Config{DiT: hf.DefaultDiT(), VAE: small().VAE}
	wide.DiT.NumLayers, wide.DiT.BlockSize, wide.VAE.LatentDim = 2, 16, 16
	const wideName = "released widths, 2 of 24 layers"
	rows, groups := quantizedSource(wide, tensor.Quantization{Scale: dtype.F32}), quantizedSource(wide, tensor.Quantization{Group: 32, Scale: dtype.F16})
	for _, c := range []struct {
		name        string
		src         tensor.Source
		cfg         hf.Config
		activations generate.Activations
	}{
		{"tiny", model, model.cfg, generate.FloatActivations},
		{wideName, synth.NewSource(wide, dtype.F32, 1), wide, generate.FloatActivations},
		{wideName + "/f16", synth.NewSource(wide, dtype.F16, 1), wide, generate.FloatActivations},
		{wideName + "/int8", rows, wide, generate.FloatActivations},
		{wideName + "/int8, activations int8", rows, wide, generate.Int8Activations},
		{wideName + "/int8-g32", groups, wide, generate.FloatActivations},
		{wideName + "/int8-g32, activations int8", groups, wide, generate.Int8Activations},
	} {
		for _, contract := range bothContracts {
			b.Run(c.name+"/"+contract.String(), func(b *testing.B) {
				e, err := New(c.src, c.cfg, Options{Contract: contract, Activations: c.activations})
				if err != nil {
					b.Fatal(err)
				}
				ctx := context.Background()
				if err := e.Prefill(ctx, [][]float32{make([]float32, 8*c.cfg.DiT.BlockSize*c.cfg.VAE.LatentDim)}); err != nil {
					b.Fatal(err)
				}
				p := testPass(c.cfg, 0, []int{1})
				for b.Loop() {
					if _, _, err := e.Velocity(ctx, p); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkProduct compares the engine's product with spago's own on a Linear of
// the released MLP, 32 rows.
func BenchmarkProduct(b *testing.B) {
	const rows, n, k = 32, 8192, 2048
	x, w := newMatrix[float32](rows, k), newMatrix[float32](n, k)
	for i, m := range []*matrix[float32]{x, w} {
		for j := range elements(m) {
			elements(m)[j] = float32((i+3)*j%17) - 8
		}
	}
	flops := func(b *testing.B) { b.ReportMetric(2*rows*n*k*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s") }
	b.Run("engine", func(b *testing.B) {
		dst := make([]float32, rows*n)
		for b.Loop() {
			multiply(dst, n, elements(x), k, elements(w), k, rows, n, k, 1)
		}
		flops(b)
	})
	b.Run("spago", func(b *testing.B) {
		// spago multiplies by what is stored [in, out]: the transposition is not timed.
		turned := w.T()
		for b.Loop() {
			x.Mul(turned)
		}
		flops(b)
	})
	b.Run("spago, columns", func(b *testing.B) {
		column := mat.NewDense[float32](mat.WithShape(k))
		for b.Loop() {
			for range rows {
				w.Mul(column)
			}
		}
		flops(b)
	})
}

var _ generate.Engine = (*engine[float32])(nil)
