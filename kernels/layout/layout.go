// Package layout puts weights in the order in which the GEMM kernels read them.
//
// # Tiles
//
// A matrix [rows, cols] is cut into panels of 16 rows and a panel into tiles of 32
// columns. Panels follow one another, and so do the tiles of a panel; rows and
// columns that lack are zero. Inside a tile, for row r and column c:
//
//	16-bit weights, 1024 bytes    int8 weights, 512 bytes
//	64·r + 2·c                    64·(r mod 8) + 16·(c div 8) + 8·(r div 8) + c mod 8
//
//	r0  c0 c1 … c31               r0 c0…7  r8 c0…7  r0 c8…15  r8 c8…15 … r8 c24…31
//	r1  c0 c1 … c31               r1 c0…7  r9 c0…7  r1 c8…15  …
//	…                             …
//	r15 c0 c1 … c31               r7 c0…7  r15 c0…7 …         …          r15 c24…31
//
// So lane 4g+t of a warp finds the columns 8t to 8t+7 of rows g and g+8 in 16-byte
// words at 16·(4g+t) from the start of a tile, for 16-bit weights those of row g+8
// 512 bytes behind: what the fragments of mma.m16n8k16 and mma.m16n8k32 hold, but
// for an order of the columns that the kernels apply to the activations, too.
//
// # Rows
//
// The rows of a tiled matrix need not be in the order of the stored one; see Plain
// and Pairs. Biases and scales follow the order of the rows.
package layout

import "fmt"

// Sizes of a tile.
const (
	PanelRows   = 16
	TileColumns = 32
)

// none is the source of a row that lacks.
const none = -1

// Order says which row of the stored matrix each row of the tiled one is; a
// negative one is zero. Its length is a multiple of PanelRows.
type Order []int

// Plain returns the order of the stored matrix.
func Plain(rows int) Order {
	order := make(Order, ceil(rows, PanelRows)*PanelRows)
	for r := range order {
		order[r] = r
		if r >= rows {
			order[r] = none
		}
	}
	return order
}

// Pairs returns the order for SwiGLU: of the two halves of the rows, the values and
// their gates, each panel holds 8 values and then their 8 gates.
func Pairs(rows int) (Order, error) {
	if rows%2 != 0 {
		return nil, fmt.Errorf("%d rows are no two halves", rows)
	}
	half := rows / 2
	order := make(Order, ceil(half, PanelRows/2)*PanelRows)
	for i := range order {
		r := i/PanelRows*PanelRows/2 + i%(PanelRows/2)
		switch {
		case r >= half:
			order[i] = none
		case i%PanelRows < PanelRows/2:
			order[i] = r
		default:
			order[i] = half + r
		}
	}
	return order, nil
}

// Panels returns the number of panels.
func (o Order) Panels() int { return len(o) / PanelRows }

// Tiles returns the number of tiles of a panel.
func Tiles(cols int) int { return ceil(cols, TileColumns) }

// Bytes returns the size of a tiled matrix of elements of the size given, 1 or 2.
func (o Order) Bytes(cols, size int) int { return len(o) * Tiles(cols) * TileColumns * size }

// Tile16 lays out src, 16-bit elements [rows, cols] row by row, in dst.
func (o Order) Tile16(dst, src []byte, cols int) error {
	return o.tile(dst, src, cols, 2, func(panel []byte, row int, from []byte) {
		for c := 0; c < cols; c += TileColumns {
			tile := panel[c/TileColumns*PanelRows*TileColumns*2:]
			copy(tile[row*TileColumns*2:], from[2*c:2*min(c+TileColumns, cols)])
		}
	})
}

// Tile8 lays out src, codes [rows, cols] row by row, in dst.
func (o Order) Tile8(dst, src []byte, cols int) error {
	return o.tile(dst, src, cols, 1, func(panel []byte, row int, from []byte) {
		for c := 0; c < cols; c += 8 {
			tile := panel[c/TileColumns*PanelRows*TileColumns:]
			copy(tile[64*(row%8)+16*(c%TileColumns/8)+8*(row/8):], from[c:min(c+8, cols)])
		}
	})
}

// tile clears dst and hands out each panel with every row that is stored.
func (o Order) tile(dst, src []byte, cols, size int, put func(panel []byte, row int, from []byte)) error {
	if want := o.Bytes(cols, size); len(dst) != want {
		return fmt.Errorf("%d bytes for the tiles of [%d, %d], which are %d", len(dst), len(o), cols, want)
	}
	clear(dst)
	width := cols * size
	for i, r := range o {
		if r < 0 {
			continue
		}
		if (r+1)*width > len(src) {
			return fmt.Errorf("row %d of %d bytes each lies outside %d bytes", r, width, len(src))
		}
		panel := dst[i/PanelRows*PanelRows*Tiles(cols)*TileColumns*size:]
		put(panel, i%PanelRows, src[r*width:(r+1)*width])
	}
	return nil
}

// Vector puts one value for each row in the order of the rows; what lacks is 0.
func (o Order) Vector(src []float32) ([]float32, error) {
	dst := make([]float32, len(o))
	for i, r := range o {
		if r >= len(src) {
			return nil, fmt.Errorf("row %d of %d values", r, len(src))
		}
		if r >= 0 {
			dst[i] = src[r]
		}
	}
	return dst, nil
}

// Scales turns scales [rows, groups] of the size given into [groups, len(o)].
func (o Order) Scales(src []byte, groups, size int) ([]byte, error) {
	dst := make([]byte, len(o)*groups*size)
	for i, r := range o {
		if r < 0 {
			continue
		}
		if (r+1)*groups*size > len(src) {
			return nil, fmt.Errorf("row %d of %d scales lies outside %d bytes", r, groups, len(src))
		}
		for g := range groups {
			copy(dst[(g*len(o)+i)*size:][:size], src[(r*groups+g)*size:])
		}
	}
	return dst, nil
}

func ceil(n, by int) int { return (n + by - 1) / by }
