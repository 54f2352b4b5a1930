package lint

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "colakit/"

// layers is the direction of dependencies: a package imports only from layers
// before its own, never from its own or a later one. A folder stands for the
// packages below it, too; the longest match counts.
var layers = [][]string{
	{"internal"},
	{"formats/dtype"},
	{"formats/tensor"},
	{"formats/safetensors", "formats/cola", "formats/gguf", "formats/hf", "formats/tokenizer"},
	{"quantize"},
	{"golden", "convert", "reference/generate"},
	{"kernels/cuda", "kernels/layout"},
	{"kernels/device", "kernels/ptx"},
	{"kernels/emulated", "kernels/driver", "kernels/device/devicetest", "kernels/ops"},
	{"verify/catalog", "verify/metric"},
	{"verify/operation"},
	{"verify", "reference", "kernels", "kernels/engine"},
	{"verify/selftest"}, // it runs the verifier
	{"verify/listing", "verify/page", "verify/verifytest"},
	{"cmd/internal"},
	{"cmd/internal/bench"}, // it opens models
	{"cmd"},
}

// exceptions name an import that crosses the direction, with the reason.
var exceptions = map[string]string{
	"internal/command -> formats/tensor": "exit codes are read off tensor.ErrDamaged",
	"internal/records -> formats/tensor": "a damaged line is tensor.ErrDamaged",
	"internal/synth -> *":                "a generator of test checkpoints stands on the formats; only programs and tests use it",
	"internal/lint -> *":                 "it looks at everything",
}

// TestImportDirection reads every file of the module and rejects an import that
// goes against the direction, and any use of cgo or spago outside its package.
func TestImportDirection(t *testing.T) {
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue // tests may look across
		}
		from := filepath.ToSlash(filepath.Dir(file))
		for _, path := range imports(t, file) {
			if why := violation(from, path); why != "" {
				t.Errorf("%s imports %s: %s", file, path, why)
			}
		}
	}
}

func violation(from, path string) string {
	switch {
	case path == "C" && from != "kernels" && !strings.HasPrefix(from, "kernels/"):
		return "cgo is for kernels only"
	case strings.HasPrefix(path, "github.com/nlpodyssey/spago") && from != "reference":
		return "spago is for reference only"
	case strings.HasPrefix(path, "gorgonia.org/cu") && !strings.HasPrefix(from, "kernels"):
		return "the CUDA driver is for kernels only"
	case !strings.HasPrefix(path, module):
		return ""
	}
	to := strings.TrimPrefix(path, module)
	if excepted(from, to) || strings.HasPrefix(to, from+"/") && layer(to) == layer(from) {
		return ""
	}
	a, b := layer(from), layer(to)
	switch {
	case a < 0:
		return fmt.Sprintf("%s stands in no layer; add it to layers", from)
	case b < 0:
		return fmt.Sprintf("%s stands in no layer; add it to layers", to)
	case b >= a && !(a == 0 && b == 0): // internal packages may stand on each other
		return "against the direction of dependencies"
	}
	return ""
}

func excepted(from, to string) bool {
	return exceptions[from+" -> "+to] != "" || exceptions[from+" -> *"] != ""
}

func layer(pkg string) int {
	best, length := -1, -1
	for i, names := range layers {
		for _, name := range names {
			if (pkg == name || strings.HasPrefix(pkg, name+"/")) && len(name) > length {
				best, length = i, len(name)
			}
		}
	}
	return best
}

func imports(t *testing.T, file string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, spec := range f.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// TestViolationsAreSeen keeps the rules above from passing everything.
func TestViolationsAreSeen(t *testing.T) {
	for _, c := range []struct{ from, path, reason string }{
		{"verify", "colakit/reference", "same layer"},
		{"reference/generate", "colakit/reference", "an engine"},
		{"formats/cola", "colakit/formats/hf", "formats do not know each other"},
		{"kernels", "colakit/reference", "engines do not know each other"},
		{"formats/dtype", "colakit/formats/tensor", "later layer"},
		{"convert", "C", "cgo"},
		{"verify", "github.com/nlpodyssey/spago/mat", "spago"},
		{"cmd/cola", "gorgonia.org/cu", "driver"},
		{"elsewhere", "colakit/formats/tensor", "unknown folder"},
	} {
		if violation(c.from, c.path) == "" {
			t.Errorf("%s importing %s passes (%s)", c.from, c.path, c.reason)
		}
	}
}

// root is the module's folder, seen from this package.
const root = "../.."

func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || isModule(path)) {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(name, ".go") {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			files = append(files, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("found %d Go files; is %s the module's folder?", len(files), root)
	}
	return files
}

func isModule(dir string) bool {
	found, _ := filepath.Glob(filepath.Join(dir, "go.mod"))
	return len(found) > 0
}
