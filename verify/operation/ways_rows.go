package operation

import (
	"strings"

	"colakit/formats/hf"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// rowLayout is an order in which the rows of a product's weight may be stored.
type rowLayout struct {
	name, says, do string
	when           func(*Call, *catalog.Op) bool
	args           func(*Call, *catalog.Op) []string
	at             func(s parting, arg string, j int) int // where row j of the model's order is stored
}

// parting says how the rows of a weight are divided: into parts·heads·width.
type parting struct {
	parts, heads, width int
	rotated             int // leading channels of a head that are turned in pairs
}

// split returns the part, head and channel of a row.
func (s parting) split(j int) (part, head, channel int) {
	return j / s.width / s.heads, j / s.width % s.heads, j % s.width
}

const (
	qkvRows   = "store the rows of qkv as the checkpoint does, [3, heads, width]: all queries, then all keys, then all values"
	pairRows  = "store the rows of queries and keys as the checkpoint does: a rotary kernel of another layout needs them reordered, this one does not"
	halveRows = "store the rows as the checkpoint does: the first half of a SwiGLU's or an AdaLN's weight before the second"
)

// rowLayouts lists the orders, the likeliest mistakes first.
var rowLayouts = []rowLayout{
	{"rows of qkv in another order", "stand in the order %s", qkvRows, isQKV, fixed("kqv", "qvk", "vkq", "kvq", "vqk"), func(s parting, order string, j int) int {
		part, _, _ := s.split(j)
		size := s.heads * s.width
		return strings.IndexByte(order, "qkv"[part])*size + j%size
	}},
	{"rows of qkv by head", "are laid out [heads, 3, width]", qkvRows, isQKV, nil, func(s parting, _ string, j int) int {
		part, head, channel := s.split(j)
		return (head*s.parts+part)*s.width + channel
	}},
	{"rows of qkv sorted by part once more", "were sorted by part as if they were laid out [heads, 3, width]", qkvRows, isQKV, nil, func(s parting, _ string, j int) int {
		block := j / s.width
		return (block%s.parts*s.heads+block/s.parts)*s.width + j%s.width
	}},
	{"rotary rows in halves", "hold the first channels of all rotary pairs of a head before the second ones", pairRows, isQKV, nil, func(s parting, _ string, j int) int {
		part, _, channel := s.split(j)
		if part == 2 || channel >= s.rotated {
			return j
		}
		return j - channel + channel/2 + channel%2*(s.rotated/2)
	}},
	{"rotary rows in turn", "alternate between the halves of a head's rotary channels", pairRows, isQKV, nil, func(s parting, _ string, j int) int {
		part, _, channel := s.split(j)
		if part == 2 || channel >= s.rotated {
			return j
		}
		return j - channel + 2*channel%s.rotated + 2*channel/s.rotated
	}},
	{"halves of the rows exchanged", "have their second half first", halveRows, hasHalves, nil, func(s parting, _ string, j int) int {
		return (j + s.width) % (2 * s.width)
	}},
	{"halves of the rows in turn", "alternate between both halves", halveRows, hasHalves, nil, func(s parting, _ string, j int) int {
		return 2*j%(2*s.width) + j/s.width
	}},
}

// rowWays read the rows of a weight, and of its bias, in another order.
var rowWays = waysOfRows("", "the rows of the weight, and of its bias if there is one, ", func(m hf.Module) []string { return []string{m.Weight(), m.Bias()} }, func(c *Call, op *catalog.Op) bool {
	return !isShiftOrScale(c, op) // these halves have an entry of their own
})

// weightRowWays reorder the weight alone, where a bias stays as it is.
var weightRowWays = waysOfRows(", not of the bias", "the rows of the weight, not of the bias, ", func(m hf.Module) []string { return []string{m.Weight()} }, func(c *Call, op *catalog.Op) bool {
	return c.has(hf.Module(op.Tensors[0]).Bias())
})

// waysOfRows makes the entries of all layouts, for the tensors of a module.
func waysOfRows(suffix, subject string, of func(hf.Module) []string, and func(*Call, *catalog.Op) bool) []entry {
	var list []entry
	for _, l := range rowLayouts {
		list = append(list, entry{
			name: l.name + suffix, topic: Mapping, says: subject + l.says, do: l.do, args: l.args,
			when: func(c *Call, op *catalog.Op) bool {
				return op == c.op && hasProduct(c, op) && c.Run.Activations == generate.FloatActivations && l.when(c, op) && and(c, op)
			},
			change: func(f *form, arg string, c *Call, op *catalog.Op) {
				s := partingOf(c, op)
				f.rows = map[string]func(int) int{}
				for _, name := range of(hf.Module(op.Tensors[0])) {
					f.rows[name] = func(j int) int { return l.at(s, arg, j) }
				}
			},
		})
	}
	return list
}

// isQKV reports whether op multiplies by a qkv weight whose parts are equally wide.
func isQKV(c *Call, op *catalog.Op) bool {
	return (op.Name == "msa.qkv" || op.Name == "attn.qkv") && equalParts(c, op)
}

// hasHalves reports whether the weight of op holds two matrices, one over the other.
func hasHalves(c *Call, op *catalog.Op) bool {
	swiglu := op.Name == "ffn.hidden" && c.Run.Config.VAE.Act == hf.ActSwiGLU
	return swiglu || isShiftOrScale(c, op) && !c.Run.Tabled
}

// partingOf divides the rows of the weight of op.
func partingOf(c *Call, op *catalog.Op) parting {
	dit, vae := c.Run.Config.DiT, c.Run.Config.VAE
	switch op.Name {
	case "msa.qkv":
		return parting{3, dit.Heads, dit.HeadDim, dit.RopeDim}
	case "attn.qkv":
		return parting{3, vae.NumHeads, vae.HeadDim(), vae.HeadDim()}
	}
	return parting{parts: 2, heads: 1, width: c.shapes()[hf.Module(op.Tensors[0]).Weight()][0] / 2}
}

// place returns where row j of a weight, or element j of a bias, is read.
func (s *sources) place(name string, j int) int {
	if at, ok := s.rows[name]; ok {
		return at(j)
	}
	return j
}
