package quantize

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/quantize/int8"
)

// convertRows converts a matrix as one tile, in pieces of so many elements.
func convertRows(t testing.TB, c Cast, src []byte, cols, piece int) (codes, scales []byte, tally Tally) {
	t.Helper()
	rows := len(src) / c.From.Size() / cols
	shape := tensor.Shape{rows, cols}
	n, m, err := c.To.Layout(shape)
	if err != nil {
		t.Fatal(err)
	}
	codes, scales = make([]byte, n), make([]byte, m)
	tile, err := NewTile(codes, scales, c, shape, 0)
	if err != nil {
		t.Fatal(err)
	}
	for size := c.From.Size(); len(src) > 0; {
		k := min(piece*size, len(src))
		if err := tile.Write(src[:k]); err != nil {
			t.Fatal(err)
		}
		src = src[k:]
	}
	if tally, err = tile.Tally(); err != nil {
		t.Fatal(err)
	}
	return codes, scales, tally
}

// TestRows holds a tile to the codec, for every type of source, rows shorter and
// longer than what waits to be encoded, and pieces that cut rows anywhere.
func TestRows(t *testing.T) {
	for _, from := range []dtype.Type{dtype.F32, dtype.F16, dtype.BF16, dtype.F64} {
		for _, s := range []Scheme{Int8, Int8G32, Int8G64.Clipped(int8.MSE)} {
			for _, shape := range [][2]int{{1, 1}, {7, 33}, {70, 1000}, {3, pendingElements + 5}} {
				rows, cols := shape[0], shape[1]
				src := encode(t, weights(rows*cols), from)
				x := make([]float32, rows*cols)
				if err := dtype.Float32s(x, src, from); err != nil {
					t.Fatal(err)
				}
				n, m, _ := s.Layout(tensor.Shape{rows, cols})
				codes, scales := make([]byte, n), make([]byte, m)
				seen, err := int8.Quantize(codes, scales, x, rows, cols, s.int8())
				if err != nil {
					t.Fatal(err)
				}
				for _, piece := range []int{1 << 30, cols, cols + 1, 3*cols - 1, 777} {
					gotCodes, gotScales, tally := convertRows(t, Cast{From: from, To: s}, src, cols, piece)
					if !bytes.Equal(gotCodes, codes) || !bytes.Equal(gotScales, scales) {
						t.Fatalf("%v of %v to %v in pieces of %d: other codes or scales than the codec's", shape, from, s, piece)
					}
					if tally.rows != seen || tally.Elements() != n {
						t.Fatalf("%v of %v to %v in pieces of %d: another tally", shape, from, s, piece)
					}
				}
			}
		}
	}
}

// TestRowTiles cuts a matrix into tiles of rows: the same bytes and, to the bit, the
// same figures.
func TestRowTiles(t *testing.T) {
	const rows, cols = 40, 96
	c := Cast{From: dtype.F32, To: Int8G64}
	src := encode(t, weights(rows*cols), dtype.F32)
	codes, scales, whole := convertRows(t, c, src, cols, 1000)
	for _, perTile := range []int{1, 7, 39, 40} {
		var got, gotScales []byte
		var sum Tally
		for first := 0; first < rows; first += perTile {
			n := min(perTile, rows-first)
			tileCodes, tileScales := make([]byte, n*cols), make([]byte, n*4)
			tile, err := NewTile(tileCodes, tileScales, c, tensor.Shape{rows, cols}, int64(first*cols))
			if err != nil {
				t.Fatal(err)
			}
			if err := tile.Write(src[4*first*cols : 4*(first+n)*cols]); err != nil {
				t.Fatal(err)
			}
			tally, err := tile.Tally()
			if err != nil {
				t.Fatal(err)
			}
			sum.Add(tally)
			got, gotScales = append(got, tileCodes...), append(gotScales, tileScales...)
		}
		if !bytes.Equal(got, codes) || !bytes.Equal(gotScales, scales) {
			t.Errorf("tiles of %d rows: other bytes", perTile)
		}
		if diff := cmp.Diff(whole.Figures(), sum.Figures()); diff != "" {
			t.Errorf("tiles of %d rows: other figures (-whole +tiles)\n%s", perTile, diff)
		}
	}
}

// TestFloatTile converts without scales, as Convert does.
func TestFloatTile(t *testing.T) {
	c := Cast{From: dtype.F32, To: BF16}
	src := encode(t, weights(3000), dtype.F32)
	want, seen := convert(t, c, src)
	got := make([]byte, len(want))
	tile, err := NewTile(got, nil, c, tensor.Shape{3000}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tile.Tally(); err == nil {
		t.Error("an empty tile is full")
	}
	for at := 0; at < 3000; at += 999 {
		if err := tile.Write(src[4*at : 4*min(at+999, 3000)]); err != nil {
			t.Fatal(err)
		}
	}
	tally, err := tile.Tally()
	if err != nil || !bytes.Equal(got, want) || tally.Figures() != seen.Figures() {
		t.Errorf("%v, figures %+v, want %+v", err, tally.Figures(), seen.Figures())
	}
	if err := tile.Write(src[:4]); err == nil {
		t.Error("a full tile takes more")
	}
}

// TestInt8Figures holds the figures to their definitions, element by element.
func TestInt8Figures(t *testing.T) {
	const rows, cols = 30, 50
	x := weights(rows * cols)
	x[17*cols+3] = 100 // spoils its row, and is alone with a code
	codes, scales, tally := convertRows(t, Cast{From: dtype.F32, To: Int8}, encode(t, x, dtype.F32), cols, 64)
	v := tensor.View{Desc: Int8.Desc("x", tensor.Shape{rows, cols}), Data: codes, Scales: scales}
	y, err := v.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	source := decode(t, encode(t, x, dtype.F32), dtype.F32)
	want := figuresOf(source, y)
	want.Underflow = 0
	want.Int8 = Int8Figures{SQNR: Decibels(-20 * math.Log10(want.RelL2)), AbsMaxRelL2: want.RelL2}
	for r := range rows {
		f := figuresOf(source[r*cols:(r+1)*cols], y[r*cols:(r+1)*cols])
		if f.RelL2 > want.Int8.WorstChannelRelL2 {
			want.Int8.WorstChannel, want.Int8.WorstChannelRelL2 = int64(r), f.RelL2
		}
	}
	for _, code := range codes {
		if code == 0 {
			want.Int8.Zero += 1. / (rows * cols)
		}
	}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-6*math.Abs(b) })
	nearSQNR := cmp.Comparer(func(a, b Decibels) bool { return math.Abs(float64(a-b)) <= 1e-5 })
	if diff := cmp.Diff(want, tally.Figures(), near, nearSQNR); diff != "" {
		t.Errorf("figures (-want +got)\n%s", diff)
	}
	if f := tally.Figures(); f.Int8.Zero < 0.03 || f.Largest != 100 {
		t.Errorf("figures %+v of a matrix with a row of zeros but one", f)
	}
}

// TestClippingGains clips an outlier that spoils a row.
func TestClippingGains(t *testing.T) {
	x := weights(4096)
	x[100] = 0.3
	_, _, tally := convertRows(t, Cast{From: dtype.F32, To: Int8.Clipped(int8.MSE)}, encode(t, x, dtype.F32), 4096, 4096)
	if f := tally.Figures(); !(f.RelL2 < f.Int8.AbsMaxRelL2) || f.Int8.Clipped != 1./4096 {
		t.Errorf("figures %+v, want less error than without clipping one element", f)
	}
}

func TestFiguresJSON(t *testing.T) {
	_, _, tally := convertRows(t, Cast{From: dtype.F32, To: Int8}, encode(t, weights(300), dtype.F32), 100, 100)
	_, _, zeros := convertRows(t, Cast{From: dtype.F32, To: Int8}, make([]byte, 400), 10, 100)
	for _, want := range []Figures{tally.Figures(), zeros.Figures(), {}, {RelL2: 0.5}} {
		raw, err := json.Marshal(want)
		var got Figures
		if err != nil || json.Unmarshal(raw, &got) != nil || got != want {
			t.Errorf("%s reads back as %+v, %v", raw, got, err)
		}
		if widest, err := json.Marshal(Int8.WidestFigures(1000)); err != nil || len(raw) > len(widest) {
			t.Errorf("%s is longer than %s, %v", raw, widest, err)
		}
	}
	raw, err := json.Marshal(Figures{})
	if want := `{"rel_l2":0,"max_abs":0,"max_abs_index":0,"underflow":0,"largest":0}`; err != nil || string(raw) != want {
		t.Errorf("figures without codes are %s, want %s", raw, want)
	}
}

// TestRowsUnstorable finds what has no code, where it is in the tensor, once.
func TestRowsUnstorable(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	half := Scheme{Type: dtype.I8, Scale: dtype.F16}
	for _, c := range []struct {
		name           string
		cast           Cast
		value          float64
		nan, inf, over int64
	}{
		{"NaN", Cast{From: dtype.F32, To: Int8}, nan, 1, 0, 0},
		{"NaN in bf16", Cast{From: dtype.BF16, To: Int8G32}, nan, 1, 0, 0},
		{"NaN in f64", Cast{From: dtype.F64, To: Int8}, nan, 1, 0, 0},
		{"NaN, loaded", Cast{From: dtype.F32, Load: dtype.BF16, To: Int8}, nan, 1, 0, 0},
		{"Inf", Cast{From: dtype.F32, To: Int8}, -inf, 0, 1, 0},
		{"Inf in f16", Cast{From: dtype.F16, To: Int8}, inf, 0, 1, 0},
		{"Inf, loaded", Cast{From: dtype.F32, Load: dtype.F16, To: Int8}, inf, 0, 1, 0},
		{"largest f32", Cast{From: dtype.F32, To: Int8}, math.MaxFloat32, 0, 0, 0},
		{"beyond f32", Cast{From: dtype.F64, To: Int8}, 1e39, 0, 0, 1},
		{"beyond an f16 scale", Cast{From: dtype.F32, To: half}, 9e6, 0, 0, 1},
		{"beyond an f16 scale in f64", Cast{From: dtype.F64, To: half}, -9e6, 0, 0, 1},
		{"beyond an f16 scale once loaded", Cast{From: dtype.F32, Load: dtype.BF16, To: half}, 8351759, 0, 0, 1},
		{"loaded as f16", Cast{From: dtype.F32, Load: dtype.F16, To: Int8}, 1e5, 0, 0, 1},
		{"loaded as f16 from f64", Cast{From: dtype.F64, Load: dtype.F16, To: Int8}, 1e5, 0, 0, 1},
	} {
		const cols = 500
		for _, at := range []int64{0, 499, 500, 2100} {
			x := weights(6 * cols)
			x[at] = c.value
			codes, _, tally := convertRows(t, c.cast, encode(t, x, c.cast.From), cols, 333)
			for kind, o := range map[string]struct {
				got  Occurrence
				want int64
			}{"NaN": {tally.NaN, c.nan}, "Inf": {tally.Inf, c.inf}, "overflow": {tally.Overflow, c.over}} {
				if o.got.Count != o.want || o.want > 0 && o.got.Index != at {
					t.Errorf("%s at %d: %s seen %d times, first at %d", c.name, at, kind, o.got.Count, o.got.Index)
				}
			}
			row := codes[at/cols*cols:][:cols]
			if bad := c.nan+c.inf+c.over > 0; bad != bytes.Equal(row, make([]byte, cols)) {
				t.Errorf("%s at %d: codes of its row are %v", c.name, at, row[:9])
			}
		}
	}
}

// TestUnstorableInTensor counts the elements of the tiles before.
func TestUnstorableInTensor(t *testing.T) {
	src := encode(t, []float64{1, 2, math.NaN(), 4}, dtype.F32)
	tile, err := NewTile(make([]byte, 4), make([]byte, 8), Cast{From: dtype.F32, To: Int8}, tensor.Shape{100, 2}, 60)
	if err != nil {
		t.Fatal(err)
	}
	if err := tile.Write(src); err != nil {
		t.Fatal(err)
	}
	if tally, err := tile.Tally(); err != nil || tally.NaN.Index != 62 {
		t.Errorf("NaN at %d, %v, want 62", tally.NaN.Index, err)
	}
}

// TestRowsLoad rounds as the model's loader does before codes are made.
func TestRowsLoad(t *testing.T) {
	x := weights(64)
	loaded := decode(t, encode(t, x, dtype.BF16), dtype.BF16)
	want, wantScales, _ := convertRows(t, Cast{From: dtype.F32, To: Int8}, encode(t, loaded, dtype.F32), 32, 32)
	for _, from := range []dtype.Type{dtype.F32, dtype.F64} {
		codes, scales, _ := convertRows(t, Cast{From: from, Load: dtype.BF16, To: Int8}, encode(t, x, from), 32, 10)
		if !bytes.Equal(codes, want) || !bytes.Equal(scales, wantScales) {
			t.Errorf("%v loaded as bf16: other codes than of bf16", from)
		}
	}
}

func TestTileRefuses(t *testing.T) {
	rows := tensor.Shape{4, 8}
	c, f := Cast{From: dtype.F32, To: Int8}, Cast{From: dtype.F32, To: F16}
	for name, err := range map[string]error{
		"half a row":         second(NewTile(make([]byte, 12), make([]byte, 4), c, rows, 0)),
		"first within a row": second(NewTile(make([]byte, 16), make([]byte, 8), c, rows, 4)),
		"scales missing":     second(NewTile(make([]byte, 16), nil, c, rows, 0)),
		"scales of floats":   second(NewTile(make([]byte, 16), make([]byte, 4), f, rows, 0)),
		"half an element":    second(NewTile(make([]byte, 15), nil, f, rows, 0)),
		"a vector":           second(NewTile(make([]byte, 32), make([]byte, 4), c, tensor.Shape{32}, 0)),
		"codes clamped":      second(NewTile(make([]byte, 16), make([]byte, 8), Cast{From: dtype.F32, To: Int8, Clamp: true}, rows, 0)),
		"codes by Convert":   Convert(make([]byte, 4), make([]byte, 16), c, 0, new(Tally)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, c := range []Cast{c, f} {
		tile, err := NewTile(make([]byte, 32*c.To.Type.Size()), make([]byte, 16*(2-c.To.Type.Size())), c, rows, 0)
		if err != nil {
			t.Fatal(err)
		}
		if tile.Write(make([]byte, 5)) == nil || tile.Write(make([]byte, 33*4)) == nil {
			t.Errorf("%v: a piece of half an element or of too many is taken", c.To)
		}
	}
	if tile, err := NewTile(nil, nil, Cast{From: dtype.F32, To: Int8}, tensor.Shape{0, 8}, 0); err != nil || tile.Write(nil) != nil {
		t.Errorf("no rows: %v", err)
	}
	integers, _ := NewTile(make([]byte, 8), make([]byte, 4), Cast{From: dtype.I32, To: Int8}, tensor.Shape{1, 8}, 0)
	if integers.Write(make([]byte, 32)) == nil {
		t.Error("integers are taken")
	}
}

func BenchmarkRows(b *testing.B) {
	const rows, cols = 1024, 2048
	for _, from := range []dtype.Type{dtype.F32, dtype.BF16} {
		src := encode(b, weights(rows*cols), from)
		for _, s := range []Scheme{Int8, Int8G32} {
			b.Run(from.String()+"/"+s.String(), func(b *testing.B) {
				b.SetBytes(int64(len(src)))
				for b.Loop() {
					convertRows(b, Cast{From: from, To: s}, src, cols, 1<<18)
				}
			})
		}
	}
}
