package convert

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"

	"colakit/formats/tensor"
)

// State is what a comparison says of one tensor.
type State string

// The states, the worst first.
const (
	OnlyInA     State = "only in A"
	OnlyInB     State = "only in B"
	OtherShape  State = "shape"        // the shapes differ
	Differs     State = "differs"      // by more than the tolerance, or NaN or Inf on one side alone
	NotCompared State = "not compared" // stored as blocks that can't be decoded here
	Within      State = "within"       // differs within the tolerance
	SameValues  State = "same values"  // of another type, or by the sign of a zero
	Same        State = "same"         // bit by bit, as numbers
)

var stateOrder = []State{OnlyInA, OnlyInB, OtherShape, Differs, NotCompared, Within, SameValues, Same}

// DiffReport is what a comparison of two files or folders found.
type DiffReport struct {
	Schema    string        `json:"schema"` // DiffSchema
	A         DiffSide      `json:"a"`
	B         DiffSide      `json:"b"`
	Tolerance float64       `json:"tolerance"` // of rel-L2
	Counts    map[State]int `json:"counts"`
	Settings  []string      `json:"settings"` // differences in configurations and tokenizer
	Tensors   []TensorDiff  `json:"tensors"`  // the worst first
}

// DiffSide is one of the two that are compared.
type DiffSide struct {
	File    string `json:"file"`
	Format  Format `json:"format"`
	Bytes   int64  `json:"bytes"`
	Tensors int    `json:"tensors"`
}

// TensorDiff compares one tensor.
type TensorDiff struct {
	Name    string       `json:"name"`
	State   State        `json:"state"`
	A       *Holding     `json:"a,omitempty"`
	B       *Holding     `json:"b,omitempty"`
	Figures *DiffFigures `json:"figures,omitempty"` // of what was compared by value
}

// DiffFigures say how far the elements y of B are from the elements x of A.
// Sums are over the elements that are finite on both sides.
type DiffFigures struct {
	RelL2       Value        `json:"rel_l2"`  // √(Σ(yᵢ−xᵢ)² / Σxᵢ²); 0 for no difference
	SQNR        Value        `json:"sqnr_db"` // −20·log₁₀ RelL2; +Inf for no difference
	MaxAbs      Value        `json:"max_abs"` // the largest |yᵢ−xᵢ|
	MaxAbsIndex tensor.Shape `json:"max_abs_index,omitempty"`
	AtA         Value        `json:"at_a"` // the elements there
	AtB         Value        `json:"at_b"`
	EqualBits   float64      `json:"equal_bits"` // share of elements that are the same number, bit by bit
	Different   int64        `json:"different"`  // elements that are not equal
	NonFinite   int64        `json:"non_finite"` // of these, NaN or Inf on one side, and not the same on the other
	Elements    int64        `json:"elements"`
}

// DiffOptions say how two files are compared.
type DiffOptions struct {
	Tolerance float64 // rel-L2 up to which numbers may differ
	Jobs      int     // workers; 0: one per processor
	Progress  func(done, total int64)
}

// Diff compares two files or folders of any format, tensor by tensor, joined by
// native name. Both are streamed: the memory does not depend on their size, and
// the report not on the number of workers. Damage that reading finds is an error.
func Diff(ctx context.Context, a, b string, o DiffOptions) (DiffReport, error) {
	if !(o.Tolerance >= 0) || o.Jobs < 0 {
		return DiffReport{}, fmt.Errorf("tolerance %v, %d workers; want 0 or more of both", o.Tolerance, o.Jobs)
	}
	ca, err := OpenAny(a)
	if err != nil {
		return DiffReport{}, err
	}
	defer ca.Close()
	cb, err := OpenAny(b)
	if err != nil {
		return DiffReport{}, err
	}
	defer cb.Close()
	if o.Jobs == 0 {
		o.Jobs = runtime.GOMAXPROCS(0)
	}
	d := differ{a: ca, b: cb, options: o}
	if err := d.run(ctx); err != nil {
		return DiffReport{}, err
	}
	return d.report(), nil
}

type differ struct {
	a, b        *Collection
	options     DiffOptions
	tensors     []TensorDiff
	done, total int64 // elements that are to be compared
}

func (d *differ) run(ctx context.Context) error {
	for _, h := range d.a.holdings {
		if k, ok := d.b.byName[h.Name]; ok && h.Shape.Equal(d.b.holdings[k].Shape) {
			n, _ := h.Shape.Elements() // was checked when the file was opened
			d.total += n
		}
	}
	for i := range d.a.holdings {
		t, err := d.tensor(ctx, i)
		if err != nil {
			return err
		}
		d.tensors = append(d.tensors, t)
	}
	for k := range d.b.holdings {
		h := &d.b.holdings[k]
		if _, ok := d.a.byName[h.Name]; !ok {
			d.tensors = append(d.tensors, TensorDiff{Name: h.Name, State: OnlyInB, B: h})
		}
	}
	return nil
}

// tensor compares tensor i of A with that of B.
func (d *differ) tensor(ctx context.Context, i int) (TensorDiff, error) {
	h := &d.a.holdings[i]
	t := TensorDiff{Name: h.Name, State: OnlyInA, A: h}
	k, ok := d.b.byName[h.Name]
	if !ok {
		return t, nil
	}
	t.B = &d.b.holdings[k]
	if !t.A.Shape.Equal(t.B.Shape) {
		t.State = OtherShape
		return t, nil
	}
	x, err := d.a.store.read(i)
	if err != nil {
		return t, err
	}
	y, err := d.b.store.read(k)
	if err != nil {
		return t, err
	}
	if !x.known() || !y.known() {
		t.compareRaw(x, y)
		return t, nil
	}
	c, err := d.compare(ctx, x, y)
	if err != nil {
		return t, fmt.Errorf("tensor %q: %w", h.Name, err)
	}
	f := c.figures(t.A.Shape)
	t.Figures = &f
	t.State = f.state(t.A.Type == t.B.Type, d.options.Tolerance)
	return t, nil
}

// compareRaw compares what can't be decoded: only the same bytes say something.
func (t *TensorDiff) compareRaw(x, y numbers) {
	t.State = NotCompared
	if t.A.Type == t.B.Type && bytes.Equal(x.Data, y.Data) {
		t.State = Same
	}
}

// state judges figures.
func (f DiffFigures) state(sameType bool, tolerance float64) State {
	switch {
	case f.Different == 0 && f.EqualBits == 1 && sameType:
		return Same
	case f.Different == 0:
		return SameValues
	case f.NonFinite == 0 && float64(f.RelL2) <= tolerance:
		return Within
	}
	return Differs
}

func (d *differ) report() DiffReport {
	side := func(c *Collection) DiffSide { return DiffSide{c.Path, c.Format, c.Bytes(), len(c.holdings)} }
	r := DiffReport{Schema: DiffSchema, A: side(d.a), B: side(d.b), Tolerance: d.options.Tolerance,
		Counts: map[State]int{}, Settings: compareSettings(d.a, d.b), Tensors: d.tensors}
	for _, t := range d.tensors {
		r.Counts[t.State]++
	}
	slices.SortStableFunc(r.Tensors, func(a, b TensorDiff) int {
		return cmp.Or(cmp.Compare(slices.Index(stateOrder, a.State), slices.Index(stateOrder, b.State)), b.badness(a))
	})
	return r
}

// badness orders by the error, the larger first.
func (t TensorDiff) badness(other TensorDiff) int {
	if t.Figures == nil || other.Figures == nil {
		return 0
	}
	return cmp.Or(cmp.Compare(t.Figures.NonFinite, other.Figures.NonFinite),
		cmp.Compare(float64(t.Figures.RelL2), float64(other.Figures.RelL2)))
}

// Different reports whether anything differs by more than the tolerance.
func (r DiffReport) Different() bool {
	return len(r.Settings) > 0 || r.Counts[OnlyInA]+r.Counts[OnlyInB]+r.Counts[OtherShape]+r.Counts[Differs] > 0
}

// Complete reports whether everything could be compared.
func (r DiffReport) Complete() bool { return r.Counts[NotCompared] == 0 }

// relative returns √(errors/squares), +Inf for errors without squares.
func relative(errors, squares float64) float64 {
	if errors == 0 {
		return 0
	}
	return math.Sqrt(errors / squares)
}
