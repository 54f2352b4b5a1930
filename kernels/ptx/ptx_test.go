package ptx

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/kernels/cuda"
)

// TestFresh compares the sum of the sources that scripts/ptx.sh wrote into the
// PTX with that of the sources now.
func TestFresh(t *testing.T) {
	files, err := fs.Glob(cuda.Sources, "*")
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder // as sha256sum prints it, sorted by name
	for _, name := range files {
		text, err := cuda.Sources.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(text), name)
	}
	want := fmt.Sprintf("// sources %x\n", sha256.Sum256([]byte(list.String())))
	for name, text := range map[string]string{"sm_80": sm80, "sm_90a": sm90a} {
		if !strings.Contains(text, want) {
			t.Errorf("kernels.%s.ptx was made from other sources: run scripts/ptx.sh", name)
		}
	}
}

var (
	entry     = regexp.MustCompile(`(?s)\.entry (\w+)\(\s*(.*?)\)\s*\.maxntid (\d+)`)
	parameter = regexp.MustCompile(`\.param \.[a-z](\d+)`)
)

// TestDeclarations expects the kernels of the sources in the PTX, with the same
// parameters and launch bounds.
func TestDeclarations(t *testing.T) {
	kernels, err := cuda.Kernels()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]int{}
	for _, k := range kernels {
		want[k.Name] = []int{k.MaxThreads}
		for _, p := range k.Parameters {
			want[k.Name] = append(want[k.Name], 8*p.Kind.Size())
		}
	}
	for name, text := range map[string]string{"sm_80": sm80, "sm_90a": sm90a} {
		got := map[string][]int{}
		for _, e := range entry.FindAllStringSubmatch(text, -1) {
			got[e[1]] = []int{number(e[3])}
			for _, p := range parameter.FindAllStringSubmatch(e[2], -1) {
				got[e[1]] = append(got[e[1]], number(p[1]))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("kernels.%s.ptx: launch bounds and bits of parameters (-sources +PTX)\n%s", name, diff)
		}
	}
}

func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

func TestImage(t *testing.T) {
	for capability, target := range map[string]string{"8.0": "sm_80", "8.9": "sm_80", "9.0": "sm_90a", "10.0": "sm_80", "12.0": "sm_80"} {
		text, err := Image(capability)
		if err != nil || !strings.Contains(text, "\n.target "+target+"\n") {
			t.Errorf("%s: no PTX for %s, %v", capability, target, err)
		}
	}
	for capability, part := range map[string]string{"7.5": "7.5 is too old", "": `capability ""`} {
		if _, err := Image(capability); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", capability, err)
		}
	}
}
