package verify

import (
	"fmt"

	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// plan says what one mode compares, which of the golden's values that needs and
// which calls of the engine.
type plan struct {
	mode    Mode
	compare map[string]bool // taps
	inputs  map[string]bool // taps that what is compared is computed from
	bytes   int64           // of the golden, compared

	stages  [generate.Commit + 1]bool // with something to compare
	steps   map[[2]int]bool           // block and step of branches with something to compare
	denoise int                       // last block with such a step; −1: none
	decode  int                       // likewise with something to compare of Decode,
	commit  int                       // of Commit,
	last    int                       // and of anything
}

// plan gathers what is wanted of the taps that the mode looks at.
func (s *session) plan(m Mode, wanted func(tap string) bool) *plan {
	p := &plan{mode: m, compare: map[string]bool{}, inputs: map[string]bool{}, steps: map[[2]int]bool{}, denoise: -1, decode: -1, commit: -1, last: -1}
	for _, t := range s.info.Taps {
		site, err := generate.ParseSite(t.Name)
		if err != nil || !wanted(t.Name) {
			continue
		}
		if op, known := s.catalog.Lookup(site); known && (m != Generation || s.generated(site)) {
			p.add(s, site, op, t)
		}
	}
	return p
}

func (p *plan) add(s *session, site generate.Site, op *catalog.Op, t golden.Tap) {
	n, _ := t.Shape.Elements() // checked when the bundle was opened
	p.bytes += n * int64(t.Type.Size())
	p.compare[t.Name] = true
	p.stages[site.Stage] = true
	if p.mode == Isolated {
		for _, path := range s.unit(site, op).Inputs {
			p.inputs[sibling(site, path)] = true
		}
	}
	if site.Stage < generate.Denoise {
		return
	}
	p.last = max(p.last, site.Block)
	switch {
	case site.Stage == generate.Decode:
		p.decode = max(p.decode, site.Block)
	case site.Stage == generate.Commit:
		p.commit = max(p.commit, site.Block)
	case site.Branch != "" || p.mode == Free && (site.Path == "velocity" || site.Path == "z_next"):
		p.denoise = max(p.denoise, site.Block)
		p.steps[[2]int{site.Block, site.Step}] = true
	}
}

// idle reports whether there is nothing to do.
func (p *plan) idle() bool { return len(p.compare) == 0 && p.last < 0 }

// derives reports whether values that a reader derives from a block's logits are
// compared.
func (p *plan) derives(site generate.Site) bool {
	return isLogits(site) && (p.compare[sibling(site, catalog.TopValues)] || p.compare[sibling(site, catalog.TopIDs)] || p.compare[sibling(site, catalog.LogSumExp)])
}

// feeds reports whether the isolated mode puts the golden's value in: the inputs of
// what is compared, what the loop hands on, and what goes into the caches.
func (p *plan) feeds(site generate.Site, op *catalog.Op) bool {
	name := site.String()
	return p.compare[name] || p.inputs[name] || op.Section == catalog.Loop || op.Level(site.Stage) == catalog.Always
}

// What of the engine's calls the mode needs. In generation everything depends on
// everything before it.

func (p *plan) encodes() bool { return p.mode == Generation || p.stages[generate.Encode] }

func (p *plan) prefills() bool {
	return p.mode == Generation || p.stages[generate.Prefill] || p.denoise >= 0 || p.decode >= 0 || p.commit >= 0
}

func (p *plan) decodes(block int) bool {
	if p.mode == Generation {
		return block <= p.last
	}
	return block <= p.decode // the decoder's cache holds all blocks before
}

func (p *plan) commits(block int) bool {
	if p.mode == Generation {
		return block < p.last
	}
	return block <= p.commit || block < p.denoise
}

// denoises reports whether the engine has to compute a step; recorded is true where
// the golden's velocities can stand in for its own.
func (p *plan) denoises(block, step int, recorded bool) bool {
	switch {
	case p.mode == Generation:
		return block <= p.last
	case p.steps[[2]int{block, step}]:
		return true
	}
	return !recorded && (p.decodes(block) || p.commits(block)) // they are given what the step leads to
}

// selectTaps finds the taps that are selected.
func (s *session) selectTaps() error {
	sel := s.options.Select
	s.selected = map[string]bool{}
	for _, t := range s.info.Taps {
		site, err := generate.ParseSite(t.Name)
		if err != nil {
			continue
		}
		if op, known := s.catalog.Lookup(site); known && s.selects(site) {
			rows := s.rows(site, op, t.Shape)
			s.selected[t.Name] = rows == nil || len(rows.keep) > 0
		} else if !known && sel.All() {
			s.selected[t.Name] = true // reported as one that the engine never showed
		}
	}
	for _, yes := range s.selected {
		if yes {
			return nil
		}
	}
	if sel.All() {
		return nil // an empty bundle
	}
	return fmt.Errorf("%w: %s holds no values of %s; it has %d blocks of %d steps, %d samples and level %s",
		ErrNothingSelected, s.options.Name, sel, s.blocks, s.steps, len(s.info.Samples), s.info.Level)
}

// selects reports whether any rows of a site's value can be selected.
func (s *session) selects(site generate.Site) bool { return s.options.Select.Selects(placeOf(site)) }

// selectsTokens reports whether the generated tokens of a block are compared: with
// its logits.
func (s *session) selectsTokens(block int) bool {
	return s.selects(generate.Site{Stage: generate.Decode, Block: block, Path: catalog.Logits})
}

// rest plans what earlier runs have not written down. A generation goes over all of
// its blocks again.
func (s *session) rest(p *plan, j *journal) *plan {
	if j == nil || len(j.done) == 0 {
		return p
	}
	rest := s.plan(p.mode, func(tap string) bool {
		site, err := generate.ParseSite(tap)
		return err == nil && p.compare[tap] && !j.has(passOf(site))
	})
	if p.mode == Generation {
		rest.last = p.last
	}
	return rest
}

// planModes plans every mode.
func (s *session) planModes() {
	s.plans = map[Mode]*plan{}
	for _, m := range modes {
		s.plans[m] = s.plan(m, func(tap string) bool { return s.selected[tap] })
		s.total += s.plans[m].bytes
	}
	for b := range s.info.Run.Blocks {
		if s.selectsTokens(b) {
			s.plans[Generation].last = max(b, s.plans[Generation].last)
		}
	}
}
