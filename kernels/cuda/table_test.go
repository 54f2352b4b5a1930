package cuda

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestKernels(t *testing.T) {
	kernels, err := Kernels()
	if err != nil {
		t.Fatal(err)
	}
	k, err := Lookup("probe_axpy")
	if err != nil {
		t.Fatal(err)
	}
	want := []Parameter{{"y", Pointer}, {"x", Pointer}, {"a", Float32}, {"n", Int32}}
	if diff := cmp.Diff(want, k.Parameters); diff != "" || k.MaxThreads != 256 || k.File != "probe.cu" {
		t.Errorf("probe_axpy of %d kernels is %+v\n%s", len(kernels), k, diff)
	}
}

// TestAllFilesAreCompiled expects every file with a kernel in kernels.cu.
func TestAllFilesAreCompiled(t *testing.T) {
	all, err := Sources.ReadFile("kernels.cu")
	if err != nil {
		t.Fatal(err)
	}
	kernels, err := Kernels()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kernels {
		if !strings.Contains(string(all), `#include "`+k.File+`"`) {
			t.Errorf("kernels.cu does not include %s, which declares %s", k.File, k.Name)
		}
	}
}

func TestParse(t *testing.T) {
	const start = `extern "C" __global__ void __launch_bounds__(64, 2) `
	for _, c := range []struct{ reason, text, want, err string }{
		{"all types", start + "k(const float *__restrict__ a, const int n, unsigned long long u, unsigned v, long long w, float f) {}\nKERNEL(k);", "pointer int32 uint64 uint32 int64 float32", ""},
		{"over several lines", "\n" + start + "\n  k(void *a,\n    size_t n)\n{}\nKERNEL(k);", "pointer uint64", ""},
		{"comments are not read", "// " + start + "x(double d)\n/* " + start + "y(double d) */\n" + start + "k(int n) {}\nKERNEL(k);", "int32", ""},
		{"a shared list", "#define A_PARAMETERS int n, \\\n  B_PARAMETERS\n#define B_PARAMETERS float *x, float y\n" + start + "k(void *p, A_PARAMETERS) {}\nKERNEL(k);", "pointer int32 pointer float32", ""},
		{"an unknown list", start + "k(A_PARAMETERS) {}\nKERNEL(k);", "", "A_PARAMETERS"},
		{"no launch bounds", `extern "C" __global__ void k(int n) {}`, "", "a.cu:1: a kernel is declared as"},
		{"bounds are no literal", `extern "C" __global__ void __launch_bounds__(N) k(int n) {}`, "", "a kernel is declared as"},
		{"a type over 8 bytes", "\n" + start + "k(float4 v) {}\nKERNEL(k);", "", "a.cu:2: kernel k: parameter v has type float4"},
		{"no name", start + "k(int) {}\nKERNEL(k);", "", "has no type or no name"},
		{"no KERNEL line", start + "k(int n) {}", "", "the line KERNEL(k) is missing"},
		{"twice", start + "k(int n) {}\nKERNEL(k);\n" + start + "k(int n) {}", "", "is declared in a.cu, too"},
	} {
		kernels, err := Parse(fstest.MapFS{"a.cu": {Data: []byte(c.text)}})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: the error is %v, wanted %q", c.reason, err, c.err)
			}
			continue
		}
		if err != nil || len(kernels) != 1 {
			t.Errorf("%s: %v, %v", c.reason, kernels, err)
			continue
		}
		var got []string
		for _, p := range kernels[0].Parameters {
			got = append(got, p.Kind.String())
		}
		if strings.Join(got, " ") != c.want || kernels[0].MaxThreads != 64 {
			t.Errorf("%s: %v", c.reason, kernels[0])
		}
	}
}
