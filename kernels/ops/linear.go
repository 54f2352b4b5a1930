package ops

import (
	"fmt"

	"colakit/kernels/device"
	"colakit/kernels/layout"
)

// Activation is a function of one element, but for SwiGLU, which takes pairs.
type Activation int32

// The activations, numbered as in kernels/cuda/arithmetic.h.
const (
	Identity Activation = iota
	GELUTanh            // ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))
	GELU                // ½·x·(1 + erf(x/√2))
	SiLU                // x/(1 + e^−x)
	SwiGLU              // a·SiLU(g) for the outputs [a | g] of a layer
)

// Table is a modulation: row r of a pass reads line Line[r] of Lines.
type Table struct {
	Lines Matrix
	Line  Vector // I32; none: row r reads line r. Lines out of range are not noticed.
}

func (t Table) none() bool { return t.Lines.none() }

// check checks a table of cols columns for rows rows.
func (t Table) check(c *checker, name string, rows, cols int) {
	if t.none() {
		return
	}
	c.matrix(name, t.Lines, t.Lines.Rows, cols)
	c.optionalVector(name+"'s lines", t.Line, I32, rows)
	c.require(!t.Line.none() || t.Lines.Rows >= rows, "%s: %d lines for %d rows", name, t.Lines.Rows, rows)
}

// Epilogue is what follows the product of a linear layer, in the order of its
// fields; the zero Epilogue is nothing. Round is the type of the layer's output, to
// which it is rounded after the bias and again after the clip and the activation.
// The product with the gate is rounded to the wider of Round and the gate's type, the
// sum with the residual to the wider of that and the residual's.
type Epilogue struct {
	Round      Type
	Clip       float32 // outputs are clamped to ±Clip; 0: not
	Activation Activation
	Gate       Table  // [lines, outputs]
	Residual   Matrix // [M, outputs]; may be the destination
}

// Linear is a linear layer on the device.
type Linear struct {
	In, Out int // columns of the input and the output: under SwiGLU half the rows of W

	kind   weightKind
	typ    Type // of 16-bit operands
	pairs  bool // rows in pairs, for SwiGLU
	w      Vector
	scale  Vector // of int8 weights
	bias   Vector // F32
	panels int
	tiles  int
	group  int // tiles that share a scale; 0: the whole row
}

type weightKind uint8

const (
	tiled16  weightKind = iota + 1
	tiled8              // int8 weights, 16-bit or int8 activations
	straight            // not tiled, fp32 products
)

// Linear computes y = epilogue(x·Wᵀ + b) for x [M, In] and y [M, Out]. x has the
// 16-bit type of the weights; for int8 weights it is 16-bit of either type, or I8
// with the scales of its rows in xScale; for weights as they are, any floating type.
// y may be x's buffer nowhere.
func (o *Ops) Linear(y, x Matrix, xScale Vector, l *Linear, e Epilogue) error {
	if err := l.check(y, x, xScale, e); err != nil || y.Rows == 0 {
		return err
	}
	if l.kind == straight {
		return o.plainLinear(y, x, l, e)
	}
	return o.tiledLinear(y, x, xScale, l, e)
}

func (l *Linear) check(y, x Matrix, xScale Vector, e Epilogue) error {
	c := &checker{op: "linear layer"}
	c.require(l.kind != 0, "the layer has no weights")
	c.require(l.kind == straight || l.w.Offset%16 == 0, "weights start at byte %d, wanted a multiple of 16", l.w.Offset)
	c.shape("x", x, y.Rows, l.In)
	c.matrix("y", y, y.Rows, l.Out)
	c.require(e.Round.float(), "rounding to %v", e.Round)
	c.require(e.Activation >= Identity && e.Activation <= SwiGLU, "activation %d", e.Activation)
	c.require((e.Activation == SwiGLU) == l.pairs, "SwiGLU is for weights in pairs, and only SwiGLU")
	e.Gate.check(c, "gate", y.Rows, l.Out)
	c.optional("residual", e.Residual, y.Rows, l.Out)
	switch l.kind {
	case tiled16:
		c.require(x.Type == l.typ, "x is %v, the weights are %v", x.Type, l.typ)
	case tiled8:
		c.require(x.Type.narrow() || x.Type == I8, "x of type %v", x.Type)
		if x.Type == I8 {
			c.vector("x's scales", xScale, F32, y.Rows)
		}
	default:
		c.require(x.Type.float(), "x of type %v", x.Type)
	}
	return c.err
}

func (o *Ops) plainLinear(y, x Matrix, l *Linear, e Epilogue) error {
	const tile, rowsAtOnce = 16, 16 * maxGridY
	for from := 0; from < y.Rows; from += rowsAtOnce {
		to := min(from+rowsAtOnce, y.Rows)
		dst, src := y.Slice(from, to), x.Slice(from, to)
		shape := device.Launch{Grid: device.D(ceil(l.Out, tile), ceil(to-from, tile)), Block: device.D(tile, tile)}
		args := []any{src, src.Type, src.Stride, l.w, l.w.Type, to - from, l.Out, l.In}
		if err := o.launch("gemm_f32", shape, append(args, e.args(l, dst, from, to)...)...); err != nil {
			return err
		}
	}
	return nil
}

// args are EPILOGUE_PARAMETERS for the rows from…to of a layer's output.
func (e Epilogue) args(l *Linear, y Matrix, from, to int) []any {
	gate, residual := e.Gate, e.Residual
	line := device.Pointer(0)
	switch {
	case gate.none():
	case gate.Line.none():
		gate.Lines = gate.Lines.Slice(from, to)
	default:
		line = gate.Line.pointer() + device.Pointer(4*from)
	}
	if !residual.none() {
		residual = residual.Slice(from, to)
	}
	return []any{
		l.bias, e.Activation, e.Clip, e.Round, gate.Lines, gate.Lines.Type, line, gate.Lines.Stride,
		residual, residual.Type, residual.Stride, y, y.Type, y.Stride,
	}
}

// plan is how the product of a tiled layer is cut: into parts of the columns, which
// follow from the layer alone, and into launches of few rows.
type plan struct {
	blocks int // of panels, of narrow blocks
	parts  int
	split  int // tiles of a part
	tokens int // rows of a block: 8, 16, 32, 64; 128: wide blocks, which add up all parts themselves
	rows   int // of a launch
}

const (
	panelsOfBlock = 4
	rowsOfBlock   = panelsOfBlock * layout.PanelRows
	// processors is the number of multiprocessors that parts and blocks are chosen for:
	// those of an H100 or H200. It must not be the device's own, which results would
	// depend on.
	processors = 132
	// splitTiles is the multiple that parts are cut at, for the stages of wide blocks;
	// minSplit tiles fill the loads that a block has under way, and are worth a part.
	splitTiles, minSplit = 4, 8
	// partTiles is what leaving and collecting the sums of a part costs, in tiles: for 32
	// rows 8 KiB each, which stay in the second-level cache, beside 4 KiB of weights.
	partTiles = 2
	// windowBytes of the rows of x are in shared memory at a time; with padding and
	// twice, 1152 bytes a row.
	sharedOfRow = 1152

	wideTokens = 128
	wideStages = 3
)

// MostOutputs is the number of rows of the largest matrix.
const MostOutputs = counters * rowsOfBlock

// parts returns the parts into which columns are cut, and the tiles of each. Few rows
// take as long as their weights take to be read, by all multiprocessors at once: what
// counts is the largest share of the weights that one of them gets, not how many are
// busy. 288 blocks on 132 are no better than 396, as a few get a third block; 256 take
// two thirds of that. A multiprocessor has two blocks at a time, and needs two to have
// enough bytes under way (16 KiB of int8 weights or 32 KiB of 16-bit ones each), so
// that fewer than two shares count as two. Among equals the fewest parts win.
//
//	cost = max(2, ⌈blocks·parts/132⌉) · (split + 2 for a part's sums)
//
// gives [6144, 2048] 4 parts, [8192, 2048] 2, [2048, 2048] 8, [2048, 8192] 8 and
// [100278, 1536] 1. Not measured: it is reckoned from bytes and the size of the grid.
func parts(blocks, tiles int) (n, split int) {
	n, split = 1, ceil(tiles, splitTiles)*splitTiles
	best := max(2, ceil(blocks, processors)) * tiles
	for p := 2; p <= tiles/minSplit; p++ {
		s := ceil(ceil(tiles, p), splitTiles) * splitTiles
		if ceil(tiles, s) != p {
			continue
		}
		if cost := max(2, ceil(blocks*p, processors)) * (s + partTiles); cost < best {
			n, split, best = p, s, cost
		}
	}
	return n, split
}

func (o *Ops) plan(l *Linear, x Matrix) plan {
	rows := x.Rows
	p := plan{blocks: ceil(l.panels, panelsOfBlock), tokens: 64}
	p.parts, p.split = parts(p.blocks, l.tiles)
	for _, n := range []int{32, 16, 8} {
		if rows <= n {
			p.tokens = n
		}
	}
	if o.wide(l, x) {
		p.tokens, p.rows = wideTokens, wideTokens*maxGridY
		return p
	}
	room := counters / p.blocks
	if p.parts > 1 {
		room = min(room, int(o.part.Bytes/int64(4*p.parts*p.blocks*rowsOfBlock*p.tokens)))
	}
	p.rows = p.tokens * min(max(room, 1), maxGridY)
	return p
}

// wide reports whether wide blocks are taken: where they keep all multiprocessors busy,
// and there is room for them. The bits are the same, so it may depend on anything.
func (o *Ops) wide(l *Linear, x Matrix) bool {
	words := x.inWords() && x.Cols*x.Type.Size()%16 == 0
	return words && ceil(l.panels, l.widePanels())*ceil(x.Rows, wideTokens) >= o.wideBlocks && l.wideShared(x.Type) <= o.device.Info().SharedPerBlock
}

// widePanels is the number of panels of a wide block.
func (l *Linear) widePanels() int {
	if l.group > 0 {
		return panelsOfBlock
	}
	return 2 * panelsOfBlock
}

// wideShared is the shared memory of a wide block: stages of 128 bytes of each token,
// as much between them, and the same columns of its panels.
func (l *Linear) wideShared(x Type) int {
	const stageBytes = 128
	row := stageBytes
	if l.kind == tiled8 {
		row /= x.Size()
	}
	return wideStages * ((wideTokens+1)*stageBytes + l.widePanels()*layout.PanelRows*row)
}

// shape is the launch for so many rows.
func (p plan) shape(l *Linear, x Type, rows int) device.Launch {
	if p.tokens == wideTokens {
		return device.Launch{
			Grid:  device.D(ceil(rows, wideTokens), ceil(l.panels, l.widePanels())),
			Block: device.D(threads), Shared: l.wideShared(x),
		}
	}
	return device.Launch{
		Grid:  device.D(p.blocks, p.parts, ceil(rows, p.tokens)),
		Block: device.D(threads), Shared: sharedOfRow * p.tokens,
	}
}

func (o *Ops) tiledLinear(y, x Matrix, xScale Vector, l *Linear, e Epilogue) error {
	p := o.plan(l, x)
	wide := p.tokens == wideTokens
	if need := int64(4*p.parts*p.blocks*rowsOfBlock) * int64(p.tokens); !wide && p.parts > 1 && need > o.part.Bytes {
		return device.Argumentf("linear layer: a workspace of %d bytes, the layer needs %d", o.part.Bytes, need)
	}
	if p.blocks > counters {
		return device.Argumentf("linear layer: %d rows of weights, at most %d", l.panels*layout.PanelRows, counters*rowsOfBlock)
	}
	name := l.kernel(x.Type, p.tokens)
	for from := 0; from < y.Rows; from += p.rows {
		to := min(from+p.rows, y.Rows)
		dst, src, scale := y.Slice(from, to), x.Slice(from, to), xScale
		scale.Offset += int64(4 * from)
		args := []any{
			src, src.Stride, to - from, l.In, l.w, l.panels, l.tiles, p.split, l.Out,
			l.scale, l.scale.Type, l.group, scale, o.part, o.done,
		}
		if err := o.launch(name, p.shape(l, x.Type, to-from), append(args, e.args(l, dst, from, to)...)...); err != nil {
			return err
		}
	}
	return nil
}

// kernel names the kernel for activations of type x.
func (l *Linear) kernel(x Type, tokens int) string {
	switch {
	case l.kind == tiled16:
		return fmt.Sprintf("gemm_%v_n%d", x, tokens)
	case x != I8 && l.group > 0:
		return fmt.Sprintf("gemm_w8_groups_%v_n%d", x, tokens)
	case x != I8:
		return fmt.Sprintf("gemm_w8_%v_n%d", x, tokens)
	case l.group == 0:
		return fmt.Sprintf("gemm_s8_n%d", tokens)
	}
	return fmt.Sprintf("gemm_s8_groups_n%d", tokens)
}
