package gguf

import (
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"colakit/formats/tensor"
)

// TestRules breaks one rule of the format at a time.
func TestRules(t *testing.T) {
	long := strings.Repeat("n", MaxNameBytes+1)
	u64 := func(n uint64) []byte { return arrayHead(0, n)[4:] }
	value := func(number uint32, raw ...byte) func(*sketch) {
		return func(s *sketch) { s.metadata[1] = keyed("test.flag", number, raw...) }
	}
	info := func(raw []byte) func(*sketch) { return func(s *sketch) { s.infos[1] = raw } }
	for _, c := range []struct {
		name   string
		change func(*sketch)
		want   error
	}{
		{"another format", func(s *sketch) { s.magic = "GGML" }, ErrMagic},
		{"version 0", func(s *sketch) { s.version = 0 }, ErrVersion},
		{"newer version", func(s *sketch) { s.version = 4 }, ErrVersion},
		{"too many tensors", func(s *sketch) { s.tensors = MaxTensors + 1 }, ErrCount},
		{"−1 tensors", func(s *sketch) { s.tensors = math.MaxUint64 }, ErrCount},
		{"too many keys", func(s *sketch) { s.keys = MaxKeys + 1 }, ErrCount},
		{"more tensors than infos", func(s *sketch) { s.tensors, s.data, s.align = 3, nil, 1 }, ErrShort},
		{"key of 2^63 bytes", func(s *sketch) { s.metadata[1] = u64(1 << 63) }, ErrLength},
		{"key longer than the file", func(s *sketch) { s.metadata[1] = u64(4000) }, ErrLength},
		{"no key", func(s *sketch) { s.metadata[1] = keyText("", "x") }, ErrKey},
		{"key too long", func(s *sketch) { s.metadata[1] = keyText(strings.Repeat("k", MaxKeyBytes+1), "x") }, ErrKey},
		{"key with a space", func(s *sketch) { s.metadata[1] = keyText("test flag", "x") }, ErrKey},
		{"key beyond ASCII", func(s *sketch) { s.metadata[1] = keyText("test.ü", "x") }, ErrKey},
		{"key not UTF-8", func(s *sketch) { s.metadata[1] = keyText("test.\xff", "x") }, ErrUTF8},
		{"key twice", func(s *sketch) { s.metadata[1] = s.metadata[0] }, ErrDuplicateKey},
		{"unknown type of value", value(13), ErrValueType},
		{"type of value −1", value(math.MaxUint32), ErrValueType},
		{"unknown type of elements", value(arrayType, arrayHead(13, 0)...), ErrValueType},
		{"array of arrays", value(arrayType, arrayHead(arrayType, 0)...), ErrNesting},
		{"bool of 2", value(boolType, 2), ErrBool},
		{"bool of 255 in an array", value(arrayType, append(arrayHead(boolType, 2), 1, 255)...), ErrBool},
		{"text of 2^64−1 bytes", value(stringType, u64(math.MaxUint64)...), ErrLength},
		{"text longer than the file", value(stringType, u64(4000)...), ErrLength},
		{"text not UTF-8", value(stringType, text("\xc3\x28")...), ErrUTF8},
		{"text in an array not UTF-8", value(arrayType, append(arrayHead(stringType, 1), text("\xff")...)...), ErrUTF8},
		{"array too long", value(arrayType, arrayHead(0, MaxLength+1)...), ErrLength},
		{"array longer than the file", value(arrayType, arrayHead(12, 30)...), ErrLength},
		{"array of texts longer than the file", value(arrayType, arrayHead(stringType, 30)...), ErrLength},
		{"array of 2^63 elements", value(arrayType, arrayHead(10, 1<<63)...), ErrLength},
		{"alignment of another type", func(s *sketch) { s.metadata[1] = keyed("general.alignment", 5, 32, 0, 0, 0) }, ErrAlignment},
		{"alignment 0", func(s *sketch) { s.metadata[1] = keyed("general.alignment", 4, 0, 0, 0, 0) }, ErrAlignment},
		{"alignment 4", func(s *sketch) { s.metadata[1] = keyed("general.alignment", 4, 4, 0, 0, 0) }, ErrAlignment},
		{"alignment 48", func(s *sketch) { s.metadata[1] = keyed("general.alignment", 4, 48, 0, 0, 0) }, ErrAlignment},
		{"alignment 2^31", func(s *sketch) { s.metadata[1] = keyed("general.alignment", 4, 0, 0, 0, 128) }, ErrAlignment},
		{"no name", info(infoOf("", 8, 32, 32)), ErrName},
		{"name too long", info(infoOf(long, 8, 32, 32)), ErrName},
		{"name with a zero", info(infoOf("b\x00c", 8, 32, 32)), ErrName},
		{"name with a line feed", info(infoOf("b\n", 8, 32, 32)), ErrName},
		{"name not UTF-8", info(infoOf("b\xff", 8, 32, 32)), ErrUTF8},
		{"name twice", info(infoOf("a", 8, 32, 32)), ErrDuplicateTensor},
		{"five dimensions", info(infoOf("b", 0, 32, 1, 1, 1, 1, 1)), ErrDimensions},
		{"2^32−1 dimensions", info(append(text("b"), 255, 255, 255, 255)), ErrDimensions},
		{"dimension of 2^63", info(infoOf("b", 0, 32, 1<<63)), ErrShape},
		{"product overflows", info(infoOf("b", 0, 32, 1<<32, 1<<32)), ErrShape},
		{"bytes overflow", info(infoOf("b", 28, 32, 1<<62)), ErrShape},
		{"type that was removed", info(infoOf("b", 4, 32, 32)), ErrType},
		{"type to come", info(infoOf("b", 43, 32, 32)), ErrType},
		{"type −1", info(infoOf("b", math.MaxUint32, 32, 32)), ErrType},
		{"row of 33 in blocks of 32", info(infoOf("b", 8, 32, 33)), ErrRow},
		{"rows that make blocks only together", info(infoOf("b", 8, 32, 16, 2)), ErrRow},
		{"scalar in blocks", info(infoOf("b", 8, 32)), ErrRow},
		{"offset not aligned", info(infoOf("b", 8, 33, 32)), ErrUnaligned},
		{"offset behind a hole", info(infoOf("b", 8, 64, 32)), ErrHole},
		{"offset of the tensor before", info(infoOf("b", 8, 0, 32)), ErrOverlap},
		{"first offset not 0", func(s *sketch) { s.infos[0] = infoOf("a", 0, 32, 3, 2) }, ErrHole},
		{"offset of 2^64−32", info(infoOf("b", 8, math.MaxUint64-31, 32)), ErrBounds},
		{"offset of 2^63−32", info(infoOf("b", 8, math.MaxInt64-31, 32)), ErrBounds},
		{"tensor behind the end", info(infoOf("b", 8, 32, 32, 3)), ErrBounds},
		{"tensor of 2^60 bytes", info(infoOf("b", 24, 32, 1<<60)), ErrBounds},
		{"file cut in a tensor", func(s *sketch) { s.data = s.data[:60] }, ErrBounds},
		{"file cut in the last padding", func(s *sketch) { s.data = s.data[:80] }, ErrFileSize},
		{"file with a tail", func(s *sketch) { s.data = append(s.data, 0) }, ErrFileSize},
		{"padding before the data", func(s *sketch) { s.padding = 1 }, ErrPadding},
		{"data without tensors", func(s *sketch) { s.tensors, s.infos = 0, nil }, ErrFileSize},
	} {
		s := newSketch()
		c.change(s)
		_, err := Parse(s.bytes())
		switch {
		case !errors.Is(err, c.want) || !errors.Is(err, tensor.ErrDamaged):
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		case strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: the message %q is not one line", c.name, err)
		}
	}
}

// TestSketchesAreTaken makes sure that sketching alone breaks nothing, and that
// what is only unusual is read.
func TestSketchesAreTaken(t *testing.T) {
	for name, change := range map[string]func(*sketch){
		"as it is":           func(s *sketch) {},
		"version 2":          func(s *sketch) { s.version = 2 },
		"no last padding":    func(s *sketch) { s.data = s.data[:32+q8Bytes] },
		"a scalar":           func(s *sketch) { s.infos[0], s.data = infoOf("a", 0, 0), s.data[:] },
		"an empty tensor":    func(s *sketch) { s.infos[1], s.data = infoOf("b", 0, 32, 0), s.data[:32] },
		"a name of 64 bytes": func(s *sketch) { s.infos[0] = infoOf(strings.Repeat("n", MaxNameBytes), 0, 0, 3, 2) },
		"a key in capitals":  func(s *sketch) { s.metadata[1] = keyText("Test-Key", "x") },
		"no tensors":         func(s *sketch) { s.tensors, s.infos, s.data = 0, nil, nil },
		"nothing at all":     func(s *sketch) { *s = sketch{magic: "GGUF", version: 3, align: 1} },
		"an alignment of 8": func(s *sketch) {
			s.metadata[1], s.align = keyed("general.alignment", 4, 8, 0, 0, 0), 8
			s.infos[1], s.data = infoOf("b", 8, 24, 32), make([]byte, 24+40)
		},
	} {
		s := newSketch()
		change(s)
		if _, err := Parse(s.bytes()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnsupported: what other programs may read is no damage.
func TestUnsupported(t *testing.T) {
	for _, version := range []uint32{1, 1 << 24, 3 << 24} {
		s := newSketch()
		s.version = version
		if _, err := Parse(s.bytes()); !errors.Is(err, ErrUnsupported) || errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("version %#x: %v", version, err)
		}
	}
}

// TestEveryLength cuts a file at every length.
func TestEveryLength(t *testing.T) {
	data := write(t, sampleMetadata, sample())
	unpadded := len(data) - 24 // the last tensor has 40 bytes
	for n := range len(data) {
		if _, err := Parse(data[:n:n]); n != unpadded && !errors.Is(err, tensor.ErrDamaged) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(data), err)
		}
	}
}

// TestLiesDoNotAllocate reads files whose numbers promise gigabytes.
func TestLiesDoNotAllocate(t *testing.T) {
	for name, change := range map[string]func(*sketch){
		"counts": func(s *sketch) { s.tensors, s.keys = MaxTensors, MaxKeys },
		"text":   func(s *sketch) { s.metadata[1] = keyed("t", stringType, arrayHead(0, MaxLength)[4:]...) },
		"array":  func(s *sketch) { s.metadata[1] = keyed("t", arrayType, arrayHead(12, MaxLength)...) },
		"texts":  func(s *sketch) { s.metadata[1] = keyed("t", arrayType, arrayHead(stringType, MaxLength)...) },
		"tensor": func(s *sketch) { s.infos[1] = infoOf("b", 8, 32, 1<<40) },
	} {
		s := newSketch()
		change(s)
		data := s.bytes()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse(data)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<16 {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, got, len(data))
		}
	}
}

// TestHeaderLimit reads on to where the metadata of a large file must have ended.
func TestHeaderLimit(t *testing.T) {
	file := make([]byte, MaxHeaderBytes+100)
	s := newScanner(file)
	s.at = MaxHeaderBytes - 30
	if s.take(30); s.err != nil {
		t.Errorf("up to the limit: %v", s.err)
	}
	if s.take(1); !errors.Is(s.err, ErrHeaderSize) {
		t.Errorf("behind the limit: %v", s.err)
	}
	file[MaxHeaderBytes-30] = 23
	s = newScanner(file)
	s.at = MaxHeaderBytes - 30
	if s.length(1); !errors.Is(s.err, ErrHeaderSize) {
		t.Errorf("a text across the limit: %v", s.err)
	}
}
