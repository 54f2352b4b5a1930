package hf

import (
	"cmp"
	"fmt"
	"slices"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// An AdaLN table stands in place of the modules between the timestep and the
// modulations, emb_in and every AdaLN: what they give depends on the timestep
// alone, and a schedule has few. It is two tensors:
const (
	// AdaTimesteps holds the timesteps of the schedule as given, from T down to 0,
	// [steps+1], f32. The released contract rounds them before they are used.
	AdaTimesteps = "dit.ada_table.timesteps"
	// AdaModulations holds a line for each of them, [steps+1, width]: the outputs of
	// the modules that DiTConfig.Modulations lists, one after the other. Its type says
	// which contract they were computed under: f32 exact, bf16 released, where the
	// modulations are bfloat16 numbers.
	AdaModulations = "dit.ada_table.modulations"
)

// Schedule is what an AdaLN table is bound to: the timesteps from T to 0 in so many
// steps, and the roundings on the way to the modulations.
type Schedule struct {
	T        int    `json:"T"`
	Steps    int    `json:"steps"`
	Contract string `json:"contract"` // "exact" or "released"
}

// The bounds of a table's schedule. float32 has all integers up to maxScheduleT.
const (
	maxScheduleT     = 1 << 24
	maxScheduleSteps = 4096
)

// tableTypes are the types of the modulations by contract.
var tableTypes = map[string]dtype.Type{"exact": dtype.F32, "released": dtype.BF16}

// String returns the schedule as "T = 1000 in 16 steps under the exact contract".
func (s Schedule) String() string {
	return fmt.Sprintf("T = %d in %d steps under the %s contract", s.T, s.Steps, s.Contract)
}

// Type returns the type of a table's modulations, Invalid for an unknown contract.
func (s Schedule) Type() dtype.Type { return tableTypes[s.Contract] }

// Validate returns an error for a schedule that has no table.
func (s Schedule) Validate() error {
	switch {
	case s.Type() == dtype.Invalid:
		return fmt.Errorf("an AdaLN table under contract %q; known are exact and released", s.Contract)
	case s.Steps < 1 || s.Steps > maxScheduleSteps:
		return fmt.Errorf("an AdaLN table for %d steps; it holds 1 to %d", s.Steps, maxScheduleSteps)
	case s.T < 0 || s.T > maxScheduleT:
		return fmt.Errorf("an AdaLN table from T = %d; it starts between 0 and %d", s.T, maxScheduleT)
	}
	return nil
}

// Modulation is a module whose output is part of every line of an AdaLN table.
type Modulation struct {
	Module Module
	Width  int
}

// Modulations lists the modules in the order of their outputs in a line: of every
// block shift and scale before attention, its gate, shift and scale before the MLP,
// its gate; and the last shift and scale.
func (c DiTConfig) Modulations() []Modulation {
	d := c.TxtDim
	var all []Modulation
	for i := range c.NumLayers {
		m := DiTBlockModules(i)
		all = append(all, Modulation{m.AdaMSAIn, 2 * d}, Modulation{m.AdaMSAOut, d}, Modulation{m.AdaMLPIn, 2 * d}, Modulation{m.AdaMLPOut, d})
	}
	return append(all, Modulation{DiTTxtOutAda, 2 * d})
}

// ModulationWidth returns the elements of a line: (6·NumLayers + 2)·TxtDim.
func (c DiTConfig) ModulationWidth() int { return (6*c.NumLayers + 2) * c.TxtDim }

// AdaTable lists the tensors of a table.
func (c DiTConfig) AdaTable(s Schedule) []Expected {
	l := &listing{model: DiT}
	l.add(AdaTimesteps, AdaTable, false, s.Steps+1)
	l.add(AdaModulations, AdaTable, false, s.Steps+1, c.ModulationWidth())
	return l.tensors
}

// TableInventory is Inventory with an AdaLN table in place of what it replaces.
func (c Config) TableInventory(s Schedule) []Expected {
	replaced := c.DiT.Replaced()
	rest := slices.DeleteFunc(c.Inventory(), func(e Expected) bool { return replaced[e.Name] })
	return append(c.DiT.AdaTable(s), rest...)
}

// Replaced returns the native names of the tensors in whose place a table stands.
func (c DiTConfig) Replaced() map[string]bool {
	modules := []Module{DiTEmbProjIn, DiTEmbProjHid, DiTEmbProjOut}
	for _, m := range c.Modulations() {
		modules = append(modules, m.Module)
	}
	names := map[string]bool{}
	for _, m := range modules {
		names[m.Weight()], names[m.Bias()] = true, true
	}
	return names
}

// FindSchedule returns the schedule of the AdaLN table that a source holds under
// native names; ok is false for one without. A table that is not whole is an error
// that wraps tensor.ErrDamaged.
func FindSchedule(src tensor.Source) (s Schedule, ok bool, err error) {
	held := map[string]tensor.Desc{}
	for _, d := range src.Descs() {
		if d.Name == AdaTimesteps || d.Name == AdaModulations {
			held[d.Name] = d
		}
	}
	if len(held) == 0 {
		return s, false, nil
	}
	if err := checkTable(held[AdaTimesteps], held[AdaModulations]); err != nil {
		return s, false, err
	}
	view, err := src.Read(AdaTimesteps)
	if err != nil {
		return s, false, err
	}
	t, err := view.Float32s()
	if err != nil {
		return s, false, err
	}
	s = Schedule{T: int(t[0]), Steps: len(t) - 1, Contract: "exact"}
	if held[AdaModulations].Type == dtype.BF16 {
		s.Contract = "released"
	}
	falling := slices.IsSortedFunc(t, func(a, b float32) int { return cmp.Compare(b, a) })
	if s.Validate() != nil || t[0] != float32(s.T) || t[s.Steps] != 0 || !falling {
		return s, false, tensor.Damagedf("tensor %q runs from %v to %v in %d steps, want timesteps that fall to 0", AdaTimesteps, t[0], t[s.Steps], s.Steps)
	}
	return s, true, nil
}

// checkTable checks types and shapes of a table, as far as they are known without
// the configuration.
func checkTable(times, lines tensor.Desc) error {
	switch {
	case times.Name == "" || lines.Name == "":
		return tensor.Damagedf("one of tensors %q and %q is missing; they are the two parts of an AdaLN table", AdaTimesteps, AdaModulations)
	case times.Type != dtype.F32 || len(times.Shape) != 1 || times.Shape[0] < 2 || times.Shape[0] > maxScheduleSteps+1:
		return tensor.Damagedf("tensor %q is %v of shape %v, want f32 of shape [steps+1], up to %d steps", times.Name, times.Type, times.Shape, maxScheduleSteps)
	case lines.Type != dtype.F32 && lines.Type != dtype.BF16:
		return tensor.Damagedf("tensor %q is %v, want f32 (exact contract) or bf16 (released contract)", lines.Name, lines.Type)
	case len(lines.Shape) != 2 || lines.Shape[0] != times.Shape[0]:
		return tensor.Damagedf("tensor %q has shape %v, want a line for each of %d timesteps", lines.Name, lines.Shape, times.Shape[0])
	}
	return nil
}
