package convert

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/gguf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/internal/blake3"
)

// The sample holds the same small tensors in every format.
const (
	sampleDiT = `{"model_type": "cola_dit", "txt_dim": 64, "emb_dim": 64, "heads": 2, "head_dim": 32, "num_layers": 0, "rope_dim": 8}`
	sampleVAE = `{"model_type": "cola_text_vae", "vocab_size": 2, "dim": 64, "num_heads": 2, "encoder_num_blocks": 0, "decoder_num_blocks": 0}`

	sampleIn  = "dit.txt_in.proj.weight"
	sampleWTE = "vae.encoder.wte.weight"

	sampleProvenance = `{"tool": "colakit 0.1", "sources": [
		{"file": "cola_dit/model.safetensors", "bytes": 1234, "blake3": "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}],
		"plan": {"type": "bf16", "sources": [{"file": "cola_dit/model.safetensors", "bytes": 1234}], "tensors": [
		{"tensor": "dit.txt_in.proj.weight", "class": "latent-projection", "source": "txt_in.proj.weight",
		"file": "cola_dit/model.safetensors", "shape": [3, 64], "from": "f32", "to": "bf16", "action": "round",
		"reason": "every matrix is bf16, as asked", "bytes": 384}], "notes": ["a note"]},
		"results": [{"tensor": "dit.txt_in.proj.weight", "rel_l2": 0.001, "max_abs": 0.25, "max_abs_index": 66, "underflow": 1, "largest": 2}],
		"verification": {"state": "unverified"}}`
)

// sampleViews are tensors whose values every float type, and int8 with scales of
// 1/16, holds exactly.
func sampleViews() []tensor.View {
	values := func(name string, shape tensor.Shape, seed int) tensor.View {
		n, _ := shape.Elements()
		x := make([]float32, n)
		for i := range x {
			x[i] = float32((i*seed)%37-18) / 16
		}
		return tensor.FromFloat32s(name, shape, x)
	}
	return []tensor.View{
		values(sampleIn, tensor.Shape{3, 64}, 5),
		values("dit.txt_in.proj.bias", tensor.Shape{64}, 7),
		values(sampleWTE, tensor.Shape{3, 64}, 11),
	}
}

// as returns a view in another float type.
func as(t testing.TB, v tensor.View, to dtype.Type) tensor.View {
	t.Helper()
	x, err := v.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	v.Data = make([]byte, len(x)*to.Size())
	if err := dtype.FromFloat32s(v.Data, x, to); err != nil {
		t.Fatal(err)
	}
	v.Type = to
	return v
}

// coded returns a matrix of sampleViews as codes, with scales of 1/16.
func coded(t testing.TB, v tensor.View, q tensor.Quantization) tensor.View {
	t.Helper()
	x, err := v.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	v.Type, v.Quantization, v.Data = dtype.I8, &q, make([]byte, len(x))
	for i, value := range x {
		v.Data[i] = byte(int8(value * 16))
	}
	n, err := v.ScaleCount()
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if q.Scale == dtype.F16 {
			v.Scales = binary.LittleEndian.AppendUint16(v.Scales, dtype.Float32ToF16(1./16))
		} else {
			v.Scales = binary.LittleEndian.AppendUint32(v.Scales, math.Float32bits(1./16))
		}
	}
	return v
}

// saveCola writes an artifact of small tensors.
func saveCola(t testing.TB, path string, views []tensor.View, m cola.Meta) {
	t.Helper()
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	descs := make([]tensor.Desc, len(views))
	for i, v := range views {
		descs[i] = v.Desc
	}
	w, err := cola.NewWriter(out, descs)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range views {
		if err := w.WriteChunk(i, 0, v.Data, blake3.Of(v.Data)); err != nil {
			t.Fatal(err)
		}
		if v.Quantization == nil {
			continue
		}
		if err := w.WriteScales(i, 0, v.Scales, blake3.Of(v.Scales)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := w.Finish(m); err != nil {
		t.Fatal(err)
	}
}

// codedMeta is sampleMeta of an artifact in which sampleIn is stored as codes.
func codedMeta() cola.Meta {
	m := sampleMeta()
	m.Provenance = []byte(strings.NewReplacer(
		`"type": "bf16"`, `"type": "int8-g32"`, `"to": "bf16", "action": "round"`, `"to": "int8-g32", "action": "quantize"`,
		`"every matrix is bf16, as asked"`, `"rule 1", "clamped": 3, "overflow": "3 beyond 65504", "instead_of": "f16"`, `"underflow": 1`, `"underflow": 0`,
		`"bytes": 1234, "blake3"`, `"bytes": 1234, "sha256": "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100", "blake3"`,
		`"largest": 2`, `"largest": 2, "int8": {"sqnr_db": 60, "worst_channel": 2,
		"worst_channel_rel_l2": 0.002, "clipped": 0.0005, "zero": 0.026, "abs_max_rel_l2": 0.0015}`,
	).Replace(sampleProvenance))
	return m
}

func sampleMeta() cola.Meta {
	return cola.Meta{DiTConfig: []byte(sampleDiT), VAEConfig: []byte(sampleVAE), Tokenizer: []byte("{}"), Provenance: []byte(sampleProvenance)}
}

// saveSafetensors writes tensors under the names that rename gives them.
func saveSafetensors(t testing.TB, path string, views []tensor.View, rename func(string) string) {
	t.Helper()
	var all []tensor.View
	for _, v := range views {
		v.Name = rename(v.Name)
		all = append(all, v)
		if v.Quantization == nil {
			continue
		}
		last := len(all) - 1
		scales := tensor.View{Data: v.Scales, Desc: tensor.Desc{Name: v.Name + scaleSuffix, Type: v.Quantization.Scale,
			Shape: tensor.Shape{v.Shape[0], v.Quantization.ScalesPerRow(v.Shape[1])}}}
		all[last].Quantization = nil
		all = append(all, scales)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := safetensors.WriteFile(path, map[string]string{"format": "pt"}, all); err != nil {
		t.Fatal(err)
	}
}

// saveGGUF writes tensors, matrices by the given type.
func saveGGUF(t testing.TB, path string, views []tensor.View, matrices gguf.Type) {
	t.Helper()
	var descs []gguf.Desc
	var data [][]byte
	for _, v := range views {
		d := gguf.Desc{Name: v.Name, Type: gguf.F32, Shape: v.Shape}
		if len(v.Shape) > 1 {
			d.Type = matrices
		}
		x, err := v.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		n, err := d.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		raw := make([]byte, n)
		if d.Type == gguf.Q8_0 {
			err = gguf.EncodeQ8_0(raw, x)
		} else {
			err = dtype.FromFloat32s(raw, x, d.Type.Element())
		}
		if err != nil {
			t.Fatal(err)
		}
		descs, data = append(descs, d), append(data, raw)
	}
	layout, err := gguf.NewLayout(gguf.Metadata{{Key: "general.architecture", Value: "cola"}, {Key: "general.quantization_version", Value: uint32(2)},
		{Key: ggufDiTConfig, Value: sampleDiT}, {Key: ggufVAEConfig, Value: sampleVAE}}, descs)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := gguf.NewWriter(&b, layout)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range data {
		if _, err := w.Write(raw); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, b.Bytes())
}

// inEveryFormat writes the sample in every format to the current folder, and
// returns the names that are opened.
func inEveryFormat(t testing.TB) map[string]Format {
	t.Helper()
	views := sampleViews()
	native := func(name string) string { return name }
	hfName := func(name string) string { return name[4:] }
	saveCola(t, "f32.cola", views, sampleMeta())
	saveCola(t, "bf16.cola", []tensor.View{as(t, views[0], dtype.BF16), views[1], as(t, views[2], dtype.F16)}, sampleMeta())
	q := func(group int, scale dtype.Type) tensor.Quantization {
		return tensor.Quantization{Group: group, Scale: scale}
	}
	coded := []tensor.View{coded(t, views[0], q(32, dtype.F16)), views[1], coded(t, views[2], q(0, dtype.F32))}
	saveCola(t, "int8.cola", coded, codedMeta())
	saveSafetensors(t, "native.safetensors", views, native)
	saveSafetensors(t, "hf.safetensors", views, hfName)
	saveSafetensors(t, "compressed/model.safetensors", coded, hfName)
	saveSafetensors(t, "checkpoint/cola_dit/model.safetensors", views[:2], hfName)
	saveSafetensors(t, "checkpoint/cola_vae/model-00001-of-00001.safetensors", views[2:], func(name string) string { return "text_vae." + hfName(name) })
	writeFile(t, "checkpoint/cola_vae/model.safetensors.index.json",
		[]byte(`{"weight_map": {"text_vae.encoder.wte.weight": "model-00001-of-00001.safetensors"}}`))
	writeFile(t, "checkpoint/cola_dit/config.json", []byte(sampleDiT))
	writeFile(t, "checkpoint/cola_vae/config.json", []byte(sampleVAE))
	writeFile(t, "checkpoint/tokenizer.json", []byte("{}"))
	saveGGUF(t, "f16.gguf", views, gguf.F16)
	return map[string]Format{
		"f32.cola": FormatCola, "bf16.cola": FormatCola, "int8.cola": FormatCola,
		"native.safetensors": FormatSafetensors, "hf.safetensors": FormatSafetensors,
		"compressed": FormatFolder, "checkpoint": FormatCheckpoint, "f16.gguf": FormatGGUF,
	}
}
