package operation

import (
	"fmt"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// Evaluate computes the value of a call: as the model defines it for the zero
// Alternative, else in that other way.
func Evaluate(c *Call, alt Alternative) (Value, error) {
	e := &evaluation{Call: c, alt: alt, known: map[string]matrix{}}
	if e.alt.change != nil && e.alt.Part == "" {
		e.alt.Part = c.op.Path
	}
	m := e.value(c.op.Path)
	if e.err != nil {
		return Value{}, fmt.Errorf("%s: %w", c.Site, e.err)
	}
	v := Value{Shape: c.shape(c.op.Path), Data: m.data, Type: dtype.F32}
	if m.bf16 {
		v.Type = dtype.BF16
	}
	return v, nil
}

// evaluation is one run of Evaluate. The first error sticks in err; a value that is
// asked for after it is empty.
type evaluation struct {
	*Call
	alt   Alternative
	known map[string]matrix
	err   error
}

func (e *evaluation) fail(err error) matrix {
	if e.err == nil {
		e.err = err
	}
	return matrix{}
}

func (e *evaluation) released() bool { return e.Run.Contract == generate.Released }

// value returns what a path holds in the pass: as it was given, or computed.
func (e *evaluation) value(path string) matrix {
	if e.err != nil {
		return matrix{}
	}
	if m, ok := e.known[path]; ok {
		return m
	}
	rows, cols := e.size(path)
	if cols > 0 && rows > maxElements/cols {
		return e.fail(tensor.Damagedf("%s: %d rows of %d elements are more than is computed", path, rows, cols))
	}
	in, given := e.Inputs[path]
	if !given {
		in, given = e.Nearby[path]
	}
	var m matrix
	var err error
	if given && path != e.op.Path {
		m, err = matrixOf(in, rows, cols)
	} else {
		m = e.compute(path)
	}
	if err != nil {
		return e.fail(err)
	}
	e.known[path] = m
	return m
}

// compute applies the formula of a path.
func (e *evaluation) compute(path string) matrix {
	op := e.Run.Catalog().Op(path)
	if op == nil {
		return e.fail(errMissing(e.sibling(path)))
	}
	f := definition(e.Run.Contract)
	if e.alt.reaches(e.Call, op) {
		e.alt.change(&f)
	}
	switch op.Section {
	case catalog.DiT:
		return e.dit(op, &f)
	case catalog.Loop:
		return e.loop(op, &f)
	}
	return e.vae(op, &f)
}

// in returns the value of an input of op, or of what the form puts in its place.
func (e *evaluation) in(f *form, path string) matrix {
	if other := f.input[path]; other != "" {
		path = other
	}
	return e.value(path)
}

// external returns an input from outside of the pass.
func (e *evaluation) external(name string, rows, cols int) matrix {
	in, ok := e.Inputs[name]
	if !ok {
		return e.fail(errMissing(name))
	}
	m, err := matrixOf(in, rows, cols)
	if err != nil {
		return e.fail(err)
	}
	return m
}
