package cola

import (
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"colakit/formats/tensor"
)

// TestRules breaks one rule of the format at a time, in a file whose checksums
// are right.
func TestRules(t *testing.T) {
	u32, u64 := binary.LittleEndian.PutUint32, binary.LittleEndian.PutUint64
	head := func(change func(b []byte)) func([]byte) []byte {
		return func(b []byte) []byte { change(b); reseal(b); return b }
	}
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		want   error
	}{
		{"empty", func(b []byte) []byte { return nil }, ErrShort},
		{"half a superblock", func(b []byte) []byte { return b[:100] }, ErrShort},
		{"another format", func(b []byte) []byte { copy(b, "GGUF"); return b }, ErrMagic},
		{"text mode transfer", func(b []byte) []byte { copy(b, "\x89COLA\n\x1a\x01"); return b }, ErrMagic},
		{"superblock not summed", func(b []byte) []byte { b[20]++; return b }, ErrRoot},
		{"newer version", head(func(b []byte) { u32(b[versionAt:], uint32(newest)+1) }), ErrVersion},
		{"version of what it does not hold", head(func(b []byte) { u32(b[versionAt:], 2) }), ErrVersionHigh},
		{"version 0", head(func(b []byte) { u32(b[versionAt:], 0) }), ErrVersion},
		{"flags", head(func(b []byte) { b[flagsAt] = 1 }), ErrReserved},
		{"reserved", head(func(b []byte) { b[indexSumAt-1] = 1 }), ErrReserved},
		{"larger file size", head(func(b []byte) { u64(b[fileSizeAt:], 1<<62) }), ErrFileSize},
		{"negative file size", head(func(b []byte) { u64(b[fileSizeAt:], 1<<63) }), ErrFileSize},
		{"index of 2^40 bytes", head(func(b []byte) { u64(b[indexBytesAt:], 1<<40) }), ErrIndexSize},
		{"index of −1 bytes", head(func(b []byte) { u64(b[indexBytesAt:], 1<<64-1) }), ErrIndexSize},
		{"index behind the end", head(func(b []byte) { u64(b[indexOffsetAt:], 1<<62) }), ErrIndexSize},
		{"index in the superblock", head(func(b []byte) { u64(b[indexOffsetAt:], 64) }), ErrIndexSize},
		{"index offset negative", head(func(b []byte) { u64(b[indexOffsetAt:], 1<<63) }), ErrIndexSize},
		{"index not summed", func(b []byte) []byte { b[len(b)-3] ^= 1; return b }, ErrIndexSum},
	} {
		_, err := parse("test.cola", c.change(write(t, small(), sampleMeta)))
		checkRule(t, c.name, err, c.want)
	}
}

func checkRule(t *testing.T, name string, err, want error) {
	t.Helper()
	switch {
	case !errors.Is(err, want):
		t.Errorf("%s: error %v, want %v", name, err, want)
	case errors.Is(err, tensor.ErrDamaged) == errors.Is(err, ErrVersion):
		t.Errorf("%s: damage %v of %v", name, errors.Is(err, tensor.ErrDamaged), err)
	case !strings.HasPrefix(err.Error(), "test.cola: ") || strings.Contains(err.Error(), "\n"):
		t.Errorf("%s: the message %q is not one line that starts with the file", name, err)
	}
}

// TestIndexRules forges the index of a sound file.
func TestIndexRules(t *testing.T) {
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	long := strings.Repeat("n", MaxNameBytes)
	for _, c := range []struct {
		name   string
		change func(string) string
		want   error
	}{
		{"empty", func(string) string { return "" }, ErrCount},
		{"not JSON", replace(`{"tensors"`, `["tensors"`), ErrIndexForm},
		{"white space", replace(`{"tensors":5`, `{"tensors": 5`), ErrIndexForm},
		{"key in capitals", replace(`"tensors"`, `"Tensors"`), ErrIndexForm},
		{"key twice", replace(`"type":"f32"`, `"type":"bf16","type":"f32"`), ErrIndexForm},
		{"unknown key", replace(`"type":"f32"`, `"kind":1,"type":"f32"`), ErrIndexForm},
		{"key missing", replace(`"type":"f32",`, ``), ErrIndexForm},
		{"wrong kind of value", replace(`"type":"f32"`, `"type":32`), ErrIndexForm},
		{"unknown type", replace(`"type":"f32"`, `"type":"f8"`), ErrIndexForm},
		{"number beyond int64", replace(`"bytes":64`, `"bytes":99999999999999999999`), ErrIndexForm},
		{"fraction", replace(`"bytes":64`, `"bytes":64.0`), ErrIndexForm},
		{"sum too short", replace(`"blake3":"`, `"blake3":"","x":"`), ErrIndexForm},
		{"trailing line", func(s string) string { return s + "{}\n" }, ErrIndexForm},
		{"no last line feed", func(s string) string { return s[:len(s)-1] }, ErrIndexForm},
		{"line too long", replace(`dit.nothing`, strings.Repeat("n", maxLineBytes)), ErrIndexForm},
		{"more tensors than lines", replace(`"tensors":5`, `"tensors":1000000`), ErrCount},
		{"too many tensors", replace(`"tensors":5`, `"tensors":1048577`), ErrCount},
		{"negative count", replace(`"tensors":5`, `"tensors":-1`), ErrCount},
		{"too many sections", replace(`"sections":5`, `"sections":7`), ErrCount},
		{"fewer sections than lines", replace(`"sections":5`, `"sections":4`), ErrIndexForm},
		{"more sections than lines", replace(`"sections":5`, `"sections":6`), ErrCount},
		{"no name", replace(`dit.nothing`, ``), ErrName},
		{"name too long", replace(`dit.nothing`, long+"n"), ErrName},
		{"name with a line feed", replace(`dit.nothing`, `dit\n`), ErrName},
		{"name with U+FFFD", replace(`dit.nothing`, "dit\uFFFD"), ErrName},
		{"name not UTF-8", replace(`dit.nothing`, "dit\xff"), ErrIndexForm},
		{"name twice", replace(`dit.nothing`, `dit.a.bias`), ErrDuplicate},
		{"type of a later version", replace(`"type":"f32"`, `"type":"i8"`), ErrType},
		{"type f64", replace(`"type":"f32"`, `"type":"f64"`), ErrType},
		{"no shape", replace(`[16]`, `null`), ErrShape},
		{"nine dimensions", replace(`[16]`, `[1,1,1,1,1,1,1,1,16]`), ErrShape},
		{"negative dimension", replace(`[16]`, `[-16]`), ErrShape},
		{"product overflows", replace(`[16]`, `[4294967296,4294967296]`), ErrShape},
		{"bytes overflow", replace(`[16]`, `[4611686018427387904]`), ErrShape},
		{"shape larger than bytes", replace(`[16]`, `[17]`), ErrBytes},
		{"bytes larger than shape", replace(`"bytes":64`, `"bytes":68`), ErrBytes},
		{"hole", replace(`"offset":256`, `"offset":320`), ErrHole},
		{"overlap", replace(`"offset":256`, `"offset":192`), ErrOverlap},
		{"not aligned", replace(`"offset":256`, `"offset":255`), ErrOverlap},
		{"negative offset", replace(`"offset":256`, `"offset":-64`), ErrOverlap},
		{"behind the end", replace(`[0,3],"offset":320,"bytes":0`, `[10000],"offset":320,"bytes":40000`), ErrBounds},
		{"section unknown", replace(`"section":"tokenizer"`, `"section":"tokeniser"`), ErrSection},
		{"section twice", replace(`"section":"tokenizer"`, `"section":"vae_config"`), ErrSection},
		{"sections swapped", replace(`"section":"dit_config"`, `"section":"vae_config"`), ErrSection},
		{"section missing", replace(`"section":"provenance"`, `"section":"generation"`), ErrSection},
		{"section too large", replace(`"bytes":26,`, `"bytes":67108865,`), ErrSection},
		{"section of −1 bytes", replace(`"bytes":26,`, `"bytes":-1,`), ErrSection},
		{"section behind the end", replace(`"bytes":26,`, `"bytes":60000000,`), ErrBounds},
		{"section hole", replace(`"section":"tokenizer","offset":576`, `"section":"tokenizer","offset":640`), ErrHole},
		{"wrong number of sums", replace(`"bytes":128,`, `"bytes":96,`), ErrSection},
	} {
		checkForged(t, c.name, write(t, small(), sampleMeta), c.change, c.want)
	}
}

func checkForged(t *testing.T, name string, sound []byte, change func(string) string, want error) {
	t.Helper()
	raw := string(sound[rawSuperblock(sound).indexOffset:])
	forged := change(raw)
	if forged == raw {
		t.Fatalf("%s: nothing was changed in\n%s", name, raw)
	}
	_, err := parse("test.cola", forgeIndex(sound, []byte(forged)))
	checkRule(t, name, err, want)
}

// TestScalesRules forges the lines of quantised tensors.
func TestScalesRules(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		want           error
	}{
		{"no scales", `"scales":{"group":0,"type":"f32","offset":256,"bytes":12},`, ``, ErrQuantization},
		{"scales null", `"scales":{"group":0,"type":"f32","offset":256,"bytes":12},`, `"scales":null,`, ErrIndexForm},
		{"scales of f32", `"type":"i8","shape":[3,40]`, `"type":"f32","shape":[3,10]`, ErrQuantization},
		{"a vector", `[3,40]`, `[120]`, ErrQuantization},
		{"three dimensions", `[3,40]`, `[3,5,8]`, ErrQuantization},
		{"negative group", `"group":32`, `"group":-32`, ErrQuantization},
		{"unknown group", `"group":32`, `"group":33`, ErrQuantization},
		{"scales of i8", `"type":"f16"`, `"type":"i8"`, ErrQuantization},
		{"scales of bf16", `"type":"f16"`, `"type":"bf16"`, ErrQuantization},
		{"rows too long", `[3,40]`, `[3,4194305]`, ErrQuantization},
		{"group missing", `"group":32,`, ``, ErrIndexForm},
		{"unknown key", `"group":32,`, `"group":32,"bits":8,`, ErrIndexForm},
		{"scales before bytes", `"bytes":120,"scales":{"group":0,"type":"f32","offset":256,"bytes":12}`,
			`"scales":{"group":0,"type":"f32","offset":256,"bytes":12},"bytes":120`, ErrIndexForm},
		{"overflow", `[3,40]`, `[4611686018427387904,1]`, ErrShape},
		{"shape larger than bytes", `[3,40]`, `[4,40]`, ErrBytes},
		{"scales of fewer rows", `"offset":256,"bytes":12`, `"offset":256,"bytes":8`, ErrBytes},
		{"scales of another group", `"group":32`, `"group":64`, ErrBytes},
		{"negative bytes", `"offset":256,"bytes":12`, `"offset":256,"bytes":-12`, ErrBytes},
		{"hole", `"offset":256,"bytes":12`, `"offset":320,"bytes":12`, ErrHole},
		{"scales within the codes", `"offset":256,"bytes":12`, `"offset":192,"bytes":12`, ErrOverlap},
		{"not aligned", `"offset":256,"bytes":12`, `"offset":248,"bytes":12`, ErrOverlap},
		{"wrong number of sums", `"bytes":224,`, `"bytes":192,`, ErrSection},
	} {
		change := func(s string) string { return strings.Replace(s, c.old, c.new, 1) }
		checkForged(t, c.name, write(t, quantized(), sampleMeta), change, c.want)
	}
}

// TestVersions writes the oldest version that holds the tensors, and reads no
// quantised tensor in a file of the first.
func TestVersions(t *testing.T) {
	for want, views := range map[Version][]tensor.View{V1: small(), V2: quantized()} {
		data := write(t, views, sampleMeta)
		if got := mustParse(t, data).Version(); got != want {
			t.Errorf("written in version %d, want %d", got, want)
		}
		binary.LittleEndian.PutUint32(data[versionAt:], uint32(V1+V2-want))
		reseal(data)
		_, err := parse("test.cola", data)
		checkRule(t, "the other version", err, map[Version]error{V1: ErrVersionHigh, V2: ErrType}[want])
	}
}

// TestForgedIndexIsTaken makes sure that forging alone breaks nothing.
func TestForgedIndexIsTaken(t *testing.T) {
	sound := write(t, small(), sampleMeta)
	raw := sound[rawSuperblock(sound).indexOffset:]
	forged := strings.Replace(string(raw), "dit.nothing", strings.Repeat("n", MaxNameBytes), 1)
	if _, err := parse("test.cola", forgeIndex(sound, []byte(forged))); err != nil {
		t.Error(err)
	}
}

// TestIndexHole moves the index behind what should end right before it.
func TestIndexHole(t *testing.T) {
	sound := write(t, small(), sampleMeta)
	s := rawSuperblock(sound)
	raw := append([]byte(nil), sound[s.indexOffset:]...)
	moved := append(append(sound[:s.indexOffset:s.indexOffset], make([]byte, 64)...), raw...)
	binary.LittleEndian.PutUint64(moved[indexOffsetAt:], uint64(s.indexOffset+64))
	binary.LittleEndian.PutUint64(moved[fileSizeAt:], uint64(len(moved)))
	reseal(moved)
	_, err := parse("test.cola", moved)
	checkRule(t, "index moved by 64 bytes", err, ErrHole)
}

// TestLiesDoNotAllocate reads files whose numbers promise gigabytes.
func TestLiesDoNotAllocate(t *testing.T) {
	for _, lie := range []string{
		`{"tensors":1048576,"sections":6}` + "\n",
		`{"tensors":1,"sections":6}` + "\n" + `{"tensor":"a","type":"f32","shape":[1000000000000],"offset":128,"bytes":4000000000000,"blake3":"` + strings.Repeat("0", 64) + `"}` + "\n",
		`{"tensors":1,"sections":6}` + "\n" + `{"tensor":"a","shape":[` + strings.Repeat("0,", 1500) + "0]}\n",
	} {
		data := forgeIndex(write(t, small(), sampleMeta), []byte(lie))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := parse("test.cola", data)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("%.60s: %v", lie, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%.60s: %d bytes allocated for a file of %d", lie, got, len(data))
		}
	}
}
