package verify

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// Extent is the worst of some comparisons.
type Extent struct {
	Compared int     `json:"compared"`
	Failed   int     `json:"failed"`
	RelL2    float64 `json:"rel_l2"` // the largest
	Share    float64 `json:"share"`  // of a limit, the largest
	Name     string  `json:"name,omitempty"`
}

func (e *Extent) add(c *Comparison) {
	e.Compared++
	if c.Failed() {
		e.Failed++
	}
	e.RelL2 = max(e.RelL2, c.Summary.RelL2)
	if c.Share >= e.Share {
		e.Share, e.Name = c.Share, c.Name
	}
}

// LayerRow sums up one block of the model, or what surrounds the blocks of a section.
type LayerRow struct {
	Layer     string `json:"layer"` // "dit 3", "dit"
	Isolated  Extent `json:"isolated"`
	Attention Extent `json:"attention"` // free-running output of the attention branch
	MLP       Extent `json:"mlp"`       // and of the MLP or FFN branch
	Output    Extent `json:"output"`    // and of the model, outside the blocks
	Gain      *Gain  `json:"gain,omitempty"`
	State     string `json:"state,omitempty"` // WrongLayer, UnstableLayer or empty
}

// layerRows groups the comparisons by layer, in the order of a run.
func (s *session) layerRows() []LayerRow {
	rows := map[string]*LayerRow{}
	var names []string
	for _, op := range s.catalog.Ops() {
		if name := layerName(op); rows[name] == nil {
			rows[name] = &LayerRow{Layer: name}
			names = append(names, name)
		}
	}
	for _, c := range s.comparisons {
		row := rows[layerName(c.op)]
		switch {
		case c.Mode == Isolated:
			row.Isolated.add(c)
		case c.Mode == Generation || !c.looked:
		case c.op.Layer < 0:
			row.Output.add(c)
		case strings.HasPrefix(c.op.Name, "msa") || strings.HasPrefix(c.op.Name, "attn"):
			row.Attention.add(c)
		default:
			row.MLP.add(c)
		}
	}
	gains := s.gains()
	var list []LayerRow
	for _, name := range names {
		rows[name].Gain = gains[name]
		rows[name].State = rows[name].state()
		if x := rows[name]; x.Isolated.Compared+x.Attention.Compared+x.MLP.Compared+x.Output.Compared > 0 {
			list = append(list, *rows[name])
		}
	}
	return list
}

func layerName(op *catalog.Op) string {
	if op.Layer < 0 {
		return string(op.Section)
	}
	return fmt.Sprintf("%s %d", op.Section, op.Layer)
}

// PassRow sums up the passes of one kind: of a stage, or of a branch over the steps
// of a block.
type PassRow struct {
	Pass     string    `json:"pass"` // "encode", "b00/decode", "b00/cond"
	Isolated Extent    `json:"isolated"`
	Free     Extent    `json:"free_running"`
	Steps    []float64 `json:"steps,omitempty"` // rel-L2 of the output after each step
}

// passRows groups the comparisons by pass. The output whose rel-L2 stands under
// Steps is the branch's velocity, free-running; for the loop it is the latents,
// in generation.
func (s *session) passRows() []PassRow {
	rows := map[string]*PassRow{}
	var names []string
	for _, c := range s.inOrder() {
		name := passName(c.site)
		row := rows[name]
		if row == nil {
			row = &PassRow{Pass: name}
			rows[name], names = row, append(names, name)
		}
		switch {
		case c.Mode == Isolated:
			row.Isolated.add(c)
		case c.Mode == Free && c.looked, c.Mode == Generation && c.op.Path == "z_next":
			row.Free.add(c)
		}
		if c.Mode == Free && c.op.Path == catalog.Velocity || c.Mode == Generation && c.op.Path == "z_next" {
			row.Steps = append(row.Steps, c.Summary.RelL2)
		}
	}
	list := make([]PassRow, len(names))
	for i, name := range names {
		list[i] = *rows[name]
	}
	return list
}

// passName names a site's pass without its step.
func passName(s generate.Site) string {
	switch s.Stage {
	case generate.Encode:
		return "encode"
	case generate.Prefill:
		return "prefill"
	case generate.Decode:
		return fmt.Sprintf("b%02d/decode", s.Block)
	case generate.Commit:
		return fmt.Sprintf("b%02d/commit", s.Block)
	}
	branch := s.Branch
	if branch == "" {
		branch = "latents"
	}
	return fmt.Sprintf("b%02d/%s", s.Block, branch)
}

// inOrder returns the comparisons by mode, and in the order of the run.
func (s *session) inOrder() []*Comparison {
	sorted := append([]*Comparison(nil), s.comparisons...)
	sort.SliceStable(sorted, func(i, j int) bool {
		a, b := sorted[i], sorted[j]
		if a.Mode != b.Mode {
			return phaseOf(a.Mode) < phaseOf(b.Mode)
		}
		return a.order < b.order
	})
	return sorted
}

// RuleUse says how much of a rule's limits was used.
type RuleUse struct {
	Name       string  `json:"name"`
	Formula    string  `json:"formula"`
	Derivation string  `json:"derivation"`
	Compared   int     `json:"compared"`
	Failed     int     `json:"failed"`
	Share      float64 `json:"share"`
	Worst      string  `json:"worst,omitempty"`      // the comparison with that share
	Check      Check   `json:"check"`                // and its figure
	Overridden bool    `json:"overridden,omitempty"` // by the limits of an override
	// Uncalibrated counts the comparisons whose limits a floor would have raised, had
	// the bundle held one.
	Uncalibrated int `json:"uncalibrated,omitempty"`
}

// ruleUses lists the rules that judged something, in the order of the policy.
func (s *session) ruleUses() []RuleUse {
	uses := map[string]*RuleUse{}
	for _, c := range s.comparisons {
		if c.Rule == "" {
			continue
		}
		u := uses[c.Rule]
		if u == nil {
			u = &RuleUse{Name: c.Rule}
			uses[c.Rule] = u
		}
		u.add(c.Name, c.Checks, c.Failed() && c.phase != phaseRatio)
		if c.uncalibrated() {
			u.Uncalibrated++
		}
	}
	s.addRatios(uses)
	for _, d := range slices.Concat(s.pools, s.distributions) {
		if uses[d.rule.Name] == nil {
			uses[d.rule.Name] = &RuleUse{Name: d.rule.Name}
		}
		uses[d.rule.Name].add(d.subject, d.checks, failure(d.checks) != "")
	}
	var list []RuleUse
	for _, r := range Rules() {
		if u := uses[r.Name]; u != nil {
			u.Formula, u.Derivation = r.Formula, r.Derivation
			u.Overridden = s.override(r.Name) != nil
			list = append(list, *u)
		}
	}
	return list
}

// uncalibrated reports whether a floor would have taken part in the limits: those of
// the released contract's generation, where the golden's own numerics differ from
// themselves with another attention or batch.
func (c *Comparison) uncalibrated() bool {
	return c.facts.Mode == Generation && c.facts.Contract == generate.Released && !c.Calibrated
}

// addRatios adds the rules for ratios, where values are judged.
func (s *session) addRatios(uses map[string]*RuleUse) {
	for _, c := range s.comparisons {
		if !c.judgedRatio() {
			continue
		}
		if uses[c.Ratio.Rule] == nil {
			uses[c.Ratio.Rule] = &RuleUse{Name: c.Ratio.Rule}
		}
		uses[c.Ratio.Rule].add(c.Name, c.Ratio.Checks, failure(c.Ratio.Checks) != "")
	}
}

func (u *RuleUse) add(name string, checks []Check, failed bool) {
	u.Compared++
	if failed {
		u.Failed++
	}
	for _, c := range checks {
		if c.Share >= u.Share {
			u.Share, u.Worst, u.Check = c.Share, name, c
		}
	}
}
