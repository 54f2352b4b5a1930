package gguf

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// TestCrosscheck holds the package against the Python package gguf, in both
// directions: testdata/crosscheck.py says what is compared. It runs where
// COLAKIT_GGUF_PYTHON names a Python that can import gguf.
func TestCrosscheck(t *testing.T) {
	python := os.Getenv("COLAKIT_GGUF_PYTHON")
	if python == "" {
		t.Skip("not run: COLAKIT_GGUF_PYTHON names no Python with the package gguf, so nothing was compared with it")
	}
	dir := t.TempDir()
	save := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	save("types.txt", typeTable())
	save("empty.gguf", write(t, Metadata{{"general.architecture", "cola"}, {"test.text", ""}, {"test.array", []uint8{}}}, nil))
	save("go.gguf", write(t, withoutEmptyArrays(sampleMetadata), append(sample(), codecSamples(t)...)))
	out, err := exec.Command(python, "testdata/crosscheck.py", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		t.Log(strings.TrimSpace(line))
	}
	readPython(t, mustOpen(t, filepath.Join(dir, "python.gguf")))
}

// typeTable lists the element types: number, name, elements and bytes of a block.
func typeTable() []byte {
	var b bytes.Buffer
	for typ := range types {
		elements, size := typ.Block()
		fmt.Fprintln(&b, uint32(typ), typ, elements, size)
	}
	return b.Bytes()
}

// withoutEmptyArrays leaves out what the Python package does not write.
func withoutEmptyArrays(m Metadata) Metadata {
	var kept Metadata
	for _, kv := range m {
		if texts, ok := kv.Value.([]string); !ok || len(texts) > 0 {
			kept = append(kept, kv)
		}
	}
	return kept
}

// codecSamples are values of all kinds with what the codecs make of them.
func codecSamples(t *testing.T) []stored {
	random := rand.New(rand.NewPCG(9, 10))
	normal, halves, wild := make([]float32, 1<<17), make([]float32, 1<<14), make([]float32, 1<<17)
	for i := range normal {
		normal[i] = float32(random.NormFloat64() * 0.02)
		wild[i] = float32(random.NormFloat64() * math.Ldexp(1, i/q8Elements%280-151))
	}
	for i := range halves {
		halves[i] = float32(random.IntN(509)-254) / 2
		if i%q8Elements == 0 {
			halves[i] = 127
		}
	}
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	odd := []float32{}
	for _, b := range [][]float32{block(inf, 1), block(1, -inf), block(nan, 1, 2), block(inf, nan), block(1e-37, -5e-38), block(1e-45), block(math.MaxFloat32)} {
		odd = append(odd, b...)
	}
	var all []stored
	for i, values := range [][]float32{normal, halves, wild, odd} {
		all = append(all, encodings(t, []string{"normal", "halves", "wild", "odd"}[i], values)...)
	}
	return all
}

// encodings are the tensors that crosscheck.py compares.
func encodings(t *testing.T, name string, values []float32) []stored {
	blocks := encode(t, values)
	shape := tensor.Shape{len(values) / q8Elements, q8Elements}
	all := []stored{{Desc{name + ".Q8_0", Q8_0, shape}, blocks}}
	add := func(name string, typ Type, values []float32) {
		b := make([]byte, len(values)*typ.Element().Size())
		if err := dtype.FromFloat32s(b, values, typ.Element()); err != nil {
			t.Fatal(err)
		}
		all = append(all, stored{Desc{name, typ, shape}, b})
	}
	add(name+".F32", F32, values)
	add(name+".F16", F16, values)
	add(name+".BF16", BF16, values)
	add(name+".Q8_0.decoded", F32, decode32(t, blocks))
	return all
}

// readPython compares a file of the Python package with what our codecs make of
// the same values.
func readPython(t *testing.T, f *File) {
	want := Metadata{
		{"general.architecture", "cola"}, {"general.quantization_version", uint32(2)},
		{"test.tokens", []string{"a", "tür", "日本"}}, {"test.tenth", 0.1},
	}
	if diff := cmp.Diff(want, f.Metadata()); diff != "" {
		t.Errorf("metadata (-want +got)\n%s", diff)
	}
	blocks := 0
	for _, e := range f.Entries() {
		name, isSource := strings.CutSuffix(e.Name, ".F32")
		if !isSource {
			continue
		}
		values, err := f.Dequantize(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, ours := range encodings(t, name, values) {
			if _, theirs, err := f.Raw(ours.Name); err != nil || !bytes.Equal(ours.data, theirs) {
				t.Errorf("%s: differs from what the Python package wrote, %v", ours.Name, err)
			}
		}
		blocks += len(values) / q8Elements
	}
	t.Logf("%d blocks of Q8_0 written in Python: the same bits", blocks)
	if blocks == 0 {
		t.Error("nothing was compared")
	}
}
