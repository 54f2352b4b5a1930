package ops

import (
	"fmt"

	"colakit/kernels/device"
	"colakit/kernels/layout"
)

// Weights are a linear layer's weights and bias on the host.
type Weights struct {
	Type     Type   // F32, BF16, F16 or I8
	Data     []byte // [Out, In], row by row
	Out, In  int
	Bias     []float32 // nil: none. Under the released contract the caller has rounded it.
	Pairs    bool      // [values | gates] of a SwiGLU layer
	Straight bool      // keep as they are, for fp32 products; always so for F32

	// Of codes: scales [Out, groups of Group columns], F32 or F16. Group 0 is the whole
	// row; else it is a multiple of 32, and the last group may be shorter.
	Scales    []byte
	ScaleType Type
	Group     int
}

// Tiled is a layer in the order of the kernels, ready to be uploaded: see package
// layout.
type Tiled struct {
	layer              Linear
	Data, Scales, Bias []byte
}

// Tile lays out the weights of a layer.
func Tile(w Weights) (*Tiled, error) {
	if err := w.checkData(); err != nil {
		return nil, err
	}
	order, err := w.order()
	if err != nil {
		return nil, err
	}
	t := &Tiled{layer: w.layer(order)}
	if w.Bias != nil {
		bias, err := order.Vector(w.Bias)
		if err != nil {
			return nil, err
		}
		t.Bias = floatBytes(bias)
	}
	return t, t.arrange(w, order)
}

// order returns that of the rows on the device.
func (w Weights) order() (layout.Order, error) {
	if err := w.check(); err != nil || !w.Pairs {
		return layout.Plain(w.Out), err
	}
	return layout.Pairs(w.Out)
}

// layer returns the layer that the weights are of, without them.
func (w Weights) layer(order layout.Order) Linear {
	l := Linear{In: w.In, Out: w.Out, typ: w.Type, pairs: w.Pairs, kind: tiled16, panels: order.Panels(), tiles: layout.Tiles(w.In)}
	if w.Pairs {
		l.Out /= 2
	}
	switch {
	case w.straight():
		l.kind = straight
	case w.Type == I8:
		l.kind, l.group, l.scale.Type = tiled8, w.Group/layout.TileColumns, w.ScaleType
	}
	return l
}

// arrange fills in the weights and scales.
func (t *Tiled) arrange(w Weights, order layout.Order) (err error) {
	switch t.layer.kind {
	case straight:
		t.Data = w.Data
	case tiled8:
		t.Data = make([]byte, order.Bytes(w.In, 1))
		if err = order.Tile8(t.Data, w.Data, w.In); err == nil {
			t.Scales, err = order.Scales(w.Scales, w.groups(), w.ScaleType.Size())
		}
	default:
		t.Data = make([]byte, order.Bytes(w.In, 2))
		err = order.Tile16(t.Data, w.Data, w.In)
	}
	return err
}

// sizes returns the bytes of the weights, scales and biases on the device.
func (w Weights) sizes(order layout.Order) (parts [3]int) {
	switch parts[0] = order.Bytes(w.In, w.Type.Size()); {
	case w.straight():
		parts[0] = w.Out * w.In * w.Type.Size()
	case w.Type == I8:
		parts[1] = len(order) * w.groups() * w.ScaleType.Size()
	}
	if w.Bias != nil {
		parts[2] = 4 * len(order)
	}
	return parts
}

func (w Weights) straight() bool { return w.Straight || w.Type == F32 }

// groups returns the scales of a row.
func (w Weights) groups() int {
	if w.Group == 0 {
		return 1
	}
	return ceil(w.In, w.Group)
}

// check checks everything but the weights themselves.
func (w Weights) check() error {
	switch {
	case w.Out <= 0 || w.In <= 0:
		return fmt.Errorf("weights [%d, %d]", w.Out, w.In)
	case !w.Type.float() && w.Type != I8:
		return fmt.Errorf("weights of type %v; kernels take f32, bf16, f16 and i8", w.Type)
	case w.Bias != nil && len(w.Bias) != w.Out:
		return fmt.Errorf("%d biases for %d outputs", len(w.Bias), w.Out)
	case w.Pairs && (w.Out%2 != 0 || w.straight()):
		return fmt.Errorf("weights [%d, %d] of type %v as pairs; these are tiled, with an even number of rows", w.Out, w.In, w.Type)
	case w.Type == I8:
		return w.checkScales()
	}
	return nil
}

func (w Weights) checkData() error {
	if err := w.check(); err != nil {
		return err
	}
	if len(w.Data) != w.Out*w.In*w.Type.Size() {
		return fmt.Errorf("%d bytes of weights [%d, %d] of type %v", len(w.Data), w.Out, w.In, w.Type)
	}
	if w.Type == I8 && len(w.Scales) != w.Out*w.groups()*w.ScaleType.Size() {
		return fmt.Errorf("%d bytes of scales for [%d, %d] groups of type %v", len(w.Scales), w.Out, w.groups(), w.ScaleType)
	}
	return nil
}

func (w Weights) checkScales() error {
	switch {
	case w.Straight:
		return fmt.Errorf("codes have no fp32 products")
	case w.ScaleType != F32 && w.ScaleType != F16:
		return fmt.Errorf("scales of type %v; kernels take f32 and f16", w.ScaleType)
	case w.Group < 0 || w.Group%layout.TileColumns != 0:
		return fmt.Errorf("groups of %d columns; kernels take multiples of %d, or 0 for the whole row", w.Group, layout.TileColumns)
	}
	return nil
}

// Bytes returns the size of the layer on the device.
func (t *Tiled) Bytes() int64 { return int64(len(t.Data) + len(t.Scales) + len(t.Bias)) }

// At returns the layer whose data, scales and bias were uploaded at these places.
// Data starts at a multiple of 16 bytes.
func (t *Tiled) At(data, scales, bias Vector) *Linear {
	l := t.layer // Linear refuses data that starts elsewhere
	l.w, l.bias = data, bias
	l.w.Type, l.scale = l.typ, Vector{scales.Buffer, scales.Offset, l.scale.Type, scales.N}
	return &l
}

// Put uploads a layer into a buffer of its own.
func (o *Ops) Put(t *Tiled) (*Linear, device.Buffer, error) {
	parts := [3][]byte{t.Data, t.Scales, t.Bias}
	l, b, err := o.room(t, [3]int{len(t.Data), len(t.Scales), len(t.Bias)})
	at := int64(0)
	for _, part := range parts {
		if err == nil && len(part) > 0 {
			err = o.device.Upload(b, at, part)
		}
		at += align(len(part))
	}
	if err != nil {
		if b.Bytes > 0 {
			o.device.Free(b)
		}
		return nil, device.Buffer{}, err
	}
	return l, b, nil
}

// Room returns a layer in a buffer of its own, as Put does, with nothing in it. The
// weights and scales of w are not looked at.
func (o *Ops) Room(w Weights) (*Linear, device.Buffer, error) {
	order, err := w.order()
	if err != nil {
		return nil, device.Buffer{}, err
	}
	return o.room(&Tiled{layer: w.layer(order)}, w.sizes(order))
}

func (o *Ops) room(t *Tiled, sizes [3]int) (*Linear, device.Buffer, error) {
	b, err := o.device.Alloc(align(sizes[0]) + align(sizes[1]) + align(sizes[2]))
	if err != nil {
		return nil, device.Buffer{}, err
	}
	var places [3]Vector
	at := int64(0)
	for i, size := range sizes {
		if size > 0 {
			places[i] = Vector{Buffer: b, Offset: at, Type: F32, N: size / 4}
		}
		at += align(size)
	}
	return t.At(places[0], places[1], places[2]), b, nil
}

// align rounds up to the alignment of device memory that vector loads need.
func align(n int) int64 { return int64(ceil(n, 256) * 256) }
