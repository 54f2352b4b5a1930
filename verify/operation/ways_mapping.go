package operation

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// mappingWays read other tensors than the model's, or the model's otherwise.
var mappingWays = []entry{
	{
		name: "transposed", topic: Mapping, says: "%s is read transposed",
		do:   "store and read the weight as [out, in], as the checkpoint has it",
		when: hasProduct, args: matrices, tensors: true,
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.transposed = arg },
	},
	{
		name: "other module", topic: Mapping, says: "it uses %s",
		do:   "look at the names that tensors are mapped to; two were mixed up",
		when: hasModules, args: otherModules, tensors: true,
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) {
			own, other, _ := strings.Cut(arg, "=")
			f.tensor = map[string]string{
				hf.Module(own).Weight(): hf.Module(other).Weight(), hf.Module(own).Bias(): hf.Module(other).Bias(),
			}
		},
	},
	{
		name: "other weight", topic: Mapping, says: "it uses %s",
		do:   "look at the names that tensors are mapped to; two were mixed up",
		when: hasModules, args: otherTensors(hf.Module.Weight), tensors: true, change: substitute,
	},
	{
		name: "other bias", topic: Mapping, says: "it uses %s",
		do:   "look at the names that tensors are mapped to; two were mixed up",
		when: hasModules, args: otherTensors(hf.Module.Bias), tensors: true, change: substitute,
	},
	{
		name: "no bias", topic: Mapping, says: "%s is left out",
		do:   "add the bias; the configuration says that there is one",
		when: hasModules, args: own(hf.Module.Bias), tensors: true,
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.tensor = map[string]string{arg: ""} },
	},
	{
		name: "bias twice", topic: Mapping, says: "%s is added twice",
		do:   "add the bias once: in the product, or after it",
		when: hasProduct, args: own(hf.Module.Bias), tensors: true,
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.twice = arg },
	},
	{
		name: "no weight of a norm", topic: Mapping, says: "%s is left out",
		do:   "multiply by the norm's weight; it has one",
		when: isNorm, args: own(hf.Module.Weight), tensors: true,
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.tensor = map[string]string{arg: ""} },
	},
	{
		name: "weight and bias of a norm exchanged", topic: Mapping, says: "the weight and the bias of the norm change places",
		do:   "look at the names that the norm's tensors are mapped to",
		when: func(c *Call, op *catalog.Op) bool { return isNorm(c, op) && len(own(hf.Module.Bias)(c, op)) > 0 },
		change: func(f *form, _ string, _ *Call, op *catalog.Op) {
			m := hf.Module(op.Tensors[0])
			f.tensor = map[string]string{m.Weight(): m.Bias(), m.Bias(): m.Weight()}
		},
	},
	{
		name: "order of q, k and v", topic: Mapping, says: "the parts of qkv stand in the order %s",
		do:   "the rows of the qkv weight are q, then k, then v",
		when: takesPart, joint: true, args: orders,
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.order = arg },
	},
	{
		name: "q, k and v by head", topic: Mapping, says: "qkv is laid out [heads, 3, width]",
		do:   "qkv is [3, heads, width]: all queries, then all keys, then all values",
		when: func(c *Call, op *catalog.Op) bool { return takesPart(c, op) && equalParts(c, op) }, joint: true,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.columns.alternate = true },
	},
	{
		name: "halves of the modulation exchanged", topic: Mapping, says: "shift and scale are each other's half of the AdaLN's output",
		do:   "the first half of an AdaLN's output is the shift, the second the scale",
		when: isShiftOrScale, joint: true,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.otherHalf = true },
	},
	{
		name: "modulation alternates", topic: Mapping, says: "shift and scale alternate in the AdaLN's output",
		do:   "the first half of an AdaLN's output is the shift, the second the scale",
		when: func(c *Call, op *catalog.Op) bool { return isShiftOrScale(c, op) && !c.Run.Tabled }, joint: true,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.pairwise = true },
	},
	{
		name: "patch slots first", topic: Mapping, says: "a patch is laid out [slot, channel]",
		do: "the convolution's weight is [out, channel, slot], and unpatching makes channel·p + slot of a column",
		when: func(c *Call, op *catalog.Op) bool {
			return c.Run.Config.VAE.PatchSize > 1 && (op.Path == "vae.encoder.patch" || op.Path == "vae.decoder.norm")
		},
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.slotFirst = true },
	},
	{
		name: "the log-variance", topic: Mapping, says: "the second half of the encoder's output is taken",
		do: "the mode of the posterior is its mean, the first half",
		when: func(c *Call, op *catalog.Op) bool {
			return c.Run.Config.VAE.UseVariation && len(op.Inputs) == 1 && op.Inputs[0] == "vae.encoder.final"
		},
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.otherHalf = true },
	},
	{
		name: "token ids shifted", topic: Mapping, says: "token ids are off by %s",
		do:     "the embedding has a row for every id, and one more at its end",
		when:   func(_ *Call, op *catalog.Op) bool { return op.Path == "vae.encoder.wte" },
		args:   fixed("1", "-1"),
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.ids, _ = strconv.Atoi(arg) },
	},
}

func substitute(f *form, arg string, _ *Call, _ *catalog.Op) {
	own, other, _ := strings.Cut(arg, "=")
	f.tensor = map[string]string{own: other}
}

func fixed(args ...string) func(*Call, *catalog.Op) []string {
	return func(*Call, *catalog.Op) []string { return args }
}

// hasProduct reports whether op multiplies by weights that the call holds.
func hasProduct(c *Call, op *catalog.Op) bool {
	product := op.Kind == catalog.Product || op.Kind == catalog.Chain
	return product && len(op.Tensors) > 0 && c.has(hf.Module(op.Tensors[0]).Weight())
}

func isNorm(c *Call, op *catalog.Op) bool {
	return op.Kind == catalog.Normalisation && len(op.Tensors) > 0 && c.has(hf.Module(op.Tensors[0]).Weight())
}

func hasModules(c *Call, op *catalog.Op) bool { return hasProduct(c, op) || isNorm(c, op) }

// takesPart reports whether op is q, k or v of an attention.
func takesPart(_ *Call, op *catalog.Op) bool {
	switch op.Name {
	case "msa.q", "msa.k", "msa.v", "attn.q", "attn.k_raw", "attn.v":
		return true
	}
	return false
}

func equalParts(c *Call, op *catalog.Op) bool {
	return op.Section == catalog.DiT || c.Run.Config.VAE.SharedHeadsKV == 1
}

func orders(c *Call, op *catalog.Op) []string {
	if !equalParts(c, op) {
		return []string{"qvk"}
	}
	return []string{"kqv", "qvk", "vkq", "kvq", "vqk"}
}

func isShiftOrScale(_ *Call, op *catalog.Op) bool {
	return op.Section == catalog.DiT && (strings.HasSuffix(op.Name, ".shift") || strings.HasSuffix(op.Name, ".scale"))
}

// own lists the tensors of an operation that the call holds.
func own(part func(hf.Module) string) func(*Call, *catalog.Op) []string {
	return func(c *Call, op *catalog.Op) []string {
		var names []string
		for _, m := range op.Tensors {
			if name := part(hf.Module(m)); c.has(name) {
				names = append(names, name)
			}
		}
		return names
	}
}

// matrices lists an operation's weights that have more than one row and column.
func matrices(c *Call, op *catalog.Op) []string {
	return slices.DeleteFunc(own(hf.Module.Weight)(c, op), func(name string) bool {
		v, err := c.Weights.Read(name)
		return err != nil || len(v.Shape) < 2 || v.Shape[0] == 1 || v.Quantization != nil && c.Run.Activations == generate.Int8Activations
	})
}

// otherModules lists "own=other" for the modules that have tensors of the same shapes.
func otherModules(c *Call, op *catalog.Op) []string {
	var pairs []string
	shapes := c.shapes()
	for _, m := range op.Tensors {
		weight, bias := shapes[hf.Module(m).Weight()], shapes[hf.Module(m).Bias()]
		if bias == nil {
			continue // the weight alone is another entry
		}
		for _, name := range c.alike(hf.Module(m).Weight(), weight) {
			other := strings.TrimSuffix(name, ".weight")
			if b := shapes[hf.Module(other).Bias()]; b != nil && b.Equal(bias) {
				pairs = append(pairs, m+"="+other)
			}
		}
	}
	return pairs
}

// otherTensors lists "own=other" for the tensors of the same shape and name's end.
func otherTensors(part func(hf.Module) string) func(*Call, *catalog.Op) []string {
	return func(c *Call, op *catalog.Op) []string {
		var pairs []string
		shapes := c.shapes()
		for _, name := range own(part)(c, op) {
			for _, other := range c.alike(name, shapes[name]) {
				pairs = append(pairs, name+"="+other)
			}
		}
		return pairs
	}
}

// alike lists the other tensors of the shape of name and with the same last word: of
// the same place in other blocks first.
func (c *Call) alike(name string, shape tensor.Shape) []string {
	word := name[strings.LastIndexByte(name, '.'):]
	var names []string
	for other, s := range c.shapes() {
		if other != name && strings.HasSuffix(other, word) && s.Equal(shape) {
			names = append(names, other)
		}
	}
	place := func(n string) int {
		if withoutNumbers(n) == withoutNumbers(name) {
			return 0
		}
		return 1
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(place(a)-place(b), strings.Compare(a, b)) })
	return names
}

// withoutNumbers leaves the block's number out of a name.
func withoutNumbers(name string) string {
	parts := strings.Split(name, ".")
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { _, err := strconv.Atoi(p); return err == nil }), ".")
}

// codeWays turn the numbers of stored weights into others.
var codeWays = []entry{
	{
		name: "scales of another row", topic: Quantisation, says: "rows take the scale of row + (%s)",
		do:   "every output channel has its own scale: row j of the codes takes row j of the scales",
		when: hasCodes, args: fixed("1", "-1"),
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.codes.shift, _ = strconv.Atoi(arg) },
	},
	{
		name: "scales of another group", topic: Quantisation, says: "groups take the scale of group + (%s)",
		do:   "group g of a row takes scale g of that row: [rows, groups], row-major",
		when: hasGroups, args: fixed("1", "-1"),
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.codes.group, _ = strconv.Atoi(arg) },
	},
	{
		name: "one scale a row", topic: Quantisation, says: "the first group's scale counts for the whole row",
		do:     "group g of a row takes scale g of that row",
		when:   hasGroups,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.codes.rowScale = true },
	},
	{
		name: "unsigned codes", topic: Quantisation, says: "codes are read as 0 … 255 about 128",
		do: "codes are two's complement, −128 … 127", when: hasCodes,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.codes.unsigned = true },
	},
	{
		name: "no scales", topic: Quantisation, says: "codes are taken without their scales",
		do: "multiply by the scale of the row or group", when: hasCodes,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.codes.bare = true },
	},
	{
		name: "codes rounded", topic: Quantisation, says: "code·scale is rounded to bfloat16 before it is multiplied",
		do: "multiply the codes and scale the sums, or keep code·scale in float32", when: hasCodes,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.codes.rounded = true },
	},
	{
		name: "the other 16-bit type", topic: Quantisation, says: "its weights are read as %s",
		do:   "read every tensor in the type that the file names for it",
		when: func(c *Call, op *catalog.Op) bool { return len(storedOther(c, op)) > 0 }, args: storedOther,
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.stored, _ = dtype.Parse(arg) },
	},
}

func hasCodes(c *Call, op *catalog.Op) bool { return quantised(c, op, 1) }

func hasGroups(c *Call, op *catalog.Op) bool { return quantised(c, op, 2) }

// quantised reports whether op multiplies by widened codes with at least so many
// groups in a row.
func quantised(c *Call, op *catalog.Op, groups int) bool {
	if !hasProduct(c, op) || c.Run.Activations == generate.Int8Activations {
		return false
	}
	v, err := c.Weights.Read(hf.Module(op.Tensors[0]).Weight())
	return err == nil && v.Quantization != nil && v.Quantization.ScalesPerRow(v.Shape[len(v.Shape)-1]) >= groups
}

func storedOther(c *Call, op *catalog.Op) []string {
	if !hasProduct(c, op) {
		return nil
	}
	v, err := c.Weights.Read(hf.Module(op.Tensors[0]).Weight())
	switch {
	case err != nil:
		return nil
	case v.Type == dtype.F16:
		return []string{dtype.BF16.String()}
	case v.Type == dtype.BF16:
		return []string{dtype.F16.String()}
	}
	return nil
}
