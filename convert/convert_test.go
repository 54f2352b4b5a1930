package convert

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/internal/blake3"
	"colakit/internal/synth"
	"colakit/quantize"
)

// TestEmbeddedModel converts the embedded model to every type and compares all
// that is in the artifact with its source.
func TestEmbeddedModel(t *testing.T) {
	for _, s := range []quantize.Scheme{quantize.F32, quantize.F16, quantize.BF16} {
		out := filepath.Join(t.TempDir(), "tiny.cola")
		summary, err := FS(t.Context(), golden.Tiny(), out, Options{Type: s})
		if err != nil {
			t.Fatal(err)
		}
		f := openArtifact(t, out)
		if f.Root() != summary.Root || f.Size() != summary.OutputBytes {
			t.Errorf("%v: the summary says root %v, %d bytes; the file has %v, %d", s, summary.Root, summary.OutputBytes, f.Root(), f.Size())
		}
		meta, err := f.Meta()
		if err != nil {
			t.Fatal(err)
		}
		for name, got := range map[string][]byte{
			"cola_dit/config.json": meta.DiTConfig, "cola_vae/config.json": meta.VAEConfig, "tokenizer.json": meta.Tokenizer,
		} {
			if want, err := fs.ReadFile(golden.Tiny(), name); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v: %s is not in the artifact as it was (%v)", s, name, err)
			}
		}
		p, err := ParseProvenance(meta.Provenance)
		if err != nil || p.Plan.OutputBytes != f.Size() || p.Verification.State != Unverified || p.Plan.Type != s.String() {
			t.Errorf("%v: provenance %v: %d bytes, type %s, %s", s, err, p.Plan.OutputBytes, p.Plan.Type, p.Verification.State)
		}
		compareSources(t, p)
		if r, err := Check(t.Context(), out, CheckOptions{}); err != nil || r.Err() != nil {
			t.Errorf("%v: check says %v, %v", s, err, r.Err())
		}
	}
}

func compareSources(t *testing.T, p Provenance) {
	t.Helper()
	for _, s := range p.Sources {
		data, err := fs.ReadFile(golden.Tiny(), s.File)
		if err != nil || blake3.Of(data) != s.BLAKE3 || int64(len(data)) != s.Bytes {
			t.Errorf("source %s: %v, BLAKE3 %v and %d bytes, recorded are %v and %d", s.File, err, blake3.Of(data), len(data), s.BLAKE3, s.Bytes)
		}
	}
	if len(p.Sources) < 5 {
		t.Errorf("only the sources %v are recorded", p.Sources)
	}
}

// TestElements holds every element of an artifact to the scalar conversion of the
// source's, for all types a source may have.
func TestElements(t *testing.T) {
	for _, from := range []dtype.Type{dtype.F32, dtype.F64, dtype.F16, dtype.BF16} {
		src := checkpointDir(t, smallDiT, smallVAE, synth.Options{Type: from, ShardSize: 20000})
		for _, s := range []quantize.Scheme{quantize.F32, quantize.F16, quantize.BF16} {
			c := prepare(t, Options{Source: src, Type: s})
			f := openArtifact(t, convertTo(t, src, s, ExecuteOptions{Jobs: 2}))
			for _, step := range c.Steps {
				folder, err := safetensors.OpenDir(filepath.Join(src, "cola_dlm", filepath.Dir(step.File)))
				if err != nil {
					t.Fatal(err)
				}
				compareElements(t, folder, f, step)
				folder.Close()
			}
		}
	}
}

func compareElements(t *testing.T, source, artifact tensor.Source, step Step) {
	t.Helper()
	want, err := source.Read(step.Source)
	if err != nil {
		t.Fatal(err)
	}
	x, err := want.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, len(x)*step.To.Type.Size())
	if err := dtype.FromFloat64s(data, x, step.To.Type); err != nil {
		t.Fatal(err)
	}
	got, err := artifact.Read(step.Tensor)
	if err != nil || !bytes.Equal(got.Data, data) {
		t.Errorf("%s from %v to %v: elements differ, %v", step.Tensor, step.From, step.To, err)
	}
}

// TestSameBytes converts a checkpoint with tensors of several tiles: the bytes are
// the same for any number of workers, for another place of the source, and twice.
func TestSameBytes(t *testing.T) {
	src := checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32})
	moved := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.CopyFS(moved, os.DirFS(src)); err != nil {
		t.Fatal(err)
	}
	want := readFile(t, convertTo(t, src, quantize.BF16, ExecuteOptions{Jobs: 1}))
	for name, got := range map[string]string{
		"2 jobs":        convertTo(t, src, quantize.BF16, ExecuteOptions{Jobs: 2}),
		"7 jobs":        convertTo(t, src, quantize.BF16, ExecuteOptions{Jobs: 7}),
		"64 jobs":       convertTo(t, src, quantize.BF16, ExecuteOptions{Jobs: 64}),
		"another place": convertTo(t, moved, quantize.BF16, ExecuteOptions{}),
		"cola_dit":      convertTo(t, filepath.Join(src, "cola_dlm", "cola_dit"), quantize.BF16, ExecuteOptions{}),
	} {
		if !bytes.Equal(readFile(t, got), want) {
			t.Errorf("%s: other bytes than with one worker", name)
		}
	}
}

// TestShardsHashed compares the hashes of shards whose tensors straddle the parts
// that are hashed at a time.
func TestShardsHashed(t *testing.T) {
	src := checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32, ShardSize: 3 << 20})
	meta, err := openArtifact(t, convertTo(t, src, quantize.F16, ExecuteOptions{Jobs: 3})).Meta()
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParseProvenance(meta.Provenance)
	if err != nil || len(p.Sources) < 8 {
		t.Fatalf("%v, sources %v", err, p.Sources)
	}
	for _, s := range p.Sources {
		path := filepath.Join(src, "cola_dlm", s.File)
		if s.File == "tokenizer.json" {
			path = filepath.Join(src, s.File)
		}
		if got := blake3.Of(readFile(t, path)); got != s.BLAKE3 {
			t.Errorf("%s: BLAKE3 %v recorded, is %v", s.File, s.BLAKE3, got)
		}
	}
}

// TestFigures compares the recorded figures of one matrix with its elements.
func TestFigures(t *testing.T) {
	src := checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32})
	out := convertTo(t, src, quantize.F16, ExecuteOptions{})
	line, err := InspectTensor(out, "vae.encoder.wte.weight")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := safetensors.OpenDir(filepath.Join(src, "cola_dlm", "cola_vae"))
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	view, _ := folder.Read("encoder.wte.weight")
	x, err := view.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	var squares, errors, maxAbs float64
	for _, v := range x {
		d := float64(dtype.F16ToFloat32(dtype.Float32ToF16(v))) - float64(v)
		squares, errors, maxAbs = squares+float64(v)*float64(v), errors+d*d, math.Max(maxAbs, math.Abs(d))
	}
	if got, want := line.Result.RelL2, math.Sqrt(errors/squares); math.Abs(got-want) > 1e-9*want || line.Result.MaxAbs != maxAbs {
		t.Errorf("rel-L2 %v, max %v recorded; are %v, %v", got, line.Result.MaxAbs, want, maxAbs)
	}
}

// TestLoadType converts F32 weights whose configuration says bfloat16: parameters
// are rounded as Transformers rounds them on loading, buffers are not, and the plan
// says so.
func TestLoadType(t *testing.T) {
	dit := `{"dtype": "bfloat16", ` + smallDiT[1:]
	src := checkpointDir(t, dit, smallVAE, synth.Options{Type: dtype.F32})
	c := prepare(t, Options{Source: src, Type: quantize.F32})
	if len(c.Notes) == 0 || !strings.Contains(c.Notes[0], "rounded to bf16") || c.Steps[0].Load == nil || *c.Steps[0].Load != dtype.BF16 || c.Steps[0].Action != Round {
		t.Errorf("notes %q, first step %+v", c.Notes, c.Steps[0])
	}
	f := openArtifact(t, convertTo(t, src, quantize.F32, ExecuteOptions{}))
	for _, s := range c.Steps {
		v, err := f.Read(s.Tensor)
		if err != nil {
			t.Fatal(err)
		}
		x, err := v.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		if rounded := s.Load != nil; rounded != all(x, func(v float32) bool { return v == dtype.RoundBF16(v) }) && s.Class != "norm" && s.Class != "buffer" {
			t.Errorf("%s (%s): rounded %v", s.Tensor, s.Class, !rounded)
		}
		if s.Class == "buffer" && s.Load != nil {
			t.Errorf("%s: a buffer is rounded on loading", s.Tensor)
		}
	}
}

func all(x []float32, ok func(float32) bool) bool {
	for _, v := range x {
		if !ok(v) {
			return false
		}
	}
	return true
}

func TestProgress(t *testing.T) {
	src := checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32})
	var last Progress
	steps := 0
	convertTo(t, src, quantize.F32, ExecuteOptions{Progress: func(p Progress) {
		if p.Done < last.Done || p.Total == 0 || p.Done > p.Total || last.Total > 0 && p.Total != last.Total {
			t.Errorf("progress went from %+v to %+v", last, p)
		}
		last = p
		steps++
	}})
	if last.Done != last.Total || last.Doing != waiting || steps < 10 {
		t.Errorf("the last of %d reports is %+v", steps, last)
	}
}

// TestProvenanceSize keeps the room for figures from being too small.
func TestProvenanceSize(t *testing.T) {
	p := Plan{Steps: []Step{{Tensor: "a", Shape: tensor.Shape{10, 10}, To: quantize.F16, From: dtype.F32}}}
	size, err := largestProvenance(p, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []float64{math.MaxFloat64, math.SmallestNonzeroFloat64, 2.2250738585072014e-308, 1.2345678901234567e-6, 1.2345678901234567e20, 1.0 / 3} {
		full := Provenance{Tool: Tool, Plan: p, Verification: Verification{State: Unverified}}
		full.Plan.OutputBytes = math.MaxInt64
		f := quantize.Figures{RelL2: x, MaxAbs: x, Largest: x, MaxAbsIndex: 99, Underflow: 100}
		full.Results = []Result{{"a", f}}
		raw, err := full.encode(size)
		if err != nil || len(raw) != size || !json.Valid(raw) {
			t.Errorf("figures of %v: %d bytes of %d, %v", x, len(raw), size, err)
		}
	}
	if _, err := (Provenance{Tool: Tool, Plan: p}).encode(10); err == nil {
		t.Error("too little room is accepted")
	}
}

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"ab", "ba", 2}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q: %d edits, want %d", c.a, c.b, got, c.want)
		}
	}
	if got := nearest("blocks.0.weigth", []string{"head", "blocks.0.weight", "blocks.1.weight"}); got != "blocks.0.weight" {
		t.Errorf("nearest is %q", got)
	}
}

func TestCoordinates(t *testing.T) {
	if diff := cmp.Diff(tensor.Shape{1, 2, 3}, coordinates(tensor.Shape{2, 3, 4}, 23)); diff != "" {
		t.Error(diff)
	}
}

// TestPieces checks that pieces cover their bytes once, cut no element, and are
// whole parts where they can be.
func TestPieces(t *testing.T) {
	const part = blake3.PartSize
	h := &weightFile{sourceFile: &sourceFile{size: 5*part + 100}}
	for _, c := range []struct {
		from, to, size int64
		parts          int
	}{
		{0, 100, 4, 0}, {part - 8, part + 8, 8, 0}, {0, 5*part + 100, 4, 6}, {24, 3*part + 24, 8, 2},
		{3, 3*part + 3, 4, 0}, {part, 2 * part, 2, 1}, {5 * part, 5*part + 100, 4, 1}, {5 * part, 5*part + 96, 4, 0}, {7, 7, 4, 0},
	} {
		at, parts := c.from, 0
		for _, p := range h.pieces(c.from, c.to, c.size) {
			if p.from != at || p.to <= p.from || (p.to-c.from)%c.size != 0 || p.to-p.from > part {
				t.Errorf("%v: piece %v after %d", c, p, at)
			}
			if p.part >= 0 {
				parts++
				if w := h.wholePart(p.part); w != p {
					t.Errorf("%v: piece %v is not part %v", c, p, w)
				}
			}
			at = p.to
		}
		if at != c.to || parts != c.parts {
			t.Errorf("%v: ends at %d with %d parts", c, at, parts)
		}
	}
}
