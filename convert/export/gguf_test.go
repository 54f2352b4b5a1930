package export

import (
	"bytes"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/gguf"
	"colakit/formats/tokenizer"
	"colakit/golden"
	"colakit/quantize"
)

func openFile(t *testing.T, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestGGUF: the types by class, and the values that the types promise.
func TestGGUF(t *testing.T) {
	const trunk, adaln, latent, norm = "dit.blocks.0.msa.proj_qkv.weight", "dit.blocks.0.ada.msa_in.1.weight", "dit.txt_in.proj.weight", "vae.decoder.final_norm.weight"
	for _, c := range []struct {
		from                  quantize.Scheme
		typ                   string
		trunk, adaln, fallsTo gguf.Type
		file                  uint32
		action                Action // of the trunk
	}{
		{quantize.F32, "", gguf.F32, gguf.F32, gguf.F32, 0, Copy},
		{quantize.F32, "f16", gguf.F16, gguf.F16, gguf.F16, 1, Round},
		{quantize.F16, "", gguf.F16, gguf.F16, gguf.F16, 1, Copy},
		{quantize.F16, "f32", gguf.F32, gguf.F32, gguf.F32, 0, Widen},
		{quantize.F32, "bf16", gguf.BF16, gguf.BF16, gguf.BF16, 32, Round},
		{quantize.F32, "q8_0", gguf.Q8_0, gguf.F16, gguf.F16, 7, Quantize},
		{quantize.BF16, "q8_0", gguf.Q8_0, gguf.BF16, gguf.BF16, 7, Quantize},
		{quantize.Int8, "q8_0", gguf.Q8_0, gguf.F16, gguf.F16, 7, Requantize},
		{quantize.Int8, "f32", gguf.F32, gguf.F32, gguf.F32, 0, Dequantize},
		{quantize.Int8G32, "", gguf.Q8_0, gguf.F16, gguf.F16, 7, Copy},
		{quantize.Int8G32, "q8_0", gguf.Q8_0, gguf.F16, gguf.F16, 7, Copy},
	} {
		from := artifact(t, c.from)
		e, out := exported(t, from, Options{Format: GGUF, Type: c.typ})
		f := openFile(t, out)
		for name, want := range map[string]gguf.Type{trunk: c.trunk, adaln: c.adaln, latent: c.fallsTo, norm: gguf.F32} {
			if entry, _, err := f.Raw(name); err != nil || entry.Type != want {
				t.Errorf("%v to %q: %s is %v, want %v (%v)", c.from, c.typ, name, entry.Type, want, err)
			}
		}
		if kind, _ := f.Metadata().Lookup("general.file_type"); kind != c.file {
			t.Errorf("%v to %q: file type %v, want %d", c.from, c.typ, kind, c.file)
		}
		if i := slices.IndexFunc(e.Items, func(i Item) bool { return i.Tensor == trunk }); e.Items[i].Action != c.action {
			t.Errorf("%v to %q: the trunk is planned as %q, want %q", c.from, c.typ, e.Items[i].Action, c.action)
		}
		if c.action == Copy || c.action == Widen || c.action == Dequantize {
			compareValues(t, from, f, trunk)
		}
	}
}

// compareValues: a tensor decodes to the artifact's own numbers.
func compareValues(t *testing.T, artifact string, f *gguf.File, name string) {
	t.Helper()
	v, err := openCola(t, artifact).Read(name)
	if err != nil {
		t.Fatal(err)
	}
	want, err := v.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Dequantize(name)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s is not what the artifact holds, %v", name, err)
	}
}

// TestMetadata: the file says what it is, that nothing runs it, and all of both
// configurations and the tokenizer.
func TestMetadata(t *testing.T) {
	_, out := exported(t, artifact(t, quantize.F16), Options{Format: GGUF})
	md := openFile(t, out).Metadata()
	for key, want := range map[string]any{
		"general.architecture": "cola", "general.quantization_version": uint32(2), "cola.runnable_by_ggml": false,
		"cola.dit.txt_dim": uint32(128), "cola.dit.norm_eps": 1e-5, "cola.dit.qk_bias": false, "cola.vae.act": "swiglu", "cola.vae.scaling_factor": 0.999999,
		"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "dbrx", "tokenizer.ggml.add_bos_token": false,
		"tokenizer.ggml.eos_token_id": uint32(765), "tokenizer.ggml.eot_token_id": uint32(766), "tokenizer.ggml.padding_token_id": uint32(767),
	} {
		if got, _ := md.Lookup(key); got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	for key, name := range map[string]string{
		"cola.dit.config_json": "cola_dit/config.json", "cola.vae.config_json": "cola_vae/config.json",
		"cola.generation_json": "generation.json", "tokenizer.huggingface.json": "tokenizer.json",
	} {
		want, err := fs.ReadFile(golden.Tiny(), name)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := md.Lookup(key); got != string(want) {
			t.Errorf("%s is not %s", key, name)
		}
	}
	if note, _ := md.Lookup("general.description"); !strings.Contains(note.(string), "can't run the model") {
		t.Errorf("the description promises too much: %v", note)
	}
}

// TestVocabularyLists: gaps are padding, and the model's vocabulary is filled up.
func TestVocabularyLists(t *testing.T) {
	tok, err := tokenizer.Parse([]byte(`{"added_tokens":[{"content":"<s>","special":true},{"content":"a b"}],
	"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel"},
	"model":{"type":"BPE","vocab":{"a":0,"Ġ":3},"merges":[]}}`))
	if err == nil {
		t.Fatalf("an added token takes the id of another: %v", tok)
	}
	tok, err = tokenizer.Parse([]byte(`{"added_tokens":[{"content":"<s>","special":true},{"content":"a b"}],
	"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel"},
	"model":{"type":"BPE","vocab":{"a":0,"Ġ":1,"<s>":5},"merges":[]}}`))
	if err != nil {
		t.Fatal(err)
	}
	names, kinds, err := vocabularyLists(tok, 8)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "Ġ", "[PAD2]", "a b", "[PAD4]", "<s>", "[PAD6]", "[PAD7]"}, names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int32{1, 1, 5, 4, 5, 3, 5, 5}, kinds); diff != "" {
		t.Error(diff)
	}
	if names, _, _ := vocabularyLists(tok, 2); len(names) != 6 {
		t.Errorf("%d names, want those up to the largest id", len(names))
	}
}

func TestMergeListKeepsSpaces(t *testing.T) {
	got, err := mergeList([]byte(`{"model":{"merges":[["a b","c"],["d","e"]]}}`))
	if diff := cmp.Diff([]string{"aĠb c", "d e"}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

// TestSameBytes: the number of workers does not show, and neither does the place.
func TestSameBytes(t *testing.T) {
	from := artifact(t, quantize.F32)
	for _, o := range []Options{{Format: GGUF, Type: "q8_0"}, {Format: CompressedTensors, Type: "int8-g64", ShardBytes: 500_000}} {
		var first map[string]string
		for _, jobs := range []int{1, 7} {
			e, err := Prepare(from, o)
			if err != nil {
				t.Fatal(err)
			}
			out := t.TempDir() + "/out"
			if _, err := e.Execute(t.Context(), out, ExecuteOptions{Jobs: jobs}); err != nil {
				t.Fatal(err)
			}
			e.Close()
			files := contents(t, out)
			if first == nil {
				first = files
			}
			for name, text := range first {
				if !bytes.Equal([]byte(text), []byte(files[name])) {
					t.Errorf("%v: %s differs with %d workers", o.Format, name, jobs)
				}
			}
		}
	}
}
