package operation

import (
	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// kept returns what bundles of every level keep of the logits: the largest ones, their
// ids, descending and the lower id first on ties, or log Σ e^logit.
func (e *evaluation) kept(op *catalog.Op, f *form) matrix {
	logits, ok := e.known[catalog.Logits]
	if _, given := e.Inputs[catalog.Logits]; given {
		logits, ok = e.value(catalog.Logits), true
	}
	if !ok {
		vocabulary := e.Run.Config.VAE.VocabSize
		logits = e.linear(f, hf.DecoderFinal, e.in(f, op.Inputs[0]), vocabulary, 0, vocabulary)
	}
	if e.err != nil {
		return matrix{}
	}
	return e.keep(op.Path, logits)
}

// keep derives what a path keeps of logits.
func (c *Call) keep(path string, logits matrix) matrix {
	rows, cols := c.size(path)
	y := newMatrix(rows, cols)
	for r := range rows {
		if path == catalog.LogSumExp {
			y.data[r] = metric.LogSumExp(logits.row(r))
			continue
		}
		for i, id := range metric.Largest(logits.row(r), cols) {
			y.row(r)[i] = float64(id)
			if path == catalog.TopValues {
				y.row(r)[i] = logits.row(r)[id]
			}
		}
	}
	y.bf16 = path == catalog.TopValues && logits.bf16
	return y
}

// Kept derives the value of a call from logits.
func Kept(c *Call, logits tensor.View) (tensor.View, error) {
	rows, cols := c.size(catalog.Logits)
	m, err := matrixOf(Input{View: logits, Run: logits.Type}, rows, cols)
	if err != nil {
		return tensor.View{}, err
	}
	kept := c.keep(c.op.Path, m)
	return Value{Shape: c.shape(c.op.Path), Data: kept.data, Type: dtype.F32}.AsRun(c.Site.String()), nil
}
