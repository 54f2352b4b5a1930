package convert

import (
	"encoding/json"
	"fmt"
	"reflect"

	"colakit/formats/cola"
	"colakit/formats/hf"
	"colakit/formats/tokenizer"
)

// checkProvenance checks the sections beside the tensors: that they can be read,
// and that the plan which the artifact says it was made by is that of its tensors.
func (r *CheckReport) checkProvenance(f *cola.File, meta cola.Meta) {
	if meta.Tokenizer != nil {
		r.checkTokenizer(f, meta)
	}
	if meta.Generation != nil && !json.Valid(meta.Generation) {
		r.damage("provenance", "", fmt.Errorf("%s: the generation defaults are not JSON", f.Name()))
	}
	p, err := ParseProvenance(meta.Provenance)
	if err != nil {
		r.damage("provenance", "", fmt.Errorf("%s: %w", f.Name(), err))
		return
	}
	if p.Plan.OutputBytes != 0 && p.Plan.OutputBytes != f.Size() {
		r.damage("provenance", "", fmt.Errorf("%s: has %d bytes, its plan says %d", f.Name(), f.Size(), p.Plan.OutputBytes))
	}
	if err := p.Verification.check(); err != nil {
		r.damage("provenance", "", fmt.Errorf("%s: %w", f.Name(), err))
	}
	if len(p.Plan.Steps) > 0 {
		r.checkSteps(f, p)
		r.checkSchedule(f, p)
	}
}

// checkSteps compares the tensors with the steps of the plan.
func (r *CheckReport) checkSteps(f *cola.File, p Provenance) {
	steps, _ := p.byTensor()
	for _, e := range f.Entries() {
		s, want := steps[e.Name], e.Desc()
		switch {
		case s == nil:
			r.damage("provenance", e.Name, fmt.Errorf("%s: tensor %q is not in the plan that it was made by", f.Name(), e.Name))
		case !s.Shape.Equal(e.Shape) || !reflect.DeepEqual(s.desc().Quantization, want.Quantization) || s.To.Type != e.Type:
			r.damage("provenance", e.Name, fmt.Errorf("%s: tensor %q is %v %v, its plan says %v %v", f.Name(), e.Name, e.Type, e.Shape, s.To, s.Shape))
		}
		delete(steps, e.Name)
	}
	for _, name := range sortedKeys(steps) {
		r.damage("provenance", name, fmt.Errorf("%s: tensor %q is in the plan that it was made by, and missing", f.Name(), name))
	}
}

// checkSchedule compares the AdaLN table, if there is one, with that of the plan.
func (r *CheckReport) checkSchedule(f *cola.File, p Provenance) {
	s, ok, err := hf.FindSchedule(f)
	if want := p.Plan.AdaTable; err == nil && ok && (want == nil || *want != s) {
		r.damage("provenance", hf.AdaTimesteps, fmt.Errorf("%s: the AdaLN table is for %v, its plan says %v", f.Name(), s, want))
	}
}

func (r *CheckReport) checkTokenizer(f *cola.File, meta cola.Meta) {
	t, err := tokenizer.Parse(meta.Tokenizer)
	if err != nil {
		r.damage("provenance", "", fmt.Errorf("%s: the tokenizer: %w", f.Name(), err))
		return
	}
	config, err := hf.ParseVAEConfig(meta.VAEConfig)
	if err == nil && t.VocabSize() > config.VocabSize {
		r.Notes = append(r.Notes, Finding{"provenance", "", fmt.Sprintf("%s: the tokenizer has %d tokens, the model's vocabulary %d", f.Name(), t.VocabSize(), config.VocabSize)})
	}
}
