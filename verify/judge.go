package verify

import (
	"fmt"
	"math"

	"colakit/formats/dtype"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// A Mode is a way to run an engine against a bundle.
type Mode string

// The modes, in the order in which they are judged.
const (
	Isolated   Mode = "isolated"     // every operation is fed the golden's inputs
	Free       Mode = "free-running" // every pass is fed the golden's latents, nothing inside is replaced
	Generation Mode = "generation"   // only prompts and noise are the golden's
)

var modes = []Mode{Isolated, Free, Generation}

// Facts are what a rule may know of a comparison.
type Facts struct {
	Mode     Mode
	Contract generate.Contract // of the golden and of the engine
	Artifact dtype.Type        // least precise type among the tensors used: F32, F16, BF16 or I8
	// Activations are those that the engine multiplies I8 tensors by.
	Activations generate.Activations
	Kernels     bool // the engine's kernels fuse operations
	Kind        catalog.Kind
	Type        dtype.Type // of the value in the golden's run: F32 or BF16
	Terms       float64    // K: summands of an element, over all operations of a chain
	Operations  float64    // m: operations of a chain that compute
	Modules     float64    // w: modules of a chain that hold weights; those ahead of a softmax count four times, those of pairs that are multiplied twice
	Operand     float64    // bound of the numbers that were added
	Score       float64    // largest attention score
	Position    float64    // largest rotary position
	Timestep    float64    // largest timestep
	Offset      Offset     // of the rows that are normalised
	Distant     bool       // the golden's inputs are more than a layer away: judged like free-running
	Fused       bool       // the golden's attention was a fused kernel, which rounds elsewhere inside
	Clipped     bool       // results were limited to ±clip_qkv
	Unjudged    bool       // no rule applies: both sides run other contracts
	Elements    float64    // elements that can differ independently of each other
}

// A Rule judges the comparisons that it applies to.
type Rule struct {
	Name       string
	Formula    string
	Derivation string

	applies func(Facts) bool
	band    func(Facts) metric.Band // for rules that judge elements one by one
	limits  func(Facts, metric.Summary) []Check
	logits  func(Facts, metric.Logits) []Check // for rules about distributions and tokens
	ratio   func(Facts, metric.Ratio) []Check  // for rules about the errors of both sides
}

// A Check is one figure against its limit. Share is the part of the limit that
// was used; above 1 the check fails.
type Check struct {
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
	Limit  float64 `json:"limit"`
	Share  float64 `json:"share"`
}

// OK reports whether the figure keeps its limit; NaN does not.
func (c Check) OK() bool { return c.Value <= c.Limit }

// mostShare stands for the share of a limit of zero, and for NaN.
const mostShare = 1e9

func check(name string, value, limit float64) Check {
	share := value / limit
	switch {
	case value == 0:
		share = 0
	case !(share <= mostShare):
		share = mostShare
	}
	return Check{Metric: name, Value: value, Limit: limit, Share: share}
}

// rule returns the first rule of the policy that applies; nil for a comparison
// that is shown but not judged.
func rule(f Facts) *Rule {
	for i := range Policy {
		if !f.Unjudged && Policy[i].applies(f) {
			return &Policy[i]
		}
	}
	return nil
}

// logitRule is rule for distributions and tokens.
func logitRule(f Facts) *Rule {
	for i := range logitRules {
		if !f.Unjudged && logitRules[i].applies(f) {
			return &logitRules[i]
		}
	}
	return nil
}

// failure describes the worst failing check: "rel-L2 0.8 > 3e-06".
func failure(checks []Check) string {
	worst := -1
	for i, c := range checks {
		if !c.OK() && (worst < 0 || c.Share > checks[worst].Share) {
			worst = i
		}
	}
	if worst < 0 {
		return ""
	}
	c := checks[worst]
	return fmt.Sprintf("%s %s > %s", c.Metric, short(c.Value), short(c.Limit))
}

// used returns the largest share of a limit that was used.
func used(checks []Check) float64 {
	share := 0.0
	for _, c := range checks {
		share = math.Max(share, c.Share)
	}
	return share
}

// FigureText formats a figure with two or three digits: "0.0125", "2.3e-05".
func FigureText(v float64) string { return short(v) }

// short is FigureText.
func short(v float64) string {
	switch a := math.Abs(v); {
	case v == 0:
		return "0"
	case a >= 0.01 && a < 1000:
		return fmt.Sprintf("%.3g", v)
	}
	return fmt.Sprintf("%.1e", v)
}

func others(l metric.Logits) float64 {
	same, _ := l.Agreement()
	return 1 - same
}

// relative limits rel-L2, and the largest error relative to the largest element.
func relative(tol func(Facts) float64) func(Facts, metric.Summary) []Check {
	return func(f Facts, s metric.Summary) []Check {
		t := tol(f)
		return []Check{check("rel-L2", s.RelL2, t), check("max-abs", s.MaxAbs.Value, t*largest(f, s))}
	}
}

func share(part, whole int64) float64 { return float64(part) / math.Max(float64(whole), 1) }
