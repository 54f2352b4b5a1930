package convert

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/gguf"
	"colakit/formats/tensor"
)

func diff(t *testing.T, a, b string, o DiffOptions) DiffReport {
	t.Helper()
	r, err := Diff(t.Context(), a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestDiffFormats: the sample is equal to itself in every pair of formats.
func TestDiffFormats(t *testing.T) {
	t.Chdir(t.TempDir())
	all := inEveryFormat(t)
	for a := range all {
		for b := range all {
			if r := diff(t, a, b, DiffOptions{}); r.Different() || !r.Complete() || len(r.Tensors) != 3 {
				t.Errorf("%s and %s: %s; %v", a, b, r.Verdict(), r.Settings)
			}
		}
	}
}

// setFloat changes an element of an F32 tensor.
func setFloat(name string, index int, value float32) func([]tensor.View) []tensor.View {
	return one(name, func(v *tensor.View) {
		v.Data = append([]byte{}, v.Data...)
		binary.LittleEndian.PutUint32(v.Data[4*index:], math.Float32bits(value))
	})
}

func TestDiff(t *testing.T) {
	t.Chdir(t.TempDir())
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, c := range map[string]struct {
		a, b      func([]tensor.View) []tensor.View // nil: as it is
		tolerance float64
		state     State // of sampleIn
		different bool
	}{
		"a number":          {nil, setFloat(sampleIn, 70, 9), 0, Differs, true},
		"within":            {nil, setFloat(sampleIn, 70, -0.125), 0.1, Within, false},
		"beyond":            {nil, setFloat(sampleIn, 70, 9), 0.1, Differs, true},
		"sign of zero":      {setFloat(sampleIn, 70, 0), setFloat(sampleIn, 70, float32(math.Copysign(0, -1))), 0, SameValues, false},
		"NaN in B":          {nil, setFloat(sampleIn, 70, nan), 1e30, Differs, true},
		"Inf in A":          {setFloat(sampleIn, 70, inf), nil, 1e30, Differs, true},
		"NaN in both":       {setFloat(sampleIn, 70, nan), setFloat(sampleIn, 70, nan), 0, Same, false},
		"Inf in both":       {setFloat(sampleIn, 70, inf), setFloat(sampleIn, 70, inf), 0, Same, false},
		"Inf of both signs": {setFloat(sampleIn, 70, inf), setFloat(sampleIn, 70, -inf), 1e30, Differs, true},
		"zeros in A":        {one(sampleIn, func(v *tensor.View) { v.Data = make([]byte, len(v.Data)) }), nil, 1e30, Differs, true},
		"another shape":     {nil, one(sampleIn, func(v *tensor.View) { v.Shape = tensor.Shape{64, 3} }), 1e30, OtherShape, true},
		"only in A":         {nil, func(v []tensor.View) []tensor.View { return v[1:] }, 1e30, OnlyInA, true},
		"only in B":         {func(v []tensor.View) []tensor.View { return v[1:] }, nil, 1e30, OnlyInB, true},
		"another type":      {nil, one(sampleIn, func(v *tensor.View) { *v = as(t, *v, dtype.F16) }), 0, SameValues, false},
	} {
		for i, change := range []func([]tensor.View) []tensor.View{c.a, c.b} {
			views := sampleViews()
			if change != nil {
				views = change(views)
			}
			saveCola(t, []string{"a.cola", "b.cola"}[i], views, sampleMeta())
		}
		r := diff(t, "a.cola", "b.cola", DiffOptions{Tolerance: c.tolerance})
		if got := r.Tensors[0]; r.Different() != c.different || c.state != Same && (got.Name != sampleIn || got.State != c.state) {
			t.Errorf("%s: %s: %s is %q, want %q", name, r.Verdict(), got.Name, got.State, c.state)
		}
		var text, js strings.Builder
		if err := errors.Join(r.WriteText(&text, true), WriteJSON(&js, r)); err != nil || !json.Valid([]byte(js.String())) {
			t.Errorf("%s: %v\n%s", name, err, js.String())
		}
		if !strings.Contains(text.String(), sampleIn) {
			t.Errorf("%s: the text lacks the tensor:\n%s", name, text.String())
		}
	}
}

// TestDiffFigures holds the figures to numbers worked out by hand.
func TestDiffFigures(t *testing.T) {
	c := noContrast()
	c.see([]float64{3, 0, math.Inf(1)}, []float64{3, 1, math.Inf(1)}, 0)
	second := noContrast()
	second.see([]float64{4, math.NaN(), 0}, []float64{2, math.NaN(), math.Copysign(0, -1)}, 3)
	c.add(second)
	got := c.figures(tensor.Shape{2, 3})
	want := DiffFigures{
		RelL2: Value(math.Sqrt(5. / 25)), SQNR: Value(-10 * math.Log10(5./25)), MaxAbs: 2, MaxAbsIndex: tensor.Shape{1, 0},
		AtA: 4, AtB: 2, EqualBits: 0.5, Different: 2, Elements: 6,
	}
	if math.Abs(float64(got.SQNR-want.SQNR)) < 1e-12 {
		got.SQNR = want.SQNR
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestDiffPieces: the report depends on neither the pieces nor the workers.
func TestDiffPieces(t *testing.T) {
	t.Chdir(t.TempDir())
	const rows, cols = 5, pieceElements / 2
	x, y := make([]float32, rows*cols), make([]float32, rows*cols)
	for i := range x {
		x[i] = float32(i%1013) / 7
		y[i] = x[i] * (1 + float32(i%5)/1e3)
	}
	y[2*pieceElements+3] = 1e6 // in the third piece, the largest error
	shape := tensor.Shape{rows, cols}
	for name, data := range map[string][]float32{"a.gguf": x, "b.gguf": y} {
		saveGGUF(t, name, []tensor.View{tensor.FromFloat32s("w", shape, data)}, gguf.F32)
	}
	var first DiffReport
	for _, jobs := range []int{1, 2, 3} {
		done := int64(0)
		r := diff(t, "a.gguf", "b.gguf", DiffOptions{Jobs: jobs, Progress: func(d, total int64) {
			if d <= done || total != rows*cols {
				t.Errorf("progress %d after %d of %d", d, done, total)
			}
			done = d
		}})
		f := r.Tensors[0].Figures
		if done != rows*cols || f == nil || !f.MaxAbsIndex.Equal(tensor.Shape{4, 3}) || f.AtB != 1e6 || f.Elements != rows*cols {
			t.Fatalf("%d jobs: %d done, %+v", jobs, done, f)
		}
		if jobs == 1 {
			first = r
		} else if diff := cmp.Diff(first, r, cmp.AllowUnexported(Holding{})); diff != "" {
			t.Errorf("%d jobs: %s", jobs, diff)
		}
	}
	errors, squares := 0., 0.
	for i := range x {
		d := float64(y[i]) - float64(x[i])
		errors, squares = errors+d*d, squares+float64(x[i])*float64(x[i])
	}
	if got, want := float64(first.Tensors[0].Figures.RelL2), math.Sqrt(errors/squares); math.Abs(got-want) > 1e-9*want {
		t.Errorf("rel-L2 %v, want %v", got, want)
	}
}

// TestDiffBlocks: types that can't be decoded are equal if their bytes are, and
// not compared otherwise.
func TestDiffBlocks(t *testing.T) {
	t.Chdir(t.TempDir())
	raw := []byte(`{"w":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}`)
	file := append(binary.LittleEndian.AppendUint64(nil, uint64(len(raw))), raw...)
	writeFile(t, "a.safetensors", append(file, 1, 2, 3, 4))
	writeFile(t, "b.safetensors", append(file, 1, 2, 3, 5))
	if r := diff(t, "a.safetensors", "a.safetensors", DiffOptions{}); r.Different() || !r.Complete() || r.Counts[Same] != 1 {
		t.Errorf("the same bytes: %s", r.Verdict())
	}
	if r := diff(t, "a.safetensors", "b.safetensors", DiffOptions{}); r.Different() || r.Complete() || r.Counts[NotCompared] != 1 {
		t.Errorf("other bytes: %s", r.Verdict())
	}
}

// TestDiffSettings: what configurations and tokenizers say counts, what they do
// not say does not.
func TestDiffSettings(t *testing.T) {
	t.Chdir(t.TempDir())
	saveCola(t, "a.cola", sampleViews(), sampleMeta())
	for name, c := range map[string]struct {
		change func(*cola.Meta)
		want   []string
	}{
		"the same":      {func(m *cola.Meta) {}, []string{}},
		"a default":     {func(m *cola.Meta) { m.DiTConfig = []byte(strings.Replace(sampleDiT, "{", `{"block_size": 4, `, 1)) }, []string{}},
		"of the loader": {func(m *cola.Meta) { m.DiTConfig = []byte(strings.Replace(sampleDiT, "{", `{"dtype": "float16", `, 1)) }, []string{}},
		"of weights": {func(m *cola.Meta) {
			m.DiTConfig = []byte(strings.Replace(sampleDiT, "{", `{"quantization_config": {}, `, 1))
		}, []string{}},
		"a field":      {func(m *cola.Meta) { m.VAEConfig = []byte(strings.Replace(sampleVAE, "{", `{"clip_qkv": 8, `, 1)) }, []string{"text VAE: ClipQKV is null and 8"}},
		"not JSON":     {func(m *cola.Meta) { m.VAEConfig = []byte("x") }, []string{"text VAE: config.json differs, and is not valid on both sides"}},
		"tokenizer":    {func(m *cola.Meta) { m.Tokenizer = []byte("{ }") }, []string{"tokenizer: 2 and 3 bytes that differ"}},
		"no tokenizer": {func(m *cola.Meta) { m.Tokenizer = nil }, []string{}},
	} {
		m := sampleMeta()
		c.change(&m)
		saveCola(t, "b.cola", sampleViews(), m)
		r := diff(t, "a.cola", "b.cola", DiffOptions{})
		if d := cmp.Diff(c.want, r.Settings); d != "" || r.Different() != (len(c.want) > 0) {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestDiffRefuses: damage of the data and an interruption are errors.
func TestDiffRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	saveCola(t, "a.cola", sampleViews(), sampleMeta())
	data := readFile(t, "a.cola")
	data[200] ^= 1
	writeFile(t, "b.cola", data)
	for _, pair := range [][2]string{{"a.cola", "b.cola"}, {"b.cola", "a.cola"}} {
		if _, err := Diff(t.Context(), pair[0], pair[1], DiffOptions{}); !errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("%v: %v", pair, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Diff(ctx, "a.cola", "a.cola", DiffOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := Diff(t.Context(), "a.cola", "a.cola", DiffOptions{Tolerance: math.NaN()}); err == nil {
		t.Error("a tolerance that is no number passes")
	}
}
