package verify

import (
	"sort"
	"strings"

	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// coverage notes what was shown, what was compared, and why something was not.
type coverage struct {
	seen        map[Mode]map[string]bool
	extra       map[string]bool
	notRecorded map[string]int
	elements    int64
}

func newCoverage() coverage {
	return coverage{seen: map[Mode]map[string]bool{Isolated: {}, Free: {}, Generation: {}}, extra: map[string]bool{}, notRecorded: map[string]int{}}
}

// see notes that a tap of the bundle was compared.
func (c *coverage) see(m Mode, tap string) { c.seen[m][tap] = true }

// saw reports whether a tap was compared in any mode.
func (c *coverage) saw(tap string) bool {
	return c.seen[Isolated][tap] || c.seen[Free][tap] || c.seen[Generation][tap]
}

// offer notes a site that the engine can show.
func (c *coverage) offer(s *session, site generate.Site, op *catalog.Op, held bool) {
	if held {
		return
	}
	if reason := s.unrecorded(site, op); reason != "" {
		c.notRecorded[reason]++
		return
	}
	c.extra[site.String()] = true
}

// unrecorded says why a bundle does not hold a site; "" if it should.
func (s *session) unrecorded(site generate.Site, op *catalog.Op) string {
	switch {
	case op == nil:
		return ""
	case site.Block >= s.blocks:
		return "beyond the block limit"
	case site.Stage == generate.Denoise && site.Step >= s.steps:
		return "beyond the step limit"
	case s.options.Recorder.hides(site) != "":
		return s.options.Recorder.hides(site)
	case !op.Recorded(s.info.Level, site.Stage):
		return "not at level " + s.info.Level
	case s.info.Attention == "sdpa" && op.Section == catalog.DiT && strings.HasSuffix(op.Path, ".scores"):
		return "hidden inside sdpa attention"
	}
	return ""
}

// replaced reports whether an AdaLN table stands in place of a tap's operation: the
// model has no weights to compute its value with.
func (s *session) replaced(tap string) bool {
	site, err := generate.ParseSite(tap)
	return err == nil && s.tabled && catalog.IsEmbedding(site.Path)
}

// result sums up; taps of noise are input, not compared.
func (s *session) coverageResult() Coverage {
	c := Coverage{Elements: s.coverage.elements, NotRecorded: s.coverage.notRecorded, NotCompared: map[string]int{}}
	for _, t := range s.info.Taps {
		if strings.HasPrefix(t.Name, "noise/") {
			continue
		}
		c.Taps++
		switch {
		case s.coverage.saw(t.Name):
			c.Compared++
		case !s.selected[t.Name]:
			c.NotCompared[notSelected]++
		case s.replaced(t.Name):
			c.Replaced++
		case s.absent[t.Name]:
			c.NotCompared[otherLacks]++
		case s.hides(t):
			c.NotCompared[fusedReason]++
		case s.stopped != "":
			c.NotCompared[s.stopped]++
		default:
			c.Missing = append(c.Missing, t.Name)
		}
	}
	c.Unfinished = s.unfinished()
	for name := range s.coverage.extra {
		c.Extra = append(c.Extra, name)
	}
	sort.Strings(c.Extra)
	for _, x := range s.comparisons {
		if x.Rule == "" {
			c.Unjudged++
		}
	}
	return c
}

// unfinished counts, by mode, what a stopped run left.
func (s *session) unfinished() map[Mode]int {
	left := map[Mode]int{}
	for _, m := range modes {
		if n := len(s.plans[m].compare) - len(s.coverage.seen[m]); s.stopped != "" && n > 0 {
			left[m] = n
		}
	}
	return left
}
