package verify

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// Divergence is the earliest operation that fails although its inputs are right.
type Divergence struct {
	Name    string   `json:"name"` // the tap
	Op      string   `json:"op"`   // module path and operation
	Mode    Mode     `json:"mode"`
	Problem string   `json:"problem"`
	Unit    []string `json:"unit"`    // operations between it and the recorded values before it
	Inputs  []string `json:"inputs"`  // those values
	Tensors []string `json:"tensors"` // that it uses, with shape and stored type
	// Suspects are those of the Tensors that every failing operation uses and no
	// passing one; empty where that leaves none, or all.
	Suspects []string       `json:"suspects,omitempty"`
	Summary  metric.Summary `json:"summary"`
	Index    []int          `json:"index,omitempty"`
	Pattern  []string       `json:"pattern"` // what the failures have in common, and what that points to
	// Diagnosis is what computing the operation anew showed.
	Diagnosis *Diagnosis `json:"diagnosis,omitempty"`
}

// diverged describes the earliest failure.
func (s *session) diverged() *Divergence {
	first := s.firstFailure()
	if first == nil {
		return nil
	}
	u, patterns := s.unit(first.site, first.op), s.patterns(first)
	if s.diagnosis != nil && s.diagnosis.Origin == OfRounding {
		patterns = s.patternOfRounding(first, patterns)
	}
	if other := s.otherWeights(first); other != "" {
		patterns = slices.Insert(patterns, 0, other)
		s.diagnosis.asOtherWeights()
	}
	return &Divergence{
		Name: first.Name, Op: first.op.Path, Mode: first.Mode, Problem: first.Problem,
		Unit: u.Parts, Inputs: u.Inputs, Tensors: s.weights.describe(u.Tensors),
		Summary: first.Summary, Index: first.Index,
		Suspects: s.weights.describe(s.suspects(first, u.Tensors)), Pattern: patterns,
		Diagnosis: s.diagnosis,
	}
}

// suspects narrows down the modules of a chain: those that every failing operation
// of the isolated mode uses, less those that a passing one uses, too.
func (s *session) suspects(first *Comparison, modules []string) []string {
	if first.Mode != Isolated || len(modules) < 2 {
		return nil
	}
	if own := first.op.Tensors; first.op.Kind == catalog.Product && offsetOnly(first) && len(own) > 0 {
		return own[len(own)-1:] // its bias is added last
	}
	failing, passing := s.modulesOf(true), s.modulesOf(false)
	left := slices.Clone(modules)
	for _, used := range failing {
		if both := common(left, used); len(both) > 0 {
			left = both
		}
	}
	for _, used := range passing {
		left = slices.DeleteFunc(left, func(m string) bool { return slices.Contains(used, m) })
	}
	if len(left) == len(modules) {
		return nil
	}
	return left
}

// modulesOf lists the modules of every operation that failed somewhere, or of
// those that passed everywhere, in the isolated mode.
func (s *session) modulesOf(failing bool) [][]string {
	failed := map[string]bool{}
	modules := map[string][]string{}
	var order []string
	for _, c := range s.comparisons {
		if c.Mode != Isolated {
			continue
		}
		u := s.unit(c.site, c.op)
		key := c.op.Path + " " + strings.Join(u.Tensors, " ") // stages may differ in what lies between
		if _, ok := modules[key]; !ok {
			modules[key], order = u.Tensors, append(order, key)
		}
		failed[key] = failed[key] || c.Failed()
	}
	var list [][]string
	for _, key := range order {
		if failed[key] == failing {
			list = append(list, modules[key])
		}
	}
	return list
}

func common(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(x string) bool { return !slices.Contains(b, x) })
}

// patterns says what the failures of the first one's mode have in common with it.
func (s *session) patterns(first *Comparison) []string {
	var same []*Comparison // the same operation in all passes
	for _, c := range s.comparisons {
		if c.Mode == first.Mode && c.op == first.op && (c.Rule != "" || c.Failed()) {
			same = append(same, c)
		}
	}
	patterns := []string{s.layerPattern(first, same)}
	for _, p := range []string{branchPattern(same), blockPattern(first, same), stepPattern(first, same), columnPattern(first), s.wholeLayers(first), s.companions(first)} {
		if p != "" {
			patterns = append(patterns, p)
		}
	}
	return patterns
}

// layerPattern compares the operation with its like in other layers.
func (s *session) layerPattern(first *Comparison, same []*Comparison) string {
	judged, failed := map[int]bool{}, map[int]bool{}
	for _, c := range s.comparisons {
		if c.Mode == first.Mode && c.op.Section == first.op.Section && c.op.Name == first.op.Name && c.op.Layer >= 0 {
			judged[c.op.Layer] = true
			if c.Failed() {
				failed[c.op.Layer] = true
			}
		}
	}
	passes := fmt.Sprintf("%d of %d passes", count(same, (*Comparison).Failed), len(same))
	what := "its weights, or the tensors that were mapped to it"
	if len(s.unit(first.site, first.op).Tensors) == 0 {
		what = "its formula"
	}
	switch {
	case first.op.Layer < 0:
		return fmt.Sprintf("in %s, and no like operation exists in other layers: %s", passes, what)
	case len(failed) == len(judged) && len(judged) > 1:
		return fmt.Sprintf("uniform over all %d layers, in %s of this one: %s", len(judged), passes, s.uniformCause(first))
	case len(failed) == 1:
		return fmt.Sprintf("this layer alone of %d, in %s: %s", len(judged), passes, what)
	}
	return fmt.Sprintf("in %d of %d layers, in %s of this one", len(failed), len(judged), passes)
}

// uniformCause says what makes an operation fail in every layer.
func (s *session) uniformCause(first *Comparison) string {
	shared := strings.Join(s.suspects(first, s.unit(first.site, first.op).Tensors), ", ")
	weights := s.diagnosis != nil && s.diagnosis.Origin == OfWeights
	switch {
	case weights && shared != "":
		return "what they share, " + shared
	case weights:
		return "not one tensor, but what was done to all of them: names, a conversion, another checkpoint"
	case shared != "":
		return "the contract (a rounding, an epsilon, a formula), or what they share, " + shared
	}
	return "the contract (a rounding, an epsilon, a formula), not one weight"
}

func count(cs []*Comparison, is func(*Comparison) bool) int {
	n := 0
	for _, c := range cs {
		if is(c) {
			n++
		}
	}
	return n
}

// branchPattern looks for a failure of one branch only.
func branchPattern(same []*Comparison) string {
	in := func(branch string) (judged, failed int) {
		of := slices.DeleteFunc(slices.Clone(same), func(c *Comparison) bool { return c.site.Branch != branch || c.site.Stage != generate.Denoise })
		return len(of), count(of, (*Comparison).Failed)
	}
	cond, condFailed := in(generate.Cond)
	uncond, uncondFailed := in(generate.Uncond)
	switch {
	case cond == 0 || uncond == 0:
	case condFailed > 0 && uncondFailed == 0:
		return "only in the conditional branch: the cache, or the positions behind it"
	case uncondFailed > 0 && condFailed == 0:
		return "only in the unconditional branch: its positions start at 0 and it sees no cache"
	}
	return ""
}

// blockPattern and stepPattern look for failures that begin, or grow, with the
// block or with the step.
func blockPattern(first *Comparison, same []*Comparison) string {
	cause := "the cache"
	if first.op.Section == catalog.Loop {
		cause = "what the block begins with, its noise and pinned rows, or its guidance"
	}
	return trend(same, func(g generate.Site) (int, bool) { return g.Block, g.Stage >= generate.Denoise }, "block", cause)
}

func stepPattern(first *Comparison, same []*Comparison) string {
	cause := "timestep or guidance"
	if first.op.Path == "z" && first.site.Step == 0 {
		cause = "the noise that a block begins with"
	}
	return trend(same, func(g generate.Site) (int, bool) { return g.Step, g.Stage == generate.Denoise }, "step", cause)
}

// growthFactor is how much larger the last figure must be than the first to be
// called growth.
const growthFactor = 4

func trend(same []*Comparison, at func(generate.Site) (int, bool), what, cause string) string {
	worst := map[int]float64{}
	failed := map[int]bool{}
	for _, c := range same {
		if i, ok := at(c.site); ok {
			worst[i] = max(worst[i], c.Summary.RelL2)
			failed[i] = failed[i] || c.Failed()
		}
	}
	var right, wrong []int
	for _, i := range slices.Sorted(maps.Keys(worst)) {
		if failed[i] {
			wrong = append(wrong, i)
		} else {
			right = append(right, i)
		}
	}
	switch {
	case len(wrong) == 0 || len(wrong)+len(right) < 2:
		return ""
	case len(right) > 0 && right[len(right)-1] < wrong[0]:
		return fmt.Sprintf("only from %s %d on: %s", what, wrong[0], cause)
	case len(right) > 0:
		return fmt.Sprintf("in %s %s, not in %s: %s", what, some(wrong), some(right), cause)
	}
	first, last := wrong[0], wrong[len(wrong)-1]
	if worst[last] > growthFactor*worst[first] {
		return fmt.Sprintf("grows from rel-L2 %s in %s %d to %s in %s %d: %s", short(worst[first]), what, first, short(worst[last]), what, last, cause)
	}
	return ""
}

// some lists the first of some numbers: "1, 2, 3, …".
func some(numbers []int) string {
	const most = 5
	text := strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers[:min(most, len(numbers))]), " ", ", "), "[]")
	if len(numbers) > most {
		text += ", …"
	}
	return text
}

// columnShare is the part of the squared error that makes one column stand out.
const columnShare = 0.95

// columnPattern looks for an error in one output channel.
func columnPattern(c *Comparison) string {
	col := c.Summary.Column
	switch {
	case col.Share < columnShare || c.Summary.Mask.Mismatch > 0 || len(c.Index) < 2:
		return ""
	case offsetOnly(c):
		return fmt.Sprintf("%.3g %% of the squared error is in channel %d, off by the same %s in every row: one element of a bias", 100*col.Share, col.Index, short(c.Summary.MaxAbs.Got-c.Summary.MaxAbs.Want))
	}
	return fmt.Sprintf("%.3g %% of the squared error is in channel %d: one row of a weight, or one element of a bias or a norm", 100*col.Share, col.Index)
}

// offsetOnly reports an error that is the same in every row of one channel.
func offsetOnly(c *Comparison) bool {
	col := c.Summary.Column
	return col.Share >= columnShare && col.Offset > 0.999 && len(c.Index) > 1
}
