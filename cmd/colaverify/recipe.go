package main

import (
	"errors"
	"fmt"
	"io"

	"colakit/cmd/internal/model"
	"colakit/convert"
	"colakit/internal/atomicfile"
	"colakit/quantize"
	"colakit/verify/bisect"
)

// checkRecipe refuses a file of --recipe that could not be written, or would say
// nothing: the plan is that of the artifact B, whose tensors alone make the drift.
func (x *bisection) checkRecipe(inputs []atomicfile.Input) error {
	switch {
	case x.recipe == "":
		return nil
	case x.names[1] == model.Tiny:
		return fmt.Errorf("--recipe writes the plan of B with changes; B is the embedded model, which has none: convert it first")
	}
	return atomicfile.Check(x.recipe, inputs...)
}

// writeRecipe writes B's plan, with the tensors of what was chosen as A has them.
func (x *bisection) writeRecipe(r *bisect.Report) error {
	if x.recipe == "" {
		return nil
	}
	if len(r.Rules) == 0 {
		return errors.New("no recipe was written: nothing was chosen whose tensors A holds in a wider type")
	}
	plan, err := convert.ReadRecipe(x.names[1])
	if err != nil {
		return err
	}
	if err := keep(plan, r.Rules); err != nil {
		return err
	}
	return atomicfile.Write(x.recipe, func(w io.Writer) error { return convert.WriteJSON(w, plan) })
}

// keep puts rules into effect in a plan.
func keep(plan *convert.Plan, rules []string) error {
	for _, text := range rules {
		rule, err := quantize.ParseRule(text)
		if err != nil {
			return err
		}
		for i := range plan.Steps {
			if s := &plan.Steps[i]; rule.Pattern.MatchString(s.Tensor) {
				s.To, s.Reason = rule.To, fmt.Sprintf("%v: it makes much of the drift, as colaverify bisect measured", rule.To)
			}
		}
	}
	return nil
}
