package engine

import (
	"strings"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/kernels/ops"
	"colakit/reference/generate"
)

// operation returns the part of a site's path that says what is computed, the same
// for every layer: "msa.out" of "dit.blocks.3.msa.out".
func operation(path string) string {
	_, rest, ok := strings.Cut(path, ".blocks.")
	if !ok {
		return path
	}
	_, op, _ := strings.Cut(rest, ".")
	return op
}

// wants reports whether the tap wants a value that the engine shows.
func (p *pass) wants(module, op string) bool {
	if p.tap == nil || p.err != nil {
		return false
	}
	site := p.at(module, op)
	return p.Shows(site) && p.tap.Want(site)
}

func (p *pass) at(module, op string) generate.Site {
	site := p.site
	site.Path = module + op
	return site
}

// see shows m to the tap as a tensor of the given shape (none: that of the matrix),
// and stores what a Forcing tap puts in its place.
func (p *pass) see(module, op string, m ops.Matrix, shape ...int) {
	if !p.wants(module, op) {
		return
	}
	if shape == nil {
		shape = []int{m.Rows, m.Cols}
	}
	values, err := p.load(m)
	if err != nil {
		p.fail(err)
		return
	}
	site := p.at(module, op)
	forced, err := generate.Show(p.tap, site, viewOf(site.String(), values, m.Type, shape))
	if err == nil && forced != nil {
		if values, err = forced.Float32s(); err == nil {
			err = p.store(m, values)
		}
	}
	p.fail(err)
}

// viewOf returns values as a tensor of the type that they have on the device.
func viewOf(name string, values []float32, t ops.Type, shape tensor.Shape) tensor.View {
	if t == ops.F32 {
		return tensor.FromFloat32s(name, shape, values)
	}
	typ := floatTypes[t]
	view := tensor.View{Desc: tensor.Desc{Name: name, Type: typ, Shape: shape}, Data: make([]byte, typ.Size()*len(values))}
	_ = dtype.FromFloat32s(view.Data, values, typ) // the sizes fit
	return view
}

var floatTypes = map[ops.Type]dtype.Type{ops.F32: dtype.F32, ops.BF16: dtype.BF16, ops.F16: dtype.F16}

// extent returns the bytes from m's first element to its last.
func extent(m ops.Matrix) int64 {
	if m.Rows == 0 {
		return 0
	}
	return int64((m.Rows-1)*m.Stride+m.Cols) * int64(m.Type.Size())
}

// load reads a matrix from the device.
func (p *pass) load(m ops.Matrix) ([]float32, error) {
	if p.rehearsal {
		return make([]float32, m.Rows*m.Cols), nil
	}
	raw := make([]byte, extent(m))
	if err := p.device.Download(raw, m.Buffer, m.Offset); err != nil {
		return nil, err
	}
	out, size := make([]float32, m.Rows*m.Cols), m.Type.Size()
	for r := range m.Rows {
		row := raw[r*m.Stride*size:][:m.Cols*size]
		if err := dtype.Float32s(out[r*m.Cols:(r+1)*m.Cols], row, floatTypes[m.Type]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// store writes a matrix to the device, rounded to its type. Gaps between its rows
// stay as they are.
func (p *pass) store(m ops.Matrix, values []float32) error {
	size := m.Type.Size()
	raw := make([]byte, extent(m))
	if m.Stride != m.Cols {
		if err := p.device.Download(raw, m.Buffer, m.Offset); err != nil {
			return err
		}
	}
	for r := range m.Rows {
		row := raw[r*m.Stride*size:][:m.Cols*size]
		if err := dtype.FromFloat32s(row, values[r*m.Cols:(r+1)*m.Cols], floatTypes[m.Type]); err != nil {
			return err
		}
	}
	return p.device.Upload(m.Buffer, m.Offset, raw)
}
