package export

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"colakit/convert"
	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/internal/synth"
	"colakit/quantize"
)

// oddArtifact converts a model whose trunk has rows of 40 and 80 elements, which
// are no whole blocks or groups of 32.
func oddArtifact(t *testing.T, s quantize.Scheme) string {
	t.Helper()
	dit, vae := hf.DefaultDiT(), hf.DefaultVAE()
	dit.TxtDim, dit.EmbDim, dit.Heads, dit.HeadDim, dit.RopeDim, dit.NumLayers, dit.ExpandRatio = 40, 40, 2, 20, 16, 1, 2
	vae.Dim, vae.FFNDim, vae.NumHeads, vae.EncoderNumBlocks, vae.DecoderNumBlocks, vae.VocabSize = 64, 128, 2, 1, 1, 100
	src := t.TempDir()
	if err := synth.WriteCheckpoint(t.Context(), src, hf.Config{DiT: dit, VAE: vae}, synth.Options{Seed: 1, Type: dtype.F32}); err != nil {
		t.Fatal(err)
	}
	c, err := convert.Prepare(convert.Options{Source: src, Type: s, NoTokenizer: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out := filepath.Join(t.TempDir(), "odd.cola")
	if _, err := c.Execute(t.Context(), out, convert.ExecuteOptions{}); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRefusals: what can't be done is said before a byte is written, by name, and
// the fallback appears in the plan.
func TestRefusals(t *testing.T) {
	tiny, coded := artifact(t, quantize.F32), artifact(t, quantize.Int8)
	odd, oddGroups := oddArtifact(t, quantize.F32), oddArtifact(t, quantize.Int8G32)
	const trunk = `"dit.blocks.0.msa.proj_qkv.weight"`
	for _, c := range []struct {
		from string
		o    Options
		want string
	}{
		{tiny, Options{}, "no format"},
		{tiny, Options{Format: "onnx"}, "known are safetensors, compressed-tensors, gguf"},
		{tiny, Options{Format: GGUF, Type: "q4_0"}, "f32, f16, bf16, q8_0"},
		{tiny, Options{Format: SafeTensors, Type: "int8"}, "f32, f16, bf16"},
		{tiny, Options{Format: SafeTensors, Fallback: "f16"}, "holds any shape"},
		{tiny, Options{Format: GGUF, Fallback: "q8_0"}, "f32, f16, bf16"},
		{tiny, Options{Format: GGUF, ShardBytes: 1}, "one file"},
		{tiny, Options{Format: SafeTensors, ShardBytes: -1}, "shards"},
		{tiny, Options{Format: CompressedTensors}, "holds no int8 weights"},
		{coded, Options{Format: GGUF}, "name a type to export"},
		{odd, Options{Format: GGUF, Type: "q8_0"}, trunk},
		{odd, Options{Format: CompressedTensors, Type: "int8-g32"}, trunk},
		{oddGroups, Options{Format: CompressedTensors}, "[120, 40] can't be int8-g32: rows of 40"},
		{oddGroups, Options{Format: CompressedTensors, Type: "int8"}, "can't be int8-g32"},
		{tiny + "x", Options{Format: GGUF}, "no such file"},
	} {
		e, err := Prepare(c.from, c.o)
		if err == nil {
			e.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: got %v, want %q", c.o, err, c.want)
		}
	}
	for _, o := range []Options{{Format: GGUF, Type: "q8_0", Fallback: "bf16"}, {Format: CompressedTensors, Type: "int8-g32", Fallback: "bf16"}} {
		e, _ := exported(t, odd, o)
		fallen := 0
		for _, i := range e.Items {
			if i.To == "bf16" && strings.Contains(i.Reason, "the fallback: rows of") {
				fallen++
			}
		}
		if fallen != 4 { // attention and MLP of the prior's one block
			t.Errorf("%v: %d tensors fell back, want 4", o.Format, fallen)
		}
		if len(e.Notes) == 0 {
			t.Errorf("%v: the missing tokenizer is not mentioned", o.Format)
		}
	}
}

// TestComplete: a folder is refused for an artifact that lacks a tensor which a
// loader expects, or holds one that it does not.
func TestComplete(t *testing.T) {
	m, err := openModel(artifact(t, quantize.F32))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.complete(SafeTensors); err != nil {
		t.Errorf("a whole artifact: %v", err)
	}
	if lacked := m.lackedBuffers(hf.DiT); len(lacked) > 0 {
		t.Errorf("a whole artifact lacks %q", lacked)
	}
	delete(m.expected, "dit.blocks.2.msa.rope.rope.freqs")
	if lacked := m.lackedBuffers(hf.DiT); !slices.Equal(lacked, []string{"blocks.2.msa.rope.rope.freqs"}) || m.complete(SafeTensors) != nil {
		t.Errorf("without frequencies: %q", lacked)
	}
	m.others = []string{"dit.more"}
	if err := m.complete(SafeTensors); err == nil || !strings.Contains(err.Error(), `"dit.more"`) {
		t.Errorf("one tensor more: %v", err)
	}
	const lost = "dit.blocks.0.ada.msa_in.1.weight"
	delete(m.expected, lost)
	if err := m.complete(SafeTensors); err == nil || !strings.Contains(err.Error(), lost) {
		t.Errorf("one tensor less: %v", err)
	}
}

// TestDifferenceIsFound: a file that changes before it is read back is no export.
func TestDifferenceIsFound(t *testing.T) {
	for _, o := range []Options{{Format: SafeTensors}, {Format: GGUF, Type: "q8_0"}} {
		e, err := Prepare(artifact(t, quantize.F32), o)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		dir := t.TempDir()
		spoiled := false
		_, err = e.Execute(t.Context(), filepath.Join(dir, "out"), ExecuteOptions{Jobs: 1, Progress: func(p Progress) {
			if strings.HasPrefix(p.Doing, "compare") && !spoiled {
				spoiled = true
				spoil(t, dir)
			}
		}})
		if !errors.Is(err, ErrDiffers) || len(names(t, dir)) > 0 {
			t.Errorf("%v: %v, left %q", o.Format, err, names(t, dir))
		}
	}
}

// spoil flips bits near the end of the largest file below dir, within its last tensor.
func spoil(t *testing.T, dir string) {
	t.Helper()
	largest, size := "", 0
	files := contents(t, dir)
	for name, text := range files {
		if len(text) > size {
			largest, size = name, len(text)
		}
	}
	text := []byte(files[largest])
	for i := size - 4096; i < size-64; i++ {
		text[i] ^= 0x40
	}
	f, err := os.OpenFile(filepath.Join(dir, largest), os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(text, 0)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
