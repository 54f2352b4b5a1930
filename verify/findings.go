package verify

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"colakit/formats/dtype"
	"colakit/reference/generate"
)

// distribution is a judged figure that is no tensor: the logits of a block, the
// generated tokens, the ratio of an operation over many passes.
type distribution struct {
	rule    *Rule
	subject string
	base    []Check // before an override
	checks  []Check
	phase   phase
}

// distribution judges figures by a rule.
func (s *session) distribution(r *Rule, subject string, checks []Check, p phase) distribution {
	return distribution{r, subject, checks, s.override(r.Name).of(checks), p}
}

// judgeLogits judges the distributions of one block; ok is false where no rule applies.
func (s *session) judgeLogits(l LogitRow) (d distribution, ok bool) {
	f := s.overall(l.Mode)
	r := logitRule(f)
	if r == nil || l.Mode != Free {
		return d, false
	}
	return s.distribution(r, fmt.Sprintf("b%02d/decode logits", l.Block), r.logits(f, l.Logits), phaseFree), true
}

// distributionsOf judges logits and tokens.
func (s *session) distributionsOf(t Tokens) []distribution {
	var list []distribution
	if s.open() {
		return nil
	}
	for _, l := range s.logits {
		if d, ok := s.judgeLogits(l); ok {
			list = append(list, d)
		}
	}
	f := s.overall(Generation)
	if r := logitRule(f); r != nil && t.Compared > 0 {
		list = append(list, s.distribution(r, "generated tokens", r.logits(f, t.agreement(true)), phaseTokens))
		s.undecided = s.tooManyUnknown(f, t)
	}
	return list
}

// tooManyUnknown reports whether more ids differ than are granted if those count that
// nobody can judge, in blocks of which no logits are recorded. Under the released
// contract as many are granted as to weights of 16 bits: its latents may differ by as
// much.
func (s *session) tooManyUnknown(f Facts, t Tokens) bool {
	if f.Contract == generate.Released {
		f.Artifact = coarser(f.Artifact, dtype.F16)
	}
	r := logitRule(f)
	return failure(s.override(r.Name).of(r.logits(f, t.agreement(false)))) != ""
}

// findings lists what failed, in the order in which one thing explains another:
// names, shapes, types and single operations stand for themselves; what comes
// after them is explained by the first of them.
func (s *session) findings(t Tokens, c Coverage) []Finding {
	var list []Finding
	if f := nameFinding(c); f.Failed > 0 {
		list = append(list, f)
	}
	list = append(append(list, s.own...), s.operationFindings()...)
	own := len(list)
	for _, m := range []Mode{Free, Generation} {
		if f := s.modeFinding(m); f.Failed > 0 {
			list = append(list, f)
		}
	}
	for _, d := range s.distributions {
		if why := failure(d.checks); why != "" {
			list = append(list, Finding{Phase: d.phase.String(), Subject: d.subject, Text: why, Failed: 1, Compared: 1})
		}
	}
	list = append(list, s.outcomeFindings(t)...)
	for i := max(own, 1); i < len(list); i++ {
		list[i].ExplainedBy = list[0].Subject
	}
	return list
}

// nameFinding reports taps that only one side has.
func nameFinding(c Coverage) Finding {
	one := append(append([]string(nil), c.Missing...), c.Extra...)
	f := Finding{Phase: phaseNames.String(), Subject: "taps on one side only", Failed: len(one), Compared: c.Taps + len(c.Extra)}
	var parts []string
	if n := len(c.Missing); n > 0 {
		parts = append(parts, fmt.Sprintf("the engine never showed %d of the bundle's taps, such as %s", n, c.Missing[0]))
	}
	if n := len(c.Extra); n > 0 {
		parts = append(parts, fmt.Sprintf("the bundle lacks %s of the engine, such as %s", plural(n, "value"), c.Extra[0]))
	}
	f.Text = strings.Join(parts, "; ")
	return f
}

// operationFindings groups failures whose inputs are right by operation.
func (s *session) operationFindings() []Finding {
	var list []Finding
	at := map[string]int{}
	judged := map[string]int{}
	for _, c := range s.comparisons {
		if c.Mode == Isolated {
			judged[c.op.Path]++
		}
	}
	for _, c := range s.inOrder() {
		if !c.Failed() || c.phase > phaseRatio || c.Mode != Isolated {
			continue
		}
		key := c.phase.String() + c.op.Path
		if _, ok := at[key]; !ok {
			at[key] = len(list)
			list = append(list, Finding{Phase: c.phase.String(), Subject: c.op.Path, Text: c.Name + ": " + c.Problem, Compared: judged[c.op.Path]})
		}
		list[at[key]].Failed++
	}
	return list
}

// What the findings of the modes whose passes carry errors on are about.
const (
	outputsSubject = "branch outputs, velocities and logits"
	latentsSubject = "latents of a block"
)

// modeFinding sums up the failures of a mode whose passes carry errors on.
func (s *session) modeFinding(m Mode) Finding {
	f := Finding{Phase: string(m), Subject: outputsSubject}
	if m == Generation {
		f.Subject = latentsSubject
	}
	for _, c := range s.inOrder() {
		late := c.Mode == m && c.Rule != "" || c.Mode == Isolated && c.phase == phaseOf(m)
		if !late && !(c.Mode == m && c.Failed()) {
			continue
		}
		f.Compared++
		if c.Failed() {
			if f.Failed == 0 {
				f.Text = "first " + c.Name + ": " + c.Problem
			}
			f.Failed++
		}
	}
	return f
}

// outcomeFindings reports texts and layouts that differ.
func (s *session) outcomeFindings(t Tokens) []Finding {
	var list []Finding
	if wrong := s.checkLayout(); len(wrong) > 0 {
		list = append(list, Finding{Phase: phaseTokens.String(), Subject: "layout of the prompts", Text: wrong[0], Failed: len(wrong), Compared: 6 * len(s.info.Samples)})
	}
	if t.texts && t.Match == t.Compared && t.TextSame < t.Samples {
		list = append(list, Finding{
			Phase: phaseTokens.String(), Subject: "text", Failed: t.Samples - t.TextSame, Compared: t.Samples,
			Text: "the ids are the golden's and their text is not: another tokenizer",
		})
	}
	return list
}

// report draws everything together.
func (s *session) report() *Report {
	s.leaveOpen()
	tokens := s.compareTokens()
	s.distributions = s.distributionsOf(tokens)
	r := &Report{
		Schema: Schema, Version: SchemaVersion,
		Bundle: s.bundleID(), Engine: s.options.Engine, Artifact: s.options.Artifact,
		Layers: s.layerRows(), Passes: s.passRows(), Logits: s.logits, Tokens: tokens, Profiles: s.profiles(), Ratios: s.ratioRows(),
		Guidance: s.guidance, Growth: s.growthRows(),
		Selection: s.options.Select.String(), Stopped: s.stopped, Unjudged: s.unjudged, Recordings: s.recordings,
		Overrides: s.overrideUses(), Policy: s.ruleUses(), Coverage: s.coverageResult(), Comparisons: s.inOrder(),
	}
	r.Artifact.Types = typeCounts(s.options.Artifact)
	r.Findings = s.findings(tokens, r.Coverage)
	r.Divergence = s.diverged()
	r.Notes = s.notes(tokens)
	if n := unstableNote(r.Layers); n != "" {
		r.Notes = append(r.Notes, n)
	}
	r.Verdict, r.Reason = r.conclude(s.undecided)
	return r
}

func typeCounts(a Artifact) map[string]int {
	types := map[string]int{}
	for _, d := range a.Tensors {
		types[d.Type.String()]++
	}
	return types
}

// conclude gives the verdict and the line that says why.
func (r *Report) conclude(undecided bool) (Verdict, string) {
	switch {
	case len(r.Findings) > 0 && r.Divergence != nil && r.Findings[0].Phase != phaseNames.String():
		fed := "fed the golden's inputs"
		if r.Recordings != nil {
			fed = "the recordings differ by more than the rules allow"
		} else if r.Divergence.Mode != Isolated {
			fed = "every operation is right by itself, but " + string(r.Divergence.Mode)
		}
		reason := fmt.Sprintf("%s: %s, %s", r.Divergence.Name, fed, r.Divergence.Problem)
		if s := r.Divergence.Suspects; len(s) > 0 && len(s) <= 4 {
			reason += "; suspects: " + names(s)
		}
		return Fail, reason
	case len(r.Findings) > 0:
		return Fail, r.Findings[0].Subject + ": " + r.Findings[0].Text
	case undecided:
		return Incomplete, fmt.Sprintf("other tokens in blocks whose logits are not recorded, %d: ties or not, nobody can say", r.Tokens.Unknown)
	case r.Stopped != "" && r.Stopped != firstFailure:
		return Incomplete, r.unfinished()
	case r.Unjudged != "":
		return Incomplete, fmt.Sprintf("%s compared and not judged: %s", plural(r.Coverage.Compared, "value"), r.Unjudged)
	case r.Coverage.Compared == 0:
		return Incomplete, "the bundle records nothing that could be compared"
	}
	most := 0.0
	for _, u := range r.Policy {
		most = max(most, u.Share)
	}
	return Pass, fmt.Sprintf("%s, each within its tolerance; %.0f %% of the tightest was used", plural(r.Coverage.Compared, "value"), 100*most)
}

func (s *session) bundleID() BundleID {
	i := s.info
	return BundleID{
		Name: s.options.Name, Contract: i.Contract, Device: i.Device, Attention: i.Attention, Level: i.Level,
		Samples: len(i.Samples), Blocks: i.Run.Blocks, Steps: i.Run.Steps, BlockLimit: i.Run.BlockLimit, StepLimit: i.Run.StepLimit,
		Floors: len(i.Floors), Environment: i.Environment,
	}
}

// notes says what a reader should know and is no failure.
func (s *session) notes(t Tokens) []string {
	var notes []string
	if n := s.sourceNote(); n != "" {
		notes = append(notes, n)
	}
	if r := s.options.Recorder; r != nil {
		notes = append(notes, fmt.Sprintf("no recording of the Python package: the golden is a run of the reference side, %s, %s contract", r.Artifact.Path, r.Model.Contract))
	}
	if len(s.info.Floors) == 0 && s.contract == generate.Released {
		notes = append(notes, "uncalibrated: the bundle holds no floors")
	}
	if s.options.Exact == nil && s.recordings == nil {
		notes = append(notes, "no ratios: no exact reference was given")
	}
	if n := s.countGrown(); n > 0 {
		notes = append(notes, fmt.Sprintf("judged by what this model makes of rounding, %s: errors of the size that its operations make by themselves grow to a rel-L2 of %s", plural(n, "output"), short(s.grown)))
	}
	for _, block := range slices.Sorted(maps.Keys(s.grownLogits)) {
		notes = append(notes, fmt.Sprintf("ties in block %d: errors of the size that the operations make by themselves grow to a rel-L2 of %s in its logits", block, short(s.grownLogits[block])))
	}
	if r := s.resolution(); r != "" {
		notes = append(notes, r)
	}
	for _, o := range s.overrideUses() {
		if o.Compared == 0 {
			notes = append(notes, fmt.Sprintf("the override of %q has judged nothing here", o.Rule))
		}
	}
	if t.Sampled {
		notes = append(notes, "tokens were drawn at random in Python: the engine draws the golden's wherever it may draw them at all")
	}
	if len(t.Anchors) > 0 {
		notes = append(notes, anchorNote(t.Anchors))
	}
	return notes
}

// countGrown counts the comparisons whose limits were measured in this run.
func (s *session) countGrown() int {
	return count(s.comparisons, func(c *Comparison) bool { return c.Grown > 0 })
}

// sourceNote says whether the artifact was made from the weight files of the
// bundle's checkpoint; "" where it was, and where the bundle names none.
func (s *session) sourceNote() string {
	made := map[string]bool{}
	for _, sum := range s.options.Artifact.Sources {
		made[sum] = true
	}
	weights := 0
	var other []string
	for _, name := range slices.Sorted(maps.Keys(s.info.Model.Sources)) {
		if !strings.HasSuffix(name, ".safetensors") {
			continue
		}
		weights++
		if !made[s.info.Model.Sources[name]] {
			other = append(other, name)
		}
	}
	switch {
	case weights == 0:
		return ""
	case len(made) == 0:
		return "sources not compared: convert with --sha256 to note what the artifact is made of"
	case len(other) > 0:
		return "the artifact was not made from the bundle's checkpoint: " + strings.Join(other, ", ") + " had another SHA-256"
	}
	return ""
}
