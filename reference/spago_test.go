package reference

import (
	"go/parser"
	"go/token"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The dangers of spago's matrices and operators stay in spago.go.
func TestOneFileKnowsSpagosMatrices(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			if strings.HasPrefix(path, "github.com/nlpodyssey/spago/") && path != "github.com/nlpodyssey/spago/nn" &&
				file != "spago.go" && !strings.HasSuffix(file, "_test.go") {
				t.Errorf("%s imports %s; go through spago.go", file, path)
			}
		}
	}
}

func TestMatrixOfSharesMemory(t *testing.T) {
	data := []float32{1, 2, 3, 4, 5, 6}
	m, err := matrixOf(data, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	data[4] = 50
	if got := elements(m)[4]; got != 50 {
		t.Errorf("element 4 is %v: the matrix is a copy", got)
	}
	if p := parameter(m); &parameterElements[float32](p)[0] != &data[0] {
		t.Error("the parameter is a copy")
	}
	if _, err := matrixOf(data, 2, 4); err == nil {
		t.Error("6 values became a 2×4 matrix")
	}
	if m, err := matrixOf([]float64{}, 0, 7); err != nil || m == nil {
		t.Errorf("no rows: %v", err)
	}
}

func TestShapesAreCheckedBeforeSpagoSeesThem(t *testing.T) {
	if _, err := plus(newMatrix[float32](2, 3), newMatrix[float32](3, 2)); err == nil {
		t.Error("2×3 + 3×2 passed")
	}
}

// torch.clamp(x, −c, c) of torch 2.15, c negative included.
func TestClamp(t *testing.T) {
	nan := float32(math.NaN())
	for limit, want := range map[float64][]float32{
		2:  {-2, -1, 2, 2, nan},
		0:  {0, 0, 0, 0, nan},
		-3: {-3, -3, -3, -3, nan},
	} {
		m := valueFrom(1, -7, -1, 2, float32(math.Inf(1)), nan).m
		clamp(m, limit)
		if diff := cmp.Diff(want, value[float32]{m: m}.data(), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("limit %v:\n%s", limit, diff)
		}
	}
}

func TestGuard(t *testing.T) {
	err := guard("testing", func() error { newMatrix[float32](2, 2).Mul(newMatrix[float32](3, 3)); return nil })
	if err == nil || !strings.Contains(err.Error(), "testing: internal error: mat:") {
		t.Errorf("error %v, wanted spago's panic as one", err)
	}
}
