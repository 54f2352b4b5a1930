package engine

import (
	"strings"
	"testing"

	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/kernels/emulated"
	"colakit/reference/generate"
)

func TestOnDevice(t *testing.T) {
	wte := hf.EncoderWTE.Weight()
	for _, c := range []struct {
		desc     tensor.Desc
		contract generate.Contract
		want     int64
	}{
		{tensor.Desc{Name: "w", Type: dtype.F32, Shape: tensor.Shape{65, 33}}, generate.Exact, 2 * 128 * 64},
		{tensor.Desc{Name: "b", Type: dtype.F32, Shape: tensor.Shape{64}}, generate.Exact, 256},
		{tensor.Desc{Name: wte, Type: dtype.F32, Shape: tensor.Shape{100, 64}}, generate.Exact, 4 * 6400},
		{tensor.Desc{Name: wte, Type: dtype.BF16, Shape: tensor.Shape{100, 64}}, generate.Exact, 2 * 6400},
		{tensor.Desc{Name: wte, Type: dtype.I8, Shape: tensor.Shape{100, 64}}, generate.Exact, 4 * 6400},
		{tensor.Desc{Name: hf.AdaModulations, Type: dtype.F32, Shape: tensor.Shape{100, 64}}, generate.Exact, 4 * 6400},
		{tensor.Desc{Name: hf.AdaModulations, Type: dtype.F32, Shape: tensor.Shape{100, 64}}, generate.Released, 2 * 6400},
	} {
		if got, err := onDevice(c.desc, typesOf(c.contract)); err != nil || got != c.want {
			t.Errorf("%s %v %v, %v: %d bytes, %v; wanted %d", c.desc.Name, c.desc.Type, c.desc.Shape, c.contract, got, err, c.want)
		}
	}
}

// large is the embedded model with token embeddings that float16 does not hold.
type large struct{ *cola.File }

func (l large) Read(name string) (tensor.View, error) {
	view, err := l.File.Read(name)
	if err != nil || name != hf.EncoderWTE.Weight() {
		return view, err
	}
	values, err := view.Float32s()
	if err != nil {
		return view, err
	}
	more := make([]float32, len(values))
	for i, v := range values {
		more[i] = 1e6 * v
	}
	return tensor.FromFloat32s(name, view.Shape, more), nil
}

// TestRange: what exceeds float16 is an error that says so, never a token; bfloat16
// holds it.
func TestRange(t *testing.T) {
	file, cfg := model(t)
	for contract, refused := range map[generate.Contract]bool{generate.Exact: true, generate.Released: false} {
		d, err := emulated.Open(emulated.Options{})
		if err != nil {
			t.Skip("not run: ", err)
		}
		e, err := New(large{file}, cfg, d, Options{Contract: contract})
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.Encode(t.Context(), prompts[1:2])
		if refused != (err != nil) || refused && !strings.Contains(err.Error(), "float16") {
			t.Errorf("%v: error %v", contract, err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}
