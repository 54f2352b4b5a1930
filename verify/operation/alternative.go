package operation

import (
	"fmt"
	"slices"
	"strings"

	"colakit/verify/catalog"
)

// Topic is the kind of mistake that an alternative is.
type Topic string

// The topics.
const (
	Contract     Topic = "contract"     // a rounding, an epsilon: where and how a run rounds
	Mapping      Topic = "mapping"      // a tensor that is another one's, or laid out otherwise
	Quantisation Topic = "quantisation" // how codes become numbers
	Formula      Topic = "formula"      // another function than the model's
	Wiring       Topic = "wiring"       // a value is read from another place
	Rotary       Topic = "rotary"       // how positions turn queries and keys
	Visibility   Topic = "visibility"   // who sees whom
	CacheUse     Topic = "cache"        // which cached rows are read
	Timestep     Topic = "timestep"     // which time an operation is told
	Sampling     Topic = "loop"         // guidance, the Euler step, pinned rows
)

// Alternative is another way to compute an operation. The zero Alternative is the
// model's own way.
type Alternative struct {
	Name  string `json:"name"` // of the kind: "transposed"
	Topic Topic  `json:"topic"`
	Says  string `json:"says"` // completes "matches if …"
	Do    string `json:"do"`   // what to do where an engine or an artifact does so
	// Tensors are those whose numbers it reads otherwise, or one in the place of the
	// other.
	Tensors []string `json:"tensors,omitempty"`
	// Part is the operation that is computed in that way: the call's own, or one
	// between its inputs and its value.
	Part string `json:"part"`

	joint  func(*Call, *catalog.Op) bool // operations of the same layer that it takes along
	change func(*form)
}

// reaches reports whether op is computed in the alternative way.
func (a Alternative) reaches(c *Call, op *catalog.Op) bool {
	if a.change == nil || a.Part == op.Path {
		return a.change != nil
	}
	part := c.Run.Catalog().Op(a.Part)
	return a.joint != nil && part != nil && part.Layer == op.Layer && part.Section == op.Section && a.joint(c, op)
}

// entry is a line of the catalogue. It stands for one alternative, or for one per
// argument.
type entry struct {
	name    string
	topic   Topic
	says    string // %s: the argument
	do      string
	when    func(*Call, *catalog.Op) bool
	args    func(*Call, *catalog.Op) []string // nil: one alternative without an argument
	tensors bool                              // the argument names tensors or modules
	joint   bool                              // a chain's operations for which when holds go together
	change  func(f *form, arg string, c *Call, op *catalog.Op)
}

// catalogue lists the entries, the likeliest mistakes first.
var catalogue = slices.Concat(rowWays, mappingWays, wiringWays, rotaryWays, timestepWays, attentionWays, cacheWays, formulaWays, loopWays, codeWays, contractWays, weightRowWays)

// Names lists the kinds of alternatives, in the order in which they are tried.
func Names() []string {
	var names []string
	for _, e := range catalogue {
		if !slices.Contains(names, e.name) {
			names = append(names, e.name)
		}
	}
	return names
}

// Alternatives lists the other ways to compute the call: those of its own operation
// first, then of the operations before it. Some may give the same value as the
// model's own way does, where a bias is zero or an offset has no effect.
func (c *Call) Alternatives() []Alternative {
	var list []Alternative
	parts := c.Parts()
	for _, path := range slices.Backward(parts) {
		op := c.Run.Catalog().Op(path)
		for _, e := range catalogue {
			list = append(list, e.of(c, op, list)...)
		}
	}
	return list
}

// Alternative returns the first alternative of a kind at the call's own operation.
func (c *Call) Alternative(name string) (Alternative, bool) {
	for _, e := range catalogue {
		if found := e.of(c, c.op, nil); e.name == name && len(found) > 0 {
			return found[0], true
		}
	}
	return Alternative{}, false
}

// of returns the entry's alternatives at an operation, unless one of earlier takes
// the operation along.
func (e entry) of(c *Call, op *catalog.Op, earlier []Alternative) []Alternative {
	if !e.when(c, op) {
		return nil
	}
	args := []string{""}
	if e.args != nil {
		args = e.args(c, op)
	}
	var list []Alternative
	for _, arg := range args {
		a := Alternative{Name: e.name, Topic: e.topic, Says: e.says, Do: e.do, Part: op.Path}
		if strings.Contains(e.says, "%s") {
			a.Says = fmt.Sprintf(e.says, spoken(arg))
		}
		if e.tensors {
			a.Tensors = strings.Split(arg, "=")
		}
		if e.joint {
			a.joint = e.when
		}
		taken := slices.ContainsFunc(earlier, func(b Alternative) bool {
			return b.Name == a.Name && b.Says == a.Says && b.Part != a.Part && b.reaches(c, op)
		})
		if taken {
			continue
		}
		a.change = func(f *form) { e.change(f, arg, c, op) }
		list = append(list, a)
	}
	return list
}

// spoken turns the argument "x=y" into "y in place of x".
func spoken(arg string) string {
	if own, other, ok := strings.Cut(arg, "="); ok {
		return other + " in place of " + own
	}
	return arg
}
