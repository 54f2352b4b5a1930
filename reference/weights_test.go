package reference

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// A matrix that is widened tile by tile gives the bits of one that is widened as a
// whole.
func TestStoredWeightsMultiply(t *testing.T) {
	const out, in, rows = 5*tileElements/300 + 3, 300, 3
	values, x := make([]float32, out*in), make([]float32, rows*in)
	for i := range values {
		values[i] = dtype.RoundBF16(float32(i%1013)/512 - 1)
	}
	for i := range x {
		x[i] = float32(i%71)/32 - 1
	}
	want := make([]float32, rows*out)
	multiply(want, out, x, in, values, in, rows, out, in, 1)
	for _, stored := range []dtype.Type{dtype.BF16, dtype.F16, dtype.F64, dtype.F32} {
		view := tensor.View{Desc: tensor.Desc{Type: stored, Shape: tensor.Shape{out, in}}, Data: make([]byte, len(values)*stored.Size())}
		if err := dtype.FromFloat32s(view.Data, values, stored); err != nil {
			t.Fatal(err)
		}
		for _, workers := range []int{1, 4} {
			got := make([]float32, rows*out)
			if err := newStoredWeights[float32](view, out, in).multiply(got, x, rows, workers); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v, %d workers:\n%s", stored, workers, diff)
			}
		}
	}
}

// one is a source of one large weight.
type one struct{ view tensor.View }

func (s one) Descs() []tensor.Desc             { return []tensor.Desc{s.view.Desc} }
func (s one) Read(string) (tensor.View, error) { return s.view, nil }
func (s one) Close() error                     { return nil }

// Large weights stay where they are or take two bytes each; both ways the released
// contract multiplies the values rounded to bfloat16.
func TestLargeWeights(t *testing.T) {
	const out, in = 1 << 11, 1 << 9
	values := make([]float32, out*in)
	for i := range values {
		values[i] = float32(i%8191)/4096 - 1.0001
	}
	x := valueFrom(in, values[:in]...)
	for _, c := range []struct {
		stored   dtype.Type
		released bool
		inPlace  bool // the spago matrix is the tensor's own memory
		held     int  // bytes of what is held otherwise
		shared   bool // that is the tensor's own memory
	}{
		{dtype.F32, false, true, 0, false},
		{dtype.F32, true, false, 2 * out * in, false},
		{dtype.F16, true, false, 2 * out * in, false},
		{dtype.F16, false, false, 2 * out * in, true},
		{dtype.BF16, true, false, 2 * out * in, true},
		{dtype.BF16, false, false, 2 * out * in, true},
	} {
		t.Run(fmt.Sprintf("%v, released %v", c.stored, c.released), func(t *testing.T) {
			view := tensor.View{Desc: tensor.Desc{Name: "w", Type: c.stored, Shape: tensor.Shape{out, in}}, Data: make([]byte, len(values)*c.stored.Size())}
			if err := dtype.FromFloat32s(view.Data, values, c.stored); err != nil {
				t.Fatal(err)
			}
			l := &loader[float32]{src: one{view}, released: c.released, workers: 2}
			layer := l.linear("w", out, in, false)
			if l.err != nil {
				t.Fatal(l.err)
			}
			if c.inPlace != (layer.W != nil) || c.inPlace == (layer.stored != nil) {
				t.Fatalf("a spago matrix: %v, stored weights: %v", layer.W != nil, layer.stored != nil)
			}
			if layer.stored != nil {
				held := layer.stored.(*storedWeights[float32]).view.Data
				if len(held) != c.held || (&held[0] == &view.Data[0]) != c.shared {
					t.Errorf("%d bytes are held, shared: %v", len(held), &held[0] == &view.Data[0])
				}
			}
			p := &pass[float32]{ctx: context.Background(), workers: 2, released: c.released}
			got := layer.forward(p, x)
			w, err := view.Float32s()
			if err != nil {
				t.Fatal(err)
			}
			w = append([]float32(nil), w...)
			if c.released {
				roundBF16(w)
			}
			want := value[float32]{m: newMatrix[float32](1, out), bf16: c.released}
			multiply(want.data(), out, p.narrow(x).data(), in, w, in, 1, out, in, 1)
			if diff := cmp.Diff(p.round(want).data(), got.data()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
