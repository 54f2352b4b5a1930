package verify

import (
	"encoding/json"
	"io"

	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// The schema of a report in JSON. The version is raised when a field changes its
// meaning or goes; fields may be added.
const (
	Schema        = "colakit-verify-report"
	SchemaVersion = 2
)

// Verdict is the result of a run.
type Verdict string

// The verdicts. Incomplete means that nothing failed, but not everything that was
// to be compared could be.
const (
	Pass       Verdict = "PASS"
	Fail       Verdict = "FAIL"
	Incomplete Verdict = "INCOMPLETE"
)

// Report is what one engine and artifact did against one golden bundle.
type Report struct {
	Schema  string  `json:"schema"`
	Version int     `json:"version"`
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason"` // one line

	Bundle   BundleID `json:"bundle"`
	Engine   EngineID `json:"engine"`
	Artifact Artifact `json:"artifact"`

	Selection string `json:"selection,omitempty"` // what of the bundle was to be compared; empty: all
	Stopped   string `json:"stopped,omitempty"`   // why the run ended before its end
	Unjudged  string `json:"unjudged,omitempty"`  // why nothing but NaN, shapes and layout is judged

	Recordings *Recordings `json:"recordings,omitempty"` // where the candidate is a recording, too

	Divergence *Divergence `json:"first_divergence,omitempty"`
	Findings   []Finding   `json:"findings,omitempty"` // failures, the cause of the others first
	Notes      []string    `json:"notes,omitempty"`    // what a reader should know and is no failure

	Layers    []LayerRow    `json:"layers"`
	Passes    []PassRow     `json:"passes"`
	Logits    []LogitRow    `json:"logits,omitempty"`
	Tokens    Tokens        `json:"tokens"`
	Profiles  []Profile     `json:"profiles,omitempty"` // how errors are distributed over the elements
	Ratios    []RatioRow    `json:"ratios,omitempty"`   // errors against exact values, the candidate's to the golden's
	Guidance  []GuidanceRow `json:"guidance,omitempty"` // what it makes of errors, by step
	Growth    []GrowthRow   `json:"growth,omitempty"`   // of errors, over steps and blocks
	Policy    []RuleUse     `json:"policy"`
	Overrides []OverrideUse `json:"overrides,omitempty"` // of the policy
	Coverage  Coverage      `json:"coverage"`
	Seconds   float64       `json:"seconds"`

	Comparisons []*Comparison `json:"comparisons"` // every one, by mode, in the order of the run
}

// BundleID says what the candidate was held against.
type BundleID struct {
	Name        string         `json:"name"`
	Contract    string         `json:"contract"`
	Device      string         `json:"device"`
	Attention   string         `json:"attention"`
	Level       string         `json:"level"`
	Samples     int            `json:"samples"`
	Blocks      int            `json:"blocks"`
	Steps       int            `json:"steps"`
	BlockLimit  *int           `json:"block_limit,omitempty"`
	StepLimit   *int           `json:"step_limit,omitempty"`
	Floors      int            `json:"floors"` // taps with a measured floor
	Environment map[string]any `json:"environment"`
}

// EngineID says what ran.
type EngineID struct {
	Name      string `json:"name"`      // "reference"
	Precision string `json:"precision"` // "float32"
	Contract  string `json:"contract"`
	// Activations, those that int8 weights are multiplied by; filled in by Run.
	Activations string `json:"activations"`
	// Kernels is true for an engine of fused kernels; filled in by Run.
	Kernels bool `json:"kernels,omitempty"`
	// Environment says what it ran on; Run adds what it knows.
	Environment map[string]any `json:"environment"`
}

// Arithmetic says what the engine computes in: "float32".
func (e EngineID) Arithmetic() string {
	if e.Activations == generate.Int8Activations.String() {
		return e.Precision + " with int8 activations"
	}
	return e.Precision
}

// Artifact describes the file whose weights the engine uses.
type Artifact struct {
	Path    string            `json:"path"`
	Types   map[string]int    `json:"types"`             // element type → tensors
	Sources map[string]string `json:"sources,omitempty"` // source file → sha256, where known
	Tensors []tensor.Desc     `json:"-"`
	DiT     json.RawMessage   `json:"-"` // config.json
	VAE     json.RawMessage   `json:"-"`
	// Weights are the tensors themselves, to compute a failing operation anew; nil:
	// that is left out.
	Weights tensor.Source `json:"-"`
}

// Comparison is one recorded value under one mode.
type Comparison struct {
	Name    string  `json:"name"` // the tap
	Mode    Mode    `json:"mode"`
	Kind    string  `json:"kind"`
	Rule    string  `json:"rule,omitempty"` // of the policy; empty: shown, not judged
	Problem string  `json:"problem,omitempty"`
	Share   float64 `json:"share"` // of the tightest limit
	Checks  []Check `json:"checks,omitempty"`
	// Open says, in place of Problem, which limit is broken where a measurement that the
	// stopped run did not make could have raised it.
	Open string `json:"open,omitempty"`
	// Calibrated is true where a floor took part in the limits: one that the bundle
	// holds, or Grown, the rel-L2 that errors of the size that single operations
	// make were measured to grow to.
	Calibrated bool           `json:"calibrated,omitempty"`
	Grown      float64        `json:"grown,omitempty"`
	GrownMax   float64        `json:"grown_max,omitempty"` // likewise the largest error
	Index      []int          `json:"index,omitempty"`     // of the largest error, or of the first NaN or Inf on one side
	Summary    metric.Summary `json:"summary"`
	// Ratio holds the errors of both sides against the exact value; nil where that
	// is not known.
	Ratio *Ratio `json:"ratio,omitempty"`

	site   generate.Site
	op     *catalog.Op
	order  int // of the tap in the bundle
	phase  phase
	facts  Facts
	base   []Check // before an override
	looked bool    // at by a rule, if one applies
	chain  bool    // several operations on the golden's inputs, whose own errors can be measured
}

// Failed reports whether the comparison broke a rule.
func (c *Comparison) Failed() bool { return c.Problem != "" }

// Finding is one kind of failure.
type Finding struct {
	Phase       string `json:"phase"`
	Subject     string `json:"subject"` // operation, or what was compared
	Text        string `json:"text"`
	Failed      int    `json:"failed"`
	Compared    int    `json:"compared"`
	ExplainedBy string `json:"explained_by,omitempty"` // the subject of an earlier finding
}

// LogitRow compares the distributions of one block.
type LogitRow struct {
	Mode  Mode `json:"mode"`
	Block int  `json:"block"`
	metric.Logits
}

// Tokens compares the generated ids and texts.
//
//	MATCH     the golden's id
//	TIE-FLIP  another id, whose golden logit differs from that of the golden's by no
//	          more than the logits may be off by
//	DRIFT     another id, no tie, and from the golden's latents the engine decodes the
//	          golden's id: its own latents have drifted too far
//	WRONG     another id, no tie, and from the golden's latents, too: the decoder
//
// After a block with other ids, or failing latents, the run goes on with the golden's ids and latents, so
// that what follows is judged by itself.
type Tokens struct {
	Compared int  `json:"compared"`
	Match    int  `json:"match"`
	TieFlip  int  `json:"tie_flip"`
	Drift    int  `json:"drift"` // or WRONG, where the golden's latents are not recorded
	Wrong    int  `json:"wrong"`
	Unknown  int  `json:"unknown"` // the golden's logits of the block are not recorded
	Sampled  bool `json:"sampled"` // the golden's were drawn at random: MATCH is an id that the engine may draw
	Samples  int  `json:"samples"`
	TextSame int  `json:"text_same"` // samples whose text is the same
	// Golden compares what is decoded from the golden's latents; nil: nothing is.
	Golden  *TokenCounts `json:"of_golden_latents,omitempty"`
	Anchors []Anchor     `json:"anchors,omitempty"`
	First   []TokenFault `json:"first,omitempty"`

	texts bool // texts were compared
}

// Coverage counts what was and what was not compared.
type Coverage struct {
	Taps        int            `json:"taps"`     // of the bundle
	Compared    int            `json:"compared"` // of them
	Elements    int64          `json:"elements"`
	Replaced    int            `json:"replaced,omitempty"`     // of them, those in whose operations' place the artifact has an AdaLN table
	NotCompared map[string]int `json:"not_compared,omitempty"` // reason → taps of the bundle
	Unfinished  map[Mode]int   `json:"unfinished,omitempty"`   // mode → taps that were left when the run was stopped
	Missing     []string       `json:"missing,omitempty"`      // taps that the engine never showed
	Extra       []string       `json:"extra,omitempty"`        // sites that the bundle should hold and does not
	NotRecorded map[string]int `json:"not_recorded,omitempty"` // reason → sites of the engine
	Unjudged    int            `json:"unjudged"`               // comparisons shown, but without a rule
}

// WriteJSON writes the report on one line.
func (r *Report) WriteJSON(w io.Writer) error {
	return json.NewEncoder(w).Encode(r)
}

// Tightest returns the check that used most of its limit; ok is false where there is
// none.
func (c *Comparison) Tightest() (worst Check, ok bool) {
	for i, x := range c.Checks {
		if i == 0 || x.Share > worst.Share {
			worst = x
		}
	}
	return worst, len(c.Checks) > 0
}

// OfComparisons reports whether the finding sums up failures of Comparisons, rather
// than of names, logits or tokens.
func (f Finding) OfComparisons() bool {
	switch f.Phase {
	case phaseStructure.String(), phaseMask.String(), phaseIsolated.String(), phaseRatio.String():
		return true
	}
	return f.Subject == outputsSubject || f.Subject == latentsSubject
}
