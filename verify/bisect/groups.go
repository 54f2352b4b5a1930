package bisect

import (
	"fmt"
	"slices"
	"strings"

	"colakit/formats/hf"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// By is a way to divide a run into groups.
type By string

// The ways.
const (
	Layers   By = "layers"   // blocks of the model, and what surrounds them
	Ops      By = "ops"      // operations, alike in every layer
	Steps    By = "steps"    // of flow matching, of all blocks; other passes by stage
	Branches By = "branches" // conditional and unconditional; other passes by stage
	Stages   By = "stages"   // encode, prefill, denoise, decode, commit
	Classes  By = "classes"  // of tensors; operations without any by their arithmetic

	paths By = "paths" // every operation for itself
)

// ParseBy reads the name of a way.
func ParseBy(name string) (By, error) {
	ways := []By{Layers, Ops, Steps, Branches, Stages, Classes}
	if by := By(name); slices.Contains(ways, by) {
		return by, nil
	}
	return "", fmt.Errorf("unknown division %q; known are %s", name, strings.Trim(fmt.Sprint(ways), "[]"))
}

// divider names the group of a value.
type divider struct {
	by      By
	classes map[string]string // of tensors
}

func newDivider(by By, cfg hf.Config) divider {
	d := divider{by: by, classes: map[string]string{}}
	for _, t := range cfg.Inventory() {
		d.classes[t.Name] = t.Class.String()
	}
	return d
}

var stageNames = [...]string{"encode", "prefill", "denoise", "decode", "commit"}

// of returns the group of a value.
func (d divider) of(site generate.Site, op *catalog.Op) string {
	switch d.by {
	case Layers:
		return layerOf(op)
	case Ops:
		return string(op.Section) + " " + op.Name
	case Steps:
		if site.Stage == generate.Denoise {
			return fmt.Sprintf("step %02d", site.Step)
		}
	case Branches:
		if site.Stage == generate.Denoise {
			return site.Branch
		}
	case Classes:
		for _, name := range tensorsOf(op) {
			if class := d.classes[name]; class != "" {
				return class
			}
		}
		return op.Kind.String()
	case paths:
		return op.Path
	}
	return stageNames[site.Stage]
}

func layerOf(op *catalog.Op) string {
	if op.Layer < 0 {
		return string(op.Section)
	}
	return fmt.Sprintf("%s %d", op.Section, op.Layer)
}

// tensorsOf lists what the tensors of an operation may be called.
func tensorsOf(op *catalog.Op) []string {
	var names []string
	for _, module := range op.Tensors {
		names = append(names, module+".weight", module+".bias", module)
	}
	return names
}
