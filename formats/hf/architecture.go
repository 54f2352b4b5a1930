package hf

import "encoding/json"

// Architecture returns a config.json without the keys that say how weights are
// stored or loaded, and so what describes the model alone: it can be parsed where
// those weights could not be taken. What is no JSON object is returned as it is.
func Architecture(raw []byte) []byte {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil || keys == nil {
		return raw
	}
	for _, key := range []string{"dtype", "torch_dtype", "quantization_config"} {
		delete(keys, key)
	}
	rest, err := json.Marshal(keys)
	if err != nil {
		return raw
	}
	return rest
}
