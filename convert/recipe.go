package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"colakit/formats/cola"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/quantize"
)

// maxRecipeBytes bounds a recipe: that of a model of 10⁵ tensors.
const maxRecipeBytes = 64 << 20

// ReadRecipe reads a plan to be followed again: a Plan or Preview as JSON, what
// Inspect says of an artifact, or the artifact itself.
func ReadRecipe(path string) (*Plan, error) {
	p, err := readRecipe(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("recipe: %w", err)
	case len(p.Steps) == 0:
		return nil, fmt.Errorf("recipe: %s holds no plan: want the JSON of a plan, or an artifact", path)
	}
	return p, nil
}

func readRecipe(path string) (*Plan, error) {
	if f, err := cola.Open(path); err == nil {
		defer f.Close()
		meta, err := f.Meta()
		if err != nil {
			return nil, err
		}
		p, err := ParseProvenance(meta.Provenance)
		return &p.Plan, err
	} else if !errors.Is(err, tensor.ErrDamaged) {
		return nil, err
	}
	raw, err := readSmall(path, maxRecipeBytes)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return nil, fmt.Errorf("%s is neither JSON nor an artifact", path)
	}
	var r struct {
		Plan
		Provenance *Provenance `json:"provenance"`
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.Provenance != nil {
		return &r.Provenance.Plan, nil
	}
	return &r.Plan, nil
}

// follow takes the options from the recipe.
func (o *Options) follow() (err error) {
	r := o.Recipe
	if o.Type != (quantize.Scheme{}) || len(o.Rules) > 0 || o.Overflow != "" || o.AdaTable != nil {
		return errors.New("a recipe decides about types, overflow and the AdaLN table by itself: give either the one or the others")
	}
	if o.Type, err = quantize.ParseScheme(r.Type); err != nil {
		return fmt.Errorf("recipe: %w", err)
	}
	if o.Overflow, err = ParseOverflow(string(r.Overflow)); err != nil {
		return fmt.Errorf("recipe: %w", err)
	}
	o.Rules, o.SHA256, o.AdaTable = r.Rules, o.SHA256 || r.SHA256, r.AdaTable
	return nil
}

// recipe is the policy that repeats a plan.
type recipe map[string]Step // by native name

// newRecipe checks that the plan is one for these tensors, all of them and no others.
func newRecipe(p *Plan, tensors []found) (recipe, error) {
	r, names := recipe{}, []string{}
	for _, s := range p.Steps {
		r[s.Tensor] = s
		names = append(names, s.Tensor)
	}
	held := map[string]bool{}
	for _, f := range tensors {
		held[f.Name] = true
		switch s, ok := r[f.Name]; {
		case !ok:
			return nil, fmt.Errorf("recipe: it says nothing of tensor %q; the nearest that it names is %q: it is for another model", f.Name, nearest(f.Name, names))
		case !s.Shape.Equal(f.Shape):
			return nil, fmt.Errorf("recipe: tensor %q has shape %v there and %v here: it is for another model", f.Name, s.Shape, f.Shape)
		case s.To.Fits(f.Shape) != nil:
			return nil, fmt.Errorf("recipe: tensor %q: %w", f.Name, s.To.Fits(f.Shape))
		case f.Class == hf.AdaTable && s.To != (quantize.Scheme{Type: f.stored.Type}):
			return nil, fmt.Errorf("recipe: tensor %q is to be %v; under its contract an AdaLN table is %v", f.Name, s.To, f.stored.Type)
		case f.Class == hf.Buffer && s.To != quantize.F32:
			return nil, fmt.Errorf("recipe: tensor %q is to be %v; a buffer follows from the configuration exactly, and is f32", f.Name, s.To)
		}
	}
	for _, s := range p.Steps {
		if !held[s.Tensor] {
			return nil, fmt.Errorf("recipe: it names tensor %q, which is not there: it is for another model", s.Tensor)
		}
	}
	return r, nil
}

// Choose implements quantize.Policy.
func (r recipe) Choose(t hf.Expected) (quantize.Scheme, string) {
	return r[t.Name].To, r[t.Name].Reason
}
