package catalog

import (
	"slices"

	"colakit/reference/generate"
)

// A Unit is what lies between a recorded value and the recorded values that it
// is computed from: one operation in a bundle that records all, a chain of them
// in one that records layers. It is the smallest thing that can be judged.
type Unit struct {
	Op         *Op
	Kind       Kind     // of its only operation that computes; else Chain
	Terms      int      // summed over the operations
	Attentions int      // operations whose Terms are the number of keys
	Parts      []string // paths of its operations, the inputs' first
	Inputs     []string // recorded paths and External names it is computed from
	Tensors    []string // modules and tensors that its operations use
	Ahead      int      // of them, those ahead of an attention's softmax
	Paired     int      // of them, those whose results are multiplied in pairs
}

// Unit resolves the operation of a site. recorded says whether the value of
// another path is known in the same pass.
func (c *Catalog) Unit(op *Op, recorded func(path string) bool) Unit {
	u := Unit{Op: op}
	c.extend(&u, op, recorded)
	for _, path := range u.Parts {
		switch kind := c.ops[path].Kind; {
		case kind == Copy:
		case u.Kind == Copy:
			u.Kind = kind
		default:
			u.Kind = Chain
		}
	}
	return u
}

func (c *Catalog) extend(u *Unit, op *Op, recorded func(string) bool) {
	for _, in := range op.Inputs {
		part, known := c.ops[in]
		switch {
		case !known || recorded(in):
			if !slices.Contains(u.Inputs, in) {
				u.Inputs = append(u.Inputs, in)
			}
		case !slices.Contains(u.Parts, in):
			c.extend(u, part, recorded)
		}
	}
	u.Parts = append(u.Parts, op.Path)
	if op.Kind != Copy {
		u.Terms += op.Terms
	}
	if op.Kind == Attention {
		u.Attentions++
		u.Ahead = len(u.Tensors)
	}
	if op.Pairs {
		u.Paired = len(u.Tensors)
	}
	for _, t := range op.Tensors {
		if !slices.Contains(u.Tensors, t) {
			u.Tensors = append(u.Tensors, t)
		}
	}
}

// TimestepOnly reports whether the value depends on nothing but the timestep.
func (u Unit) TimestepOnly() bool {
	for _, in := range u.Inputs {
		if in != Timesteps && in != sinusoidPath && in != embeddingPath {
			return false
		}
	}
	return len(u.Inputs) > 0
}

// Recorded reports whether a bundle of the given level holds the value of op in
// a stage.
func (o *Op) Recorded(level string, s generate.Stage) bool { return o.Level(s).In(level) }
