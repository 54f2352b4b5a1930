package cola

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden dumps anew")

// TestDump holds the dump of a sound file and of damaged ones to golden texts.
func TestDump(t *testing.T) {
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at] ^= 1; return b }
	}
	for name, change := range map[string]func([]byte) []byte{
		"sound":      func(b []byte) []byte { return b },
		"data":       flip(130),
		"padding":    flip(255),
		"superblock": flip(90),
		"sums":       flip(704),
		"index":      func(b []byte) []byte { return forge(b, "dit.nothing", "dit.a.bias") },
		"index-bit":  func(b []byte) []byte { return flip(len(b) - 100)(b) },
		"truncated":  func(b []byte) []byte { return b[:500] },
		"headless":   func(b []byte) []byte { return b[:100] },
		"empty":      func(b []byte) []byte { return nil },
	} {
		checkDump(t, name, change(write(t, small(), sampleMeta)))
	}
	for name, change := range map[string]func([]byte) []byte{
		"scaled":        func(b []byte) []byte { return b },
		"scaled-codes":  flip(390),
		"scaled-scales": flip(580),
		"scaled-index":  func(b []byte) []byte { return forge(b, `"group":32`, `"group":33`) },
	} {
		checkDump(t, name, change(write(t, quantized(), sampleMeta)))
	}
}

func checkDump(t *testing.T, name string, data []byte) {
	t.Helper()
	var out strings.Builder
	if err := Dump(&out, save(t, data)); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	golden := filepath.Join("testdata", "dump-"+name+".txt")
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if diff := cmp.Diff(string(want), out.String()); err != nil || diff != "" {
		t.Errorf("%s: %v; run the test with -update if this is meant (-want +got)\n%s", name, err, diff)
	}
}

func forge(data []byte, old, new string) []byte {
	raw := string(data[rawSuperblock(data).indexOffset:])
	return forgeIndex(data, []byte(strings.Replace(raw, old, new, 1)))
}
