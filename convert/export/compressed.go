package export

import (
	"fmt"
	"slices"
	"strings"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/quantize"
	"colakit/quantize/int8"
)

// planCompressed lays out a folder with int8 weights.
func planCompressed(m *model, o Options) (*layout, error) {
	if o.Type == Stored && !slices.ContainsFunc(m.order, func(d tensor.Desc) bool { return d.Quantization != nil }) {
		return nil, fmt.Errorf("%s holds no int8 weights: name a type to export, %s", m.File.Name(), strings.Join(types[CompressedTensors], ", "))
	}
	return planFolder(m, o, func(d tensor.Desc) (choice, error) { return m.chooseCodes(d, o) })
}

// chooseCodes decides how a tensor is stored in a folder with int8 weights. Codes
// of the artifact stay what they are, whatever the type that is asked for.
func (m *model) chooseCodes(d tensor.Desc, o Options) (choice, error) {
	if q := d.Quantization; q != nil {
		c := codes{int8.Scheme{Quantization: tensor.Quantization{Group: q.Group, Scale: dtype.F32}}}
		if why := m.uncompressible(d, q.Group); why != "" {
			return m.fallBack(d, o, stored(d), why)
		}
		return choice{c, "codes and scales of the artifact"}, nil
	}
	if m.vector(d) || o.Type == Stored {
		return m.chooseFloat(d, Stored), nil
	}
	scheme, reason := trunk.Choose(m.expected[d.Name])
	if !scheme.Quantized() {
		return m.chooseRest(d, reason), nil
	}
	asked, err := quantize.ParseScheme(o.Type)
	if err != nil {
		return choice{}, err
	}
	if why := m.uncompressible(d, asked.Group); why != "" {
		return m.fallBack(d, o, o.Type, why)
	}
	c := codes{int8.Scheme{Quantization: tensor.Quantization{Group: asked.Group, Scale: dtype.F32}}}
	return choice{c, "attention and MLP of the blocks are " + o.Type + ", as asked"}, nil
}

// uncompressible says why compressed-tensors has no int8 for a tensor, "" if it has:
// it knows the weights of Linear modules and embeddings, in whole groups.
func (m *model) uncompressible(d tensor.Desc, group int) string {
	switch {
	case len(d.Shape) != 2 || !strings.HasSuffix(d.Name, weightSuffix):
		return "only the weights of linear modules and embeddings have codes in compressed-tensors"
	case group > 0 && d.Shape[1]%group != 0:
		return fmt.Sprintf("rows of %d elements are no whole groups of %d", d.Shape[1], group)
	}
	return ""
}

// weightSuffix ends the names of the weights of modules.
const weightSuffix = ".weight"

// quantizationConfig returns the key quantization_config of a model's config.json:
// a group for each kind of codes, with the modules that have it, and the linear
// modules that have none.
func quantizationConfig(steps []*step) any {
	groups := map[int][]string{}
	var ignore []string
	onlyLinear := true
	for _, s := range steps {
		module, isWeight := strings.CutSuffix(s.Name, weightSuffix)
		c, coded := s.codec.(codes)
		embedding := s.Class == hf.Embedding.String()
		switch {
		case coded:
			groups[c.Group] = append(groups[c.Group], module)
			onlyLinear = onlyLinear && !embedding
		case isWeight && len(s.Shape) == 2 && !embedding:
			ignore = append(ignore, module)
		}
	}
	sizes := make([]int, 0, len(groups))
	for size := range groups {
		sizes = append(sizes, size)
	}
	slices.Sort(sizes)
	config := map[string]any{}
	for i, size := range sizes {
		targets := groups[size]
		if len(sizes) == 1 && onlyLinear {
			targets = []string{"Linear"}
		}
		config[fmt.Sprintf("group_%d", i)] = groupConfig(size, targets)
	}
	return map[string]any{
		"quant_method": "compressed-tensors", "format": "int-quantized", "quantization_status": "compressed",
		"config_groups": config, "ignore": append([]string{}, ignore...), "kv_cache_scheme": nil, "global_compression_ratio": nil,
	}
}

// kindsOfCodes returns how many groups a model's quantization_config has.
func kindsOfCodes(steps []*step) int {
	kinds := map[int]bool{}
	for _, s := range steps {
		if c, ok := s.codec.(codes); ok {
			kinds[c.Group] = true
		}
	}
	return len(kinds)
}

// groupConfig describes symmetric int8 weights that are multiplied with activations
// of full precision.
func groupConfig(size int, targets []string) any {
	weights := map[string]any{"num_bits": 8, "type": "int", "symmetric": true, "strategy": "channel", "group_size": nil, "dynamic": false}
	if size > 0 {
		weights["strategy"], weights["group_size"] = "group", size
	}
	return map[string]any{
		"targets": targets, "weights": weights, "input_activations": nil, "output_activations": nil,
		"format": "int-quantized", // else readers take weights without quantised activations for packed ones
	}
}
