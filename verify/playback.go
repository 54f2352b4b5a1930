package verify

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// playback shows one bundle's values to the comparison with another's.
type playback struct {
	*session
	other  *golden.Bundle
	result *Recordings
	same   bool // the latents of the prompts are bit-equal
}

// play compares tap by tap, in the order of the run.
func (p *playback) play(ctx context.Context) error {
	p.same = true
	p.absent = map[string]bool{}
	for _, tap := range p.info.Taps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, held := p.other.Lookup(tap.Name); !held {
			p.absent[tap.Name] = true
			continue
		}
		if err := p.compareTap(ctx, tap); err != nil {
			return err
		}
	}
	return nil
}

func (p *playback) compareTap(ctx context.Context, tap golden.Tap) error {
	got, err := p.other.Read(tap.Name)
	if err != nil {
		return err
	}
	want, err := p.bundle.Read(tap.Name)
	if err != nil {
		return err
	}
	site, err := generate.ParseSite(tap.Name)
	if err != nil {
		p.compareNoise(tap, got, want)
		return nil
	}
	op, known := p.catalog.Lookup(site)
	if !known {
		return nil
	}
	if site.Path == catalog.TopIDs {
		return p.compareIDs(ctx, site)
	}
	o := &observer{session: p.session, ctx: ctx, mode: p.mode(site), plan: p.plans[Generation]}
	if err := o.compare(site, op, got, tap, want); err != nil {
		return err
	}
	p.sum(p.comparisons[len(p.comparisons)-1])
	if isLogits(site) {
		return p.compareWhole(o, site, got)
	}
	return nil
}

// mode says what a value is: that of a pass on the same inputs, or of a generation.
func (p *playback) mode(site generate.Site) Mode {
	first := site.Stage == generate.Prefill || site.Stage == generate.Denoise && site.Block == 0 && site.Step == 0 && site.Branch != ""
	if site.Stage == generate.Encode || first && p.same {
		return Free
	}
	return Generation
}

// compareNoise notes noise that differs though its seed does not.
func (p *playback) compareNoise(tap golden.Tap, got, want tensor.View) {
	if !bytes.Equal(got.Data, want.Data) {
		p.finding("noise", fmt.Sprintf("%s differs: the generator of random numbers gives other noise for the same seed", tap.Name))
	}
}

// finding adds a finding that is no comparison's.
func (p *playback) finding(subject, text string) {
	p.own = append(p.own, Finding{Phase: phaseStructure.String(), Subject: subject, Text: text, Failed: 1, Compared: 1})
}

// compareWhole compares the distributions of whole logits.
func (p *playback) compareWhole(o *observer, site generate.Site, got tensor.View) error {
	rows, err := rowsOf(got)
	if err != nil || len(rows) == 0 {
		return err
	}
	known, err := o.reference(site, len(rows[0]))
	if err != nil || len(known) != len(rows) {
		return err
	}
	return o.compareDistributions(site, rows, known)
}

// compareIDs compares the other's logits at the golden's largest ids; one that the
// other does not list counts with the least of those that it lists.
func (p *playback) compareIDs(ctx context.Context, site generate.Site) error {
	o := &observer{session: p.session, ctx: ctx, mode: Generation, plan: p.plans[Generation]}
	known, err := o.reference(site, p.cfg.VAE.VocabSize)
	if err != nil {
		return err
	}
	ids, err := readIDs(p.other, site.String(), p.cfg.VAE.VocabSize)
	if err != nil {
		return err
	}
	values, err := p.other.Read(sibling(site, catalog.TopValues))
	if err != nil {
		return err
	}
	rows, err := rowsOf(values)
	want, _ := p.bundle.Lookup(site.String())
	if err != nil || len(rows) != len(known) || len(ids) != len(rows)*len(rows[0]) || want.Shape[1] != len(rows[0]) {
		p.misshaped[site.String()] = true
		return err
	}
	var at []float64
	for i, row := range rows {
		listed := map[int32]float64{}
		for j, id := range ids[i*len(row) : (i+1)*len(row)] {
			listed[id] = row[j]
		}
		for _, id := range known[i].IDs[:len(row)] {
			v, ok := listed[id]
			if !ok {
				v = row[len(row)-1]
			}
			at = append(at, v)
		}
	}
	if err := o.compareDerived(site, values.Type, at, sibling(site, catalog.TopValues)); err != nil {
		return err
	}
	p.sum(p.comparisons[len(p.comparisons)-1])
	return nil
}

// sum adds a comparison to its pass.
func (p *playback) sum(c *Comparison) {
	r, s := p.result, c.Summary
	name := passName(c.site)
	at := slices.IndexFunc(r.Passes, func(x RecordedPass) bool { return x.Pass == name })
	if at < 0 {
		at, r.Passes = len(r.Passes), append(r.Passes, RecordedPass{Pass: name})
	}
	pass := &r.Passes[at]
	pass.Taps, r.Taps = pass.Taps+1, r.Taps+1
	pass.Elements += s.N
	pass.Equal += s.N - s.Differing
	p.coverage.elements += s.N
	if s.Differing == 0 && s.N > 0 && !c.Failed() {
		pass.BitEqual, r.BitEqual = pass.BitEqual+1, r.BitEqual+1
		return
	}
	if r.First == "" {
		r.First = c.Name
	}
	if c.site == latentsSite {
		p.same = false
	}
	if s.RelL2 >= pass.RelL2 {
		pass.RelL2, pass.Worst = s.RelL2, c.Name
	}
	pass.MaxAbs, pass.ULP = max(pass.MaxAbs, s.MaxAbs.Value), max(pass.ULP, float64(s.ULP.P99))
}

// outcome takes the other's tokens and texts as those of the candidate, and the taps
// that only one side has.
func (p *playback) outcome() {
	own := map[int][][]int32{}
	p.ids[Generation] = own
	for i, sample := range p.other.Info.Samples {
		for b, ids := range sample.Blocks {
			if own[b] == nil {
				own[b] = make([][]int32, len(p.info.Samples))
			}
			own[b][i] = ids
		}
		if x, y := len(p.info.Samples[i].Blocks), len(sample.Blocks); x != y {
			p.finding("blocks", fmt.Sprintf("sample %d has %s in the golden and %d in the other", i, plural(x, "block"), y))
		}
		if same := reflect.DeepEqual(sample.Blocks, p.info.Samples[i].Blocks); same && sample.Text != p.info.Samples[i].Text {
			p.finding("text", fmt.Sprintf("sample %d has the same ids and another text: another tokenizer", i))
		}
	}
	if x, y := p.info, &p.other.Info; x.Level != y.Level || x.Attention != y.Attention || p.blocks != within(y.Run.Blocks, y.Run.BlockLimit) || p.steps != within(y.Run.Steps, y.Run.StepLimit) {
		return // what one side lacks was not to be recorded
	}
	p.absent = nil
	for _, d := range p.other.Info.Taps {
		if _, held := p.order[d.Name]; !held && !strings.HasPrefix(d.Name, "noise/") {
			p.coverage.extra[d.Name] = true
		}
	}
}
