package export

import (
	"fmt"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// Action says what an export does to a tensor's elements.
type Action string

// The actions.
const (
	Copy       Action = "copy"       // the same values: bytes, or codes and scales
	Widen      Action = "widen"      // exact, to a wider type
	Round      Action = "round"      // to the nearest value of the type
	Dequantize Action = "dequantize" // codes become numbers, exactly as the artifact defines them
	Quantize   Action = "quantize"   // numbers become codes
	Requantize Action = "requantize" // codes of one kind become codes of another
)

// Item is the plan for one tensor.
type Item struct {
	Tensor string       `json:"tensor"` // native name
	Name   string       `json:"name"`   // in the output
	File   string       `json:"file"`   // of the output; "" for the output itself
	Class  string       `json:"class"`
	Shape  tensor.Shape `json:"shape"`
	From   string       `json:"from"` // as the artifact stores it: "f16", "int8-g32"
	To     string       `json:"to"`
	Action Action       `json:"action"`
	Reason string       `json:"reason"` // of To
	Bytes  int64        `json:"bytes"`  // in the output, scales included
}

// Plan says what an export will do. It is plain data.
type Plan struct {
	Artifact string   `json:"artifact"` // BLAKE3 root
	Format   Format   `json:"format"`
	Type     string   `json:"type"` // as asked for
	Items    []Item   `json:"tensors"`
	Files    []string `json:"files,omitempty"` // of a folder, in the order of their names
	Notes    []string `json:"notes"`           // what a user should know, one line each
	Bytes    int64    `json:"bytes"`           // exact size of all files
}

// step is an item with what carries it out.
type step struct {
	Item
	source tensor.Desc
	codec  codec
	data   place
	scales place // no file where there are none
}

// place is where bytes of the output go.
type place struct {
	file   int // of layout.files
	offset int64
	name   string // of the tensor that holds them
}

// choice is how a tensor is to be stored, and why.
type choice struct {
	codec  codec
	reason string
}

// newStep returns the step for a tensor of the artifact.
func (m *model) newStep(d tensor.Desc, name string, c choice) step {
	s := step{source: d, codec: c.codec}
	s.Item = Item{
		Tensor: d.Name, Name: name, Class: m.class(d.Name).String(), Shape: d.Shape,
		From: stored(d), To: c.codec.String(), Action: action(d, c.codec), Reason: c.reason,
	}
	s.Bytes = s.dataBytes() + s.scaleBytes()
	return s
}

func (s step) dataBytes() int64 {
	rows, cols := rowsOf(s.Shape)
	n, _ := s.codec.rowBytes(cols)
	return int64(rows) * int64(n)
}

func (s step) scaleBytes() int64 {
	rows, cols := rowsOf(s.Shape)
	_, n := s.codec.rowBytes(cols)
	return int64(rows) * int64(n)
}

// stored names how the artifact stores a tensor.
func stored(d tensor.Desc) string {
	if q := d.Quantization; q != nil {
		if q.Group == 0 {
			return "int8"
		}
		return fmt.Sprintf("int8-g%d", q.Group)
	}
	return d.Type.String()
}

// action says what the codec does to a tensor.
func action(d tensor.Desc, c codec) Action {
	quantized := d.Quantization != nil
	switch c := c.(type) {
	case blocks:
		return codeAction(quantized, c.repacks(d))
	case codes:
		return codeAction(quantized, c.copies(d))
	case floats:
		switch {
		case quantized && c.to == dtype.F32:
			return Dequantize
		case d.Type == c.to:
			return Copy
		case c.to == dtype.F32 && !quantized:
			return Widen
		}
	}
	return Round
}

func codeAction(quantized, kept bool) Action {
	switch {
	case kept:
		return Copy
	case quantized:
		return Requantize
	}
	return Quantize
}
