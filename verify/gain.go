package verify

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// Gain says what a layer makes of the error of what it is given, free-running: the
// rel-L2 of the residual stream after it to that before it.
type Gain struct {
	Passes int     `json:"passes"`
	In     float64 `json:"in"`     // rms over the passes of the rel-L2 before the layer
	Out    float64 `json:"out"`    // likewise after it
	Factor float64 `json:"factor"` // Out/In; 0 where In is 0
	// Own is what the layer may make by itself: the largest rel-L2 that one of its
	// operations makes on the golden's inputs; under the released contract at least
	// √m·2⁻⁹, of m operations that round to bfloat16, for any error ahead of them sends
	// some results the other way.
	Own float64 `json:"own"`
}

// The states of a layer.
const (
	WrongLayer    = "wrong"    // an operation fails on the golden's inputs
	UnstableLayer = "unstable" // every operation is right, and errors are multiplied
)

// unstable reports whether a layer multiplies errors: by more than the factor that is
// called growth, and to more than its own operations explain.
func (g *Gain) unstable() bool {
	return g != nil && g.Factor > growthFactor && g.Out > growthFactor*g.Own
}

// stream names the residual stream's value before and after each layer of a section,
// as far as the catalogue knows it: the values that layers hand on.
func (s *session) stream(section catalog.Section) (before, after map[int][]string) {
	before, after = map[int][]string{}, map[int][]string{}
	for _, op := range s.catalog.Ops() {
		if op.Section != section {
			continue
		}
		if op.Name == "in" && op.Layer >= 0 {
			before[op.Layer] = []string{op.Path, op.Inputs[0]}
			if op.Layer > 0 {
				after[op.Layer-1] = before[op.Layer]
			}
			continue
		}
		for _, in := range op.Inputs {
			if source := s.catalog.Op(in); op.Layer < 0 && source != nil && source.Section == section && source.Layer >= 0 {
				after[source.Layer] = []string{in}
			}
		}
	}
	return before, after
}

// gains measures every layer.
func (s *session) gains() map[string]*Gain {
	rel := map[string]float64{} // tap → rel-L2, free-running
	var passes []generate.Site  // in the order of the run
	own := map[string]float64{}
	for _, c := range s.comparisons {
		switch c.Mode {
		case Free:
			rel[c.Name] = c.Summary.RelL2
			if p := beside(c.site, ""); len(passes) == 0 || passes[len(passes)-1] != p {
				passes = append(passes, p)
			}
		case Isolated:
			own[layerName(c.op)] = max(own[layerName(c.op)], c.Summary.RelL2)
		}
	}
	gains := map[string]*Gain{}
	for _, section := range []catalog.Section{catalog.Encoder, catalog.DiT, catalog.Decoder} {
		before, after := s.stream(section)
		for layer, paths := range before {
			name := fmt.Sprintf("%s %d", section, layer)
			if g := gainOf(rel, passes, paths, after[layer]); g.Passes > 0 {
				g.Own = max(own[name], s.roundings(section, layer))
				gains[name] = g
			}
		}
	}
	return gains
}

// roundings is √m·2⁻⁹ for the m operations of a layer under the released contract.
func (s *session) roundings(section catalog.Section, layer int) float64 {
	if s.contract != generate.Released {
		return 0
	}
	m := 0
	for _, op := range s.catalog.Ops() {
		if op.Section == section && op.Layer == layer && op.Kind != catalog.Copy {
			m++
		}
	}
	return math.Sqrt(float64(m)) * 0x1p-9
}

// gainOf sums up one layer over the passes in which both values are known.
func gainOf(rel map[string]float64, passes []generate.Site, before, after []string) *Gain {
	g, in2, out2 := &Gain{}, 0.0, 0.0
	for _, pass := range passes {
		in, ok := firstOf(rel, pass, before)
		out, known := firstOf(rel, pass, after)
		if ok && known {
			g.Passes, in2, out2 = g.Passes+1, in2+in*in, out2+out*out
		}
	}
	n := math.Max(float64(g.Passes), 1)
	g.In, g.Out = math.Sqrt(in2/n), math.Sqrt(out2/n)
	if g.In > 0 {
		g.Factor = g.Out / g.In
	}
	return g
}

// firstOf returns the figure of the first of some paths that a pass has.
func firstOf(rel map[string]float64, pass generate.Site, paths []string) (v float64, ok bool) {
	for _, path := range paths {
		if v, ok = rel[sibling(pass, path)]; ok {
			return v, true
		}
	}
	return 0, false
}

// state says what is the matter with a layer; "" for nothing.
func (r *LayerRow) state() string {
	switch {
	case r.Isolated.Failed > 0:
		return WrongLayer
	case r.Gain.unstable():
		return UnstableLayer
	}
	return ""
}

// unstableNote tells layers that multiply errors from layers that are wrong; "" where
// there are none.
func unstableNote(rows []LayerRow) string {
	var parts []string
	for _, r := range rows {
		if r.State == UnstableLayer {
			parts = append(parts, fmt.Sprintf("%s by %s (to a rel-L2 of %s)", r.Layer, short(r.Gain.Factor), short(r.Gain.Out)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	wrong := slices.ContainsFunc(rows, func(r LayerRow) bool { return r.State == WrongLayer })
	text := "unstable, not wrong: every operation of these layers is right on the golden's inputs, and they multiply the error of what they are given: " + strings.Join(parts, ", ")
	if wrong {
		text += "; what they multiply comes from the failing operations"
	}
	return text
}
