package hf

import (
	"encoding/json"
	"fmt"
	"slices"

	"colakit/formats/dtype"
)

// torchTypes are the names of floating-point types that a configuration's dtype
// may hold, as attributes of the module torch.
var torchTypes = map[string]dtype.Type{
	"float32": dtype.F32, "float": dtype.F32,
	"float64": dtype.F64, "double": dtype.F64,
	"float16": dtype.F16, "half": dtype.F16,
	"bfloat16": dtype.BF16,
}

// LoadType returns the type to which Transformers casts every parameter when it
// loads the model: the key dtype, or torch_dtype where that is absent or null.
// Stored values of a wider type are rounded to it, whatever they are computed
// in afterwards; buffers (the rotary frequencies) keep their stored values. ok
// is false where neither key is set: then all are cast to the floating-point
// type of the alphabetically first such tensor in the alphabetically first file.
func (c DiTConfig) LoadType() (t dtype.Type, ok bool) { return loadType(c.Extra) }

// LoadType returns what DiTConfig.LoadType does, for the VAE.
func (c VAEConfig) LoadType() (t dtype.Type, ok bool) { return loadType(c.Extra) }

func loadType(extra map[string]json.RawMessage) (dtype.Type, bool) {
	name, _ := text(loadTypeKey(extra))
	t, ok := torchTypes[name]
	return t, ok
}

// loadTypeKey returns the value that decides the type, nil for none.
func loadTypeKey(extra map[string]json.RawMessage) json.RawMessage {
	for _, key := range []string{"dtype", "torch_dtype"} {
		if value, ok := extra[key]; ok && string(value) != "null" {
			return value
		}
	}
	return nil
}

// loaderRules are the conditions on Transformers' own keys.
func loaderRules(extra map[string]json.RawMessage) []rule {
	_, known := loadType(extra)
	value := loadTypeKey(extra)
	quantised, found := extra["quantization_config"]
	return []rule{
		{value != nil && !known,
			fmt.Sprintf("dtype is %s, want \"float32\", \"bfloat16\", \"float16\" or \"float64\"", excerpt(value))},
		{found && string(quantised) != "null",
			"quantization_config is set: the weights are quantised, want a checkpoint with floating-point weights"},
	}
}

// trainingRules are the conditions on the VAE's keys that have no effect on
// inference, but with which the public package does not construct the model.
func trainingRules(extra map[string]json.RawMessage) []rule {
	refusal := func(key, want string, ok func(x float64) bool) rule {
		value := extra[key]
		x, isNumber := number(value)
		return rule{value != nil && !(isNumber && ok(x)),
			fmt.Sprintf("%s is %s, want %s: the public package does not load it", key, excerpt(value), want)}
	}
	rules := []rule{
		refusal("dropout", "0 to 1", func(p float64) bool { return 0 <= p && p <= 1 }),
		refusal("init_std", "a positive number", func(std float64) bool { return std > 0 }),
		{!oneOf(extra["init_fn"], "normal", "mitchell", "full_megatron"),
			fmt.Sprintf("init_fn is %s, want \"normal\", \"mitchell\" or \"full_megatron\": the public package does not load it", excerpt(extra["init_fn"]))},
	}
	if string(extra["init_cutoff_factor"]) != "null" {
		rules = append(rules, refusal("init_cutoff_factor", "a number or null", func(float64) bool { return true }))
	}
	return rules
}

// oneOf reports whether the value is absent or one of the strings.
func oneOf(value json.RawMessage, names ...string) bool {
	s, ok := text(value)
	return value == nil || ok && slices.Contains(names, s)
}
