package engine

import (
	"colakit/kernels/device"
	"colakit/kernels/ops"
)

// tables tell the kernels of a pass where its rows lie; see package ops.
type tables struct {
	tiles, positions, slots ops.Vector
	pages                   ops.Matrix
	keys                    int // as many as any row sees, rounded up to keysStep
}

// keysStep is the step in which passes learn how many keys there are: launches are the
// same for all numbers in between.
const keysStep = 256

// pageTableWidth is the width of tables of pages that are not wider, so that the
// launches of short sequences are the same for every length.
const pageTableWidth = 64

// An image is what the host has to tell the device, uploaded in one piece: uploads wait
// for the ones before them, and those for the work that was enqueued ahead of them.
type image struct {
	bytes  []byte
	places []func(b device.Buffer, offset int64) // told where the image lies
}

// ints adds integers, at v once the image is uploaded.
func (m *image) ints(v *ops.Vector, values []int32) {
	m.add(v, ops.I32, len(values), intBytes(values))
}

// floats adds numbers, at v once the image is uploaded.
func (m *image) floats(v *ops.Vector, values []float32) {
	m.add(v, ops.F32, len(values), floatBytes(values))
}

func (m *image) add(v *ops.Vector, t ops.Type, n int, raw []byte) {
	start := int64(len(m.bytes))
	m.bytes = append(m.bytes, raw...)
	m.bytes = append(m.bytes, make([]byte, aligned(int64(len(m.bytes)))-int64(len(m.bytes)))...)
	m.places = append(m.places, func(b device.Buffer, offset int64) {
		*v = ops.Vector{Buffer: b, Offset: offset + start, Type: t, N: n}
	})
}

// tables adds those of a pass over the spans, with a mask of blocks of `block` rows.
func (m *image) tables(t *tables, c *cache, spans []ops.Span, block int) {
	t.keys = (furthest(spans) + keysStep - 1) / keysStep * keysStep
	m.ints(&t.tiles, ops.AttentionTiles(spans, block))
	m.ints(&t.positions, ops.Positions(spans))
	m.ints(&t.slots, c.paged().Slots(spans))
	flat, rows := c.paged().Flat(pageTableWidth), len(c.table)
	width, table := len(flat)/max(rows, 1), &ops.Vector{}
	m.ints(table, flat)
	m.places = append(m.places, func(device.Buffer, int64) {
		t.pages = ops.Matrix{Buffer: table.Buffer, Offset: table.Offset, Type: ops.I32, Rows: rows, Cols: width, Stride: width}
	})
}

// upload places the image in the arena.
func (m *image) upload(d device.Device, a *arena) error {
	b, offset, err := a.bytes(int64(len(m.bytes)))
	if err != nil {
		return err
	}
	for _, tell := range m.places {
		tell(b, offset)
	}
	return d.Upload(b, offset, m.bytes)
}
