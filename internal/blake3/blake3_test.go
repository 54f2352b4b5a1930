package blake3

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"lukechampine.com/blake3"
)

// sizes are lengths at which the shape of the tree changes.
var sizes = []int{
	0, 1, 63, 64, 65, 1023, 1024, 1025, 2048, 2049, 3 << 10, 16<<10 - 1, 16 << 10, 16<<10 + 1,
	17 << 10, 31<<10 + 5, 32 << 10, 48 << 10, 48<<10 + 1, 100_000, 1 << 20, 1<<20 + 1,
	PartSize - 1, PartSize, PartSize + 1, 3*PartSize + 77,
}

func random(n int) []byte {
	data := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(data)
	return data
}

func TestOf(t *testing.T) {
	data := random(slices.Max(sizes))
	for _, n := range sizes {
		if got, want := Of(data[:n:n]), Sum(blake3.Sum256(data[:n])); got != want {
			t.Errorf("%d bytes: sum %v, want %v", n, got, want)
		}
	}
}

// TestOfEmpty pins the published test vector, independent of the module.
func TestOfEmpty(t *testing.T) {
	const want = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
	if got := Of(nil).String(); got != want {
		t.Errorf("sum of nothing is %s, want %s", got, want)
	}
}

func TestJoin(t *testing.T) {
	data := random(5*PartSize + 12345)
	for _, n := range append(sizes, 2*PartSize, 4*PartSize, len(data)) {
		var parts []Part
		for at := 0; at < n; at += PartSize {
			parts = append(parts, OfPart(data[at:min(n, at+PartSize)], len(parts)))
		}
		if got, want := Join(parts), Sum(blake3.Sum256(data[:n])); got != want {
			t.Errorf("%d bytes in %d parts: sum %v, want %v", n, len(parts), got, want)
		}
	}
}

// TestStoredPart joins parts that were stored.
func TestStoredPart(t *testing.T) {
	data := random(5*PartSize + 12345)
	for _, n := range []int{PartSize + 1, 2 * PartSize, 3*PartSize + 77, len(data)} {
		var parts []Part
		for at := 0; at < n; at += PartSize {
			parts = append(parts, StoredPart(OfPart(data[at:min(n, at+PartSize)], len(parts)).Value()))
		}
		if got, want := Join(parts), Sum(blake3.Sum256(data[:n])); got != want {
			t.Errorf("%d bytes in %d stored parts: sum %v, want %v", n, len(parts), got, want)
		}
	}
}

func TestInParts(t *testing.T) {
	data := random(3*PartSize + 1000)
	for _, n := range []int{0, 1, PartSize, PartSize + 1, len(data)} {
		var seen []byte
		got := InParts(data[:n], func(part []byte) { seen = append(seen, part...) })
		if want := Of(data[:n]); got != want || !bytes.Equal(seen, data[:n]) {
			t.Errorf("%d bytes: sum %v, want %v; %d bytes were seen", n, got, want, len(seen))
		}
	}
}

func TestSumText(t *testing.T) {
	want := Of([]byte("cola"))
	text, _ := want.MarshalText()
	var got Sum
	if err := got.UnmarshalText(text); err != nil || got != want {
		t.Errorf("%s read as %v, %v", text, got, err)
	}
	for _, bad := range []string{"", "12", string(text) + "0", string(text[:62]) + "zz"} {
		if err := got.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	data := random(PartSize)
	b.SetBytes(PartSize)
	for b.Loop() {
		Of(data)
	}
}
