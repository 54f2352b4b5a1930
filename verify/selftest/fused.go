package selftest

import (
	"slices"
	"strings"

	"colakit/formats/tensor"
	"colakit/reference/generate"
)

// fusing is an engine in which the values of some operations exist nowhere.
type fusing struct {
	generate.Engine
	hidden []string // ends of their paths
}

var _ generate.Partial = (*fusing)(nil)

// fuses has the engine hide values, as one of fused kernels does.
func fuses(hidden ...string) Injection {
	return Injection{Engine: func(below generate.Engine) generate.Engine { return &fusing{below, hidden} }}
}

// Shows is that of generate.Partial.
func (f *fusing) Shows(s generate.Site) bool {
	hidden := slices.ContainsFunc(f.hidden, func(end string) bool { return strings.HasSuffix(s.Path, end) })
	below, ok := f.Engine.(generate.Partial)
	return !hidden && (!ok || below.Shows(s))
}

// Observe hides the values from a tap.
func (f *fusing) Observe(tap generate.Tap) {
	if forcing, ok := tap.(generate.Forcing); ok {
		tap = &blind{forcing, f}
	}
	f.Engine.Observe(tap)
}

// blind is a tap that is told of what the engine shows only.
type blind struct {
	generate.Forcing
	engine *fusing
}

func (b *blind) Want(s generate.Site) bool { return b.engine.Shows(s) && b.Forcing.Want(s) }

func (b *blind) Replace(s generate.Site) (tensor.View, bool, error) {
	if !b.engine.Shows(s) {
		return tensor.View{}, false, nil
	}
	return b.Forcing.Replace(s)
}
