package export

import (
	"bytes"
	"encoding/json"
	"fmt"

	"colakit/formats/dtype"
	"colakit/formats/hf"
)

// torchName returns PyTorch's name of a float type.
func torchName(t dtype.Type) string {
	return map[dtype.Type]string{dtype.F16: "float16", dtype.BF16: "bfloat16", dtype.F32: "float32", dtype.F64: "float64"}[t]
}

// adaptConfig returns the config.json of a model: the artifact's, byte for byte,
// unless loading by it would round what is stored, or weights are quantised. The
// note says what was changed.
func adaptConfig(m *model, which hf.Model, steps []*step, o Options) (text []byte, note string, err error) {
	raw := m.meta.DiTConfig
	own, named := m.config.DiT.LoadType()
	if which == hf.VAE {
		raw = m.meta.VAEConfig
		own, named = m.config.VAE.LoadType()
	}
	changes := map[string]any{}
	load, change := loadType(steps, own, named, o.Type)
	if change {
		changes["dtype"] = torchName(load)
		note = fmt.Sprintf("dtype is %q now, so that loading keeps the values", torchName(load))
	}
	if o.Format == CompressedTensors {
		changes["quantization_config"] = quantizationConfig(steps)
	}
	if len(changes) == 0 {
		return raw, "", nil
	}
	text, err = withKeys(raw, changes)
	return text, note, err
}

// withKeys sets keys of a JSON object; the others keep their values as they were
// written. torch_dtype goes where dtype is set: it is the older name.
func withKeys(raw []byte, changes map[string]any) ([]byte, error) {
	var keys map[string]any
	var values map[string]json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, err
	}
	keys = make(map[string]any, len(values)+len(changes))
	for key, value := range values {
		keys[key] = value
	}
	for key, value := range changes {
		keys[key] = value
		if key == "dtype" {
			delete(keys, "torch_dtype")
		}
	}
	return encodeJSON(keys)
}

// encodeJSON writes JSON as Transformers does: keys sorted, two spaces a level.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}
