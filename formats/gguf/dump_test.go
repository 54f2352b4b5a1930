package gguf

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
	broken := func(change func(*sketch)) []byte {
		s := newSketch()
		s.keys, s.metadata = 4, append(s.metadata, keyed("test.i16", 3, 255, 255), keyText("test.end", "fin"))
		s.tensors, s.infos = 3, append(s.infos, infoOf("c", 1, 96, 3, 1, 2))
		s.data = append(s.data, make([]byte, 32)...)
		change(s)
		return s.bytes()
	}
	value := func(raw []byte) []byte { return broken(func(s *sketch) { s.metadata[1] = raw }) }
	info := func(raw []byte) []byte { return broken(func(s *sketch) { s.infos[1] = raw }) }
	for name, file := range map[string][]byte{
		"sound":     write(t, sampleMetadata, sample()),
		"empty":     nil,
		"version":   broken(func(s *sketch) { s.version = 9 }),
		"key":       value(keyText("test.i16", "x")),
		"text":      value(keyText("test.text", "two\xffwords")),
		"length":    value(arrayHead(0, 1<<40)[4:]),
		"nested":    value(keyed("test.deep", arrayType, arrayHead(arrayType, 1)...)),
		"alignment": value(keyed("general.alignment", 4, 33, 0, 0, 0)),
		"name":      info(infoOf("a", 8, 32, 32)),
		"control":   info(infoOf("b\n", 8, 32, 32)),
		"type":      info(infoOf("b", 5, 32, 32)),
		"row":       info(infoOf("b", 8, 32, 33)),
		"unaligned": info(infoOf("b", 8, 33, 32)),
		"far":       info(infoOf("b", 8, 1<<40, 32)),
		"dims":      info(append(text("b"), 9, 0, 0, 0)),
		"padding":   broken(func(s *sketch) { s.padding, s.data[70] = 1, 1 }),
		"truncated": broken(func(s *sketch) { s.data = s.data[:50] }),
		"header":    broken(func(s *sketch) {})[:100],
		"tail":      broken(func(s *sketch) { s.data = append(s.data, "more"...) }),
	} {
		var out strings.Builder
		if err := Dump(&out, save(t, file)); err != nil {
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
}
