package verify

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"

	"colakit/formats/tensor"
	"colakit/verify/metric"
	"colakit/verify/operation"
)

// Replay is one failing operation with all that it is computed from, so that it can be
// looked at again without the engine, the artifact and the bundle.
type Replay struct {
	About
	Call     *operation.Call
	Expected tensor.View // the golden's value
	Got      tensor.View // the candidate's
	Facts    Facts       // what the policy knows of the operation
	Checks   []Check     // that judged it, with the limits of that run
	Grown    float64     // see Comparison
	GrownMax float64
	Retyped  bool // the candidate holds its value in another type than the golden

	close func() error
}

// About says where a Replay comes from.
type About struct {
	Bundle   string   `json:"bundle"`
	Engine   string   `json:"engine"`
	Artifact string   `json:"artifact"`
	Problem  string   `json:"problem"`
	LeftOut  []string `json:"left_out,omitempty"` // tensors that no room was for
}

// replay describes an investigation of a comparison.
func (s *session) replay(i *investigation, c *Comparison) *Replay {
	return &Replay{
		About: About{Bundle: s.options.Name, Engine: s.options.Engine.Name, Artifact: s.options.Artifact.Path, Problem: c.Problem},
		Call:  i.call, Expected: i.golden, Got: i.candidate, Facts: i.facts, Checks: c.Checks, Grown: i.grown, GrownMax: i.grownMax, Retyped: i.retyped,
	}
}

// Close releases the file that the replay was read from, if it was.
func (r *Replay) Close() error {
	if r.close == nil {
		return nil
	}
	return r.close()
}

// ReplaySchema names the JSON of a ReplayResult.
const (
	ReplaySchema  = "colakit-replay-result"
	ReplayVersion = 1
)

// ReplayResult is what a replayed operation shows.
type ReplayResult struct {
	Schema  string  `json:"schema"`
	Version int     `json:"version"`
	Verdict Verdict `json:"verdict"` // of the candidate against the golden, by the policy
	Name    string  `json:"name"`    // the tap
	Op      string  `json:"op"`
	About
	Checks    []Check         `json:"checks"`
	Parts     []string        `json:"parts"`   // the operations between the inputs and the value
	Inputs    []tensor.Desc   `json:"inputs"`  // values, with the type that the run held them in
	Weights   []tensor.Desc   `json:"weights"` // tensors that the operation uses
	Pairs     []ReplayPair    `json:"pairs"`
	Diagnosis *Diagnosis      `json:"diagnosis"`
	Worst     []ReplayElement `json:"worst"` // elements, the largest error first
	Rows      []ReplayRow     `json:"rows"`  // of the last axis, likewise
}

// ReplayPair compares two values of the operation.
type ReplayPair struct {
	Got     string         `json:"got"` // "candidate", "golden"
	Want    string         `json:"want"`
	Summary metric.Summary `json:"summary"`
}

// ReplayElement is one element of the operation's value.
type ReplayElement struct {
	Index      []int    `json:"index"`
	Got        float64  `json:"got"`        // the candidate's
	Want       float64  `json:"want"`       // the golden's
	Definition float64  `json:"definition"` // computed anew
	Match      *float64 `json:"match,omitempty"`
}

// ReplayRow is one row of the operation's value.
type ReplayRow struct {
	Index []int   `json:"index"`
	RelL2 float64 `json:"rel_l2"` // of the candidate to the golden
}

// shownElements bounds the elements and rows that a result lists.
const shownElements = 8

// Run computes the operation anew, as the model defines it and otherwise, and compares
// both sides with it. With weights, those are used in the place of the recorded ones,
// and what they give takes the place of the candidate's value.
func (r *Replay) Run(ctx context.Context, weights tensor.Source) (*ReplayResult, error) {
	if weights != nil {
		if err := r.use(weights); err != nil {
			return nil, err
		}
	}
	truth, err := operation.Evaluate(r.Call, operation.Alternative{})
	if err != nil {
		return nil, err
	}
	if weights != nil {
		r.Got, r.Retyped = truth.AsRun(r.Expected.Name), false
	}
	i := &investigation{call: r.Call, candidate: r.Got, golden: r.Expected, facts: r.Facts, grown: r.Grown, grownMax: r.GrownMax, retyped: r.Retyped}
	if err := i.measure(ctx); err != nil {
		return nil, err
	}
	out := r.result()
	if out.Diagnosis, err = i.conclude(ctx); err != nil {
		return nil, err
	}
	definition := truth.AsRun("definition")
	for _, p := range []struct {
		got, want string
		a, e      tensor.View
	}{{candidateSide, goldenSide, r.Got, r.Expected}, {candidateSide, "definition", r.Got, definition}, {goldenSide, "definition", r.Expected, definition}} {
		sum, err := metric.Compare(ctx, p.a, p.e, metric.Options{Unit: r.Facts.Type, Band: r.band()})
		if err != nil {
			return nil, err
		}
		out.Pairs = append(out.Pairs, ReplayPair{p.got, p.want, sum})
	}
	r.judge(out)
	return out, r.elements(out, truth)
}

// use puts other weights in the place of the recorded ones.
func (r *Replay) use(weights tensor.Source) error {
	held := map[string]tensor.Shape{}
	for _, d := range weights.Descs() {
		held[d.Name] = d.Shape
	}
	for _, d := range r.Call.Tensors() {
		if shape, ok := held[d.Name]; !ok || !shape.Equal(d.Shape) {
			return fmt.Errorf("the weights hold %s with shape %v, and the operation used one of %v: they are another model's", d.Name, shape, d.Shape)
		}
	}
	return r.Call.UseWeights(weights)
}

func (r *Replay) band() metric.Band {
	if judge := rule(r.Facts); judge != nil && judge.band != nil {
		return judge.band(r.Facts)
	}
	return metric.Band{}
}

// judge gives the verdict.
func (r *Replay) judge(out *ReplayResult) {
	sum := out.Pairs[0].Summary
	out.Verdict = Pass
	if judge := rule(r.Facts); judge != nil {
		out.Checks = judge.limits(r.Facts, sum)
	}
	for k, c := range out.Checks {
		for _, recorded := range r.Checks {
			if recorded.Metric == c.Metric {
				out.Checks[k] = check(c.Metric, c.Value, recorded.Limit)
			}
		}
	}
	if failure(out.Checks) != "" || sum.Mask.Mismatch > 0 || r.Retyped {
		out.Verdict = Fail
	}
}

func (r *Replay) result() *ReplayResult {
	out := &ReplayResult{
		Schema: ReplaySchema, Version: ReplayVersion, Name: r.Call.Site.String(), Op: r.Call.Op().Path, About: r.About,
		Parts: r.Call.Parts(), Weights: r.Call.Tensors(),
	}
	for _, name := range sortedKeys(r.Call.Inputs) {
		in := r.Call.Inputs[name]
		out.Inputs = append(out.Inputs, tensor.Desc{Name: name, Type: in.Run, Shape: in.View.Shape})
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// elements lists the worst elements and rows.
func (r *Replay) elements(out *ReplayResult, truth operation.Value) error {
	got, err := r.Got.Float64s()
	if err != nil {
		return err
	}
	want, err := r.Expected.Float64s()
	if err != nil {
		return err
	}
	var match []float64
	if len(out.Diagnosis.Matches) > 0 {
		v, err := operation.Evaluate(r.Call, out.Diagnosis.Matches[0].Alternative)
		if err != nil {
			return err
		}
		match = v.Data
	}
	for _, at := range worstFirst(len(want), func(k int) float64 { return math.Abs(got[k] - want[k]) }) {
		e := ReplayElement{Index: index(int64(at), truth.Shape), Got: got[at], Want: want[at], Definition: truth.Data[at]}
		if match != nil {
			e.Match = &match[at]
		}
		out.Worst = append(out.Worst, e)
	}
	out.Rows = worstRows(got, want, truth.Shape)
	return nil
}

// worstRows lists the rows of the last axis by the rel-L2 of got to want.
func worstRows(got, want []float64, shape tensor.Shape) []ReplayRow {
	if len(shape) < 2 || shape[len(shape)-1] == 0 {
		return nil
	}
	n := shape[len(shape)-1]
	relative := func(row int) float64 {
		var d, e float64
		for k := row * n; k < (row+1)*n; k++ {
			d, e = d+(got[k]-want[k])*(got[k]-want[k]), e+want[k]*want[k]
		}
		return math.Sqrt(d) / math.Max(math.Sqrt(e), 0x1p-126)
	}
	var rows []ReplayRow
	for _, row := range worstFirst(len(want)/n, relative) {
		rows = append(rows, ReplayRow{index(int64(row), shape[:len(shape)-1]), relative(row)})
	}
	return rows
}

// worstFirst returns the numbers below n with the largest figures above 0; NaN counts
// as the largest.
func worstFirst(n int, figure func(int) float64) []int {
	figures := make([]float64, n)
	var all []int
	for k := range n {
		if figures[k] = figure(k); figures[k] != 0 {
			all = append(all, k)
		}
	}
	slices.SortStableFunc(all, func(a, b int) int {
		switch x, y := figures[a], figures[b]; {
		case x != x && y == y || x > y:
			return -1
		case y != y && x == x || x < y:
			return 1
		}
		return 0
	})
	return all[:min(shownElements, len(all))]
}
