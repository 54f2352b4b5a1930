package quantize

import (
	"math/rand/v2"
	"testing"

	"colakit/formats/dtype"
)

// marked are codes that Scan looks for, as bytes, in the order of memory.
var marked = map[dtype.Type][][]byte{
	dtype.F64:  {{0, 0, 0, 0, 0, 0, 0xf0, 0x7f}, {1, 0, 0, 0, 0, 0, 0xf0, 0xff}},
	dtype.F32:  {{0, 0, 0x80, 0x7f}, {1, 0, 0x80, 0xff}},
	dtype.F16:  {{0, 0x7c}, {1, 0xfc}},
	dtype.BF16: {{0x80, 0x7f}, {0x81, 0xff}},
	dtype.I8:   {{0x80}},
}

// TestScanFinds puts what must not be, or what is not zero, at every place of
// data that is long enough for every kernel.
func TestScanFinds(t *testing.T) {
	inUse := fastest
	defer func() { fastest = inUse }()
	for _, fastest = range kernels() {
		for typ, codes := range marked {
			size := typ.Size()
			for _, n := range []int{256, 256 + 8*size, 128 + 9*size} {
				data := make([]byte, n)
				wantScan(t, data, typ, true, true)
				for at := 0; at < n; at += size {
					for _, code := range codes {
						copy(data[at:], code)
						wantScan(t, data, typ, false, false)
					}
					clear(data[at : at+size])
					data[at] = 1 // finite, the smallest there is, not −128
					wantScan(t, data, typ, true, false)
					data[at] = 0
				}
			}
		}
	}
}

func wantScan(t *testing.T, data []byte, typ dtype.Type, sound, zero bool) {
	t.Helper()
	gotSound, gotZero, err := Scan(data, typ)
	if err != nil || gotSound != sound || gotZero != zero {
		t.Fatalf("%s, %d bytes of %v: sound %v, zero %v, %v; want %v, %v", fastest, len(data), typ, gotSound, gotZero, err, sound, zero)
	}
}

// FuzzScan holds the kernels to the plain scans, to the bit.
func FuzzScan(f *testing.F) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 5))
		data := make([]byte, r.IntN(600))
		for i := range data {
			if bits := r.Uint32(); r.IntN(4) == 0 {
				data[i] = byte(bits) & byte(bits>>8) // few ones
			}
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for typ, m := range masks {
			carries, any := m.scan(data)
			if wantCarries, wantAny := m.plainScan(data); carries != wantCarries || any != wantAny {
				t.Errorf("%d bytes of %v: %x, %x; plain Go %x, %x", len(data), typ, carries, any, wantCarries, wantAny)
			}
		}
		lowest, any := scanCodes(data)
		if wantLowest, wantAny := plainScanCodes(data); lowest != wantLowest || any != wantAny {
			t.Errorf("%d codes: %x, %x; plain Go %x, %x", len(data), lowest, any, wantLowest, wantAny)
		}
	})
}
