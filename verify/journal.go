package verify

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// stateEntry is what one pass leaves behind, or the end of a mode.
type stateEntry struct {
	Stage       generate.Stage
	Block, Step int

	Measured     []measurement
	Logits       []LogitRow
	Guidance     []GuidanceRow
	IDs          [][]int32 // of a decoded block
	Cond, Uncond []float32 // of a step of a generation, which can't be taken from the golden
	NotRecorded  []reasonCount
	Extra        []string

	Results []generate.Result // of a finished generation
	Anchors []Anchor
}

// reasonCount counts values that the bundle does not record.
type reasonCount struct {
	Reason string
	N      int
}

// journal writes down the passes of one mode, and knows those that an earlier run has
// written down. A nil journal does nothing.
type journal struct {
	session *session
	mode    Mode
	bundle  string // hash

	done       map[pass]bool
	finished   bool // all of the mode
	velocities map[pass][2][]float32

	open             bool
	current          pass
	entry            stateEntry
	logits, guidance int            // rows before the pass
	notRecorded      map[string]int // likewise
	err              error
}

// newJournal takes up the state of a mode; nil where none is kept.
func (s *session) newJournal(m Mode) *journal {
	if s.options.State == nil {
		return nil
	}
	sum := s.bundle.Sum()
	return &journal{session: s, mode: m, bundle: hex.EncodeToString(sum[:]), done: map[pass]bool{}, velocities: map[pass][2][]float32{}}
}

// failed returns the error of writing.
func (j *journal) failed() error {
	if j == nil {
		return nil
	}
	return j.err
}

// over reports whether an earlier run has finished the mode.
func (j *journal) over() bool { return j != nil && j.finished }

// has reports whether a pass was written down by an earlier run.
func (j *journal) has(p pass) bool { return j != nil && j.done[p] }

// at is told of every value that a run comes to: where a pass begins, the last one is
// over. It reports whether no earlier run has written the pass down.
func (j *journal) at(site generate.Site) (fresh bool) {
	if j == nil {
		return true
	}
	p := passOf(site)
	if j.open && j.current == p {
		return true
	}
	j.flush()
	if j.done[p] {
		return false
	}
	s := j.session
	j.open, j.current = true, p
	j.entry = stateEntry{Stage: p.stage, Block: p.block, Step: p.step}
	j.logits, j.guidance, j.notRecorded = len(s.logits), len(s.guidance), maps.Clone(s.coverage.notRecorded)
	return true
}

// add takes what was measured of a value.
func (j *journal) add(m measurement) {
	if j != nil && j.open {
		j.entry.Measured = append(j.entry.Measured, m)
	}
}

// velocity takes the velocities of a step of a generation.
func (j *journal) velocity(p pass, cond, uncond []float32) {
	if j != nil && j.mode == Generation && j.open && j.current == p {
		j.entry.Cond, j.entry.Uncond = slices.Clone(cond), slices.Clone(uncond)
	}
}

// known returns the velocities that an earlier run has written down.
func (j *journal) known(p pass) (cond, uncond []float32, ok bool) {
	if j == nil {
		return nil, nil, false
	}
	v, ok := j.velocities[p]
	return slices.Clone(v[0]), slices.Clone(v[1]), ok
}

// ids takes those of a decoded block.
func (j *journal) ids(block int, ids [][]int32) {
	if j != nil && j.open && j.current == (pass{generate.Decode, block, 0}) {
		j.entry.IDs = ids
	}
}

// flush writes down the pass that is over.
func (j *journal) flush() {
	if !j.open {
		return
	}
	s, e := j.session, &j.entry
	j.open = false
	e.Logits, e.Guidance = s.logits[j.logits:], s.guidance[j.guidance:]
	for _, reason := range slices.Sorted(maps.Keys(s.coverage.notRecorded)) {
		if n := s.coverage.notRecorded[reason] - j.notRecorded[reason]; n > 0 {
			e.NotRecorded = append(e.NotRecorded, reasonCount{reason, n})
		}
	}
	for name := range s.coverage.extra {
		if site, err := generate.ParseSite(name); err == nil && passOf(site) == j.current {
			e.Extra = append(e.Extra, name)
		}
	}
	slices.Sort(e.Extra)
	j.write(passLabel(j.current))
}

// passLabel names a pass: "b00/s03".
func passLabel(p pass) string {
	name := generate.Site{Stage: p.stage, Block: p.block, Step: p.step, Path: "x"}.String()
	return strings.TrimSuffix(name, "/x")
}

func (j *journal) write(pass string) {
	var data bytes.Buffer
	err := gob.NewEncoder(&data).Encode(j.entry)
	if err == nil {
		err = j.session.options.State.append(stateLine{Bundle: j.bundle, Mode: j.mode, Pass: pass, Taps: len(j.entry.Measured), Data: data.Bytes()})
	}
	if j.err == nil {
		j.err = err
	}
}

// end writes down the last pass and that the mode is finished.
func (j *journal) end(results []generate.Result) error {
	if j == nil || j.finished {
		return nil
	}
	j.flush()
	j.entry = stateEntry{}
	if j.mode == Generation {
		j.entry.Results, j.entry.Anchors = results, j.session.anchors
	}
	j.write("")
	return j.err
}

// restore takes what earlier runs have written down to what this one finds.
func (o *observer) restore() error {
	j := o.journal
	if j == nil {
		return nil
	}
	for _, line := range o.options.State.of(j.bundle, j.mode) {
		var e stateEntry
		if err := gob.NewDecoder(bytes.NewReader(line.Data)).Decode(&e); err != nil {
			return tensor.Damagedf("%s: what it holds of %s, %s, can't be read: %v; delete the file to begin anew", o.options.State.path, j.mode, line.Pass, err)
		}
		if line.Pass == "" {
			j.finished = true
			if j.mode == Generation {
				o.results, o.anchors = e.Results, e.Anchors
			}
			continue
		}
		if err := o.restorePass(e); err != nil {
			return err
		}
	}
	return nil
}

func (o *observer) restorePass(e stateEntry) error {
	j, p := o.journal, pass{e.Stage, e.Block, e.Step}
	if j.done[p] {
		return nil
	}
	j.done[p] = true
	if e.Cond != nil {
		j.velocities[p] = [2][]float32{e.Cond, e.Uncond}
	}
	if e.IDs != nil {
		o.ids[o.mode][e.Block] = e.IDs
	}
	o.logits, o.guidance = append(o.logits, e.Logits...), append(o.guidance, e.Guidance...)
	for _, c := range e.NotRecorded {
		o.coverage.notRecorded[c.Reason] += c.N
	}
	for _, name := range e.Extra {
		o.coverage.extra[name] = true
	}
	for _, m := range e.Measured {
		if err := o.restoreOne(m); err != nil {
			return err
		}
	}
	return nil
}

// restoreOne judges a value that an earlier run has measured.
func (o *observer) restoreOne(m measurement) error {
	site, err := generate.ParseSite(m.Tap)
	op, known := o.catalog.Lookup(site)
	tap, held := o.measuredAgainst(site)
	if err != nil || !known || !held {
		return tensor.Damagedf("%s: it holds %q, which is no value of %s; delete the file to begin anew", o.options.State.path, m.Tap, o.options.Name)
	}
	n, err := tap.Shape.Elements()
	if err != nil {
		return err
	}
	o.progress(m.Tap, n*int64(tap.Type.Size()))
	return o.settle(o.begin(site, op, tap), m)
}

// measuredAgainst returns the tap that a value is compared with, under the value's
// name: ids are compared by their logits.
func (s *session) measuredAgainst(site generate.Site) (golden.Tap, bool) {
	name := site.String()
	if site.Path == catalog.TopIDs {
		site.Path = catalog.TopValues
	}
	tap, held := s.bundle.Lookup(site.String())
	tap.Name = name
	return tap, held
}
