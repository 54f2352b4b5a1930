package layout

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shapes have tails of rows and columns.
var shapes = []struct{ rows, cols int }{{1, 1}, {16, 32}, {17, 33}, {8, 40}, {40, 100}, {32, 64}}

// TestTile16 reads every element back where the kernel reads it.
func TestTile16(t *testing.T) {
	for _, s := range shapes {
		src := make([]byte, 2*s.rows*s.cols)
		for i := range s.rows * s.cols {
			binary.LittleEndian.PutUint16(src[2*i:], uint16(i+1))
		}
		order := Plain(s.rows)
		dst := make([]byte, order.Bytes(s.cols, 2))
		if err := order.Tile16(dst, src, s.cols); err != nil {
			t.Fatal(err)
		}
		for panel := range order.Panels() {
			for tile := range Tiles(s.cols) {
				at := (panel*Tiles(s.cols) + tile) * PanelRows * TileColumns * 2
				for lane := range 32 {
					for i := range 16 { // 8 columns of row g, 8 of row g+8
						row, col := panel*PanelRows+lane/4+i/8*8, tile*TileColumns+lane%4*8+i%8
						got := binary.LittleEndian.Uint16(dst[at+i/8*512+lane*16+i%8*2:])
						if want := element(row, col, s.rows, s.cols); int(got) != want {
							t.Fatalf("%v: row %d, column %d is %d, wanted %d", s, row, col, got, want)
						}
					}
				}
			}
		}
	}
}

// element is the number of an element of the stored matrix, 0 for one that lacks.
func element(row, col, rows, cols int) int {
	if row >= rows || col >= cols {
		return 0
	}
	return row*cols + col + 1
}

func TestTile8(t *testing.T) {
	for _, s := range shapes {
		src := make([]byte, s.rows*s.cols)
		for i := range src {
			src[i] = byte(i + 1)
		}
		order := Plain(s.rows)
		dst := make([]byte, order.Bytes(s.cols, 1))
		if err := order.Tile8(dst, src, s.cols); err != nil {
			t.Fatal(err)
		}
		for panel := range order.Panels() {
			for tile := range Tiles(s.cols) {
				at := (panel*Tiles(s.cols) + tile) * PanelRows * TileColumns
				for lane := range 32 {
					for i := range 16 {
						row, col := panel*PanelRows+lane/4+i/8*8, tile*TileColumns+lane%4*8+i%8
						if got, want := dst[at+lane*16+i], byte(element(row, col, s.rows, s.cols)); got != want {
							t.Fatalf("%v: row %d, column %d is %d, wanted %d", s, row, col, got, want)
						}
					}
				}
			}
		}
	}
}

func TestPairs(t *testing.T) {
	order, err := Pairs(20)
	if err != nil {
		t.Fatal(err)
	}
	want := Order{
		0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17,
		8, 9, -1, -1, -1, -1, -1, -1, 18, 19, -1, -1, -1, -1, -1, -1,
	}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Error(diff)
	}
	if _, err := Pairs(3); err == nil {
		t.Error("three rows were paired")
	}
}

func TestVectorAndScales(t *testing.T) {
	order, err := Pairs(4)
	if err != nil {
		t.Fatal(err)
	}
	v, err := order.Vector([]float32{1, 2, 3, 4})
	if diff := cmp.Diff([]float32{1, 2, 0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0}, v); diff != "" || err != nil {
		t.Error(diff, err)
	}
	scales, err := Plain(2).Scales([]byte{11, 12, 13, 21, 22, 23}, 3, 1)
	if err != nil || scales[0] != 11 || scales[1] != 21 || scales[16] != 12 || scales[17] != 22 || scales[33] != 23 || scales[2] != 0 {
		t.Error(scales, err)
	}
}

func TestRefusals(t *testing.T) {
	order := Plain(4)
	for reason, err := range map[string]error{
		"a destination too short": order.Tile16(make([]byte, 10), make([]byte, 4*32*2), 32),
		"a source too short":      order.Tile8(make([]byte, order.Bytes(32, 1)), make([]byte, 3*32), 32),
		"a vector too short":      second(order.Vector(make([]float32, 3))),
		"scales too short":        second(order.Scales(make([]byte, 7), 2, 1)),
	} {
		if err == nil {
			t.Errorf("%s: no error", reason)
		}
	}
}

func second[T any](_ T, err error) error { return err }
