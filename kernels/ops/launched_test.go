package ops

import (
	commandline "flag"
	"fmt"
	"os"
	"testing"

	"colakit/kernels/cuda"
)

// launched counts the launches of every kernel by the tests, which run one after the other.
var launched = map[string]int{}

// TestMain fails a run of all tests that launches not every kernel, whether it is
// short or not: a sanitizer sees nothing of a kernel that does not run. The probes
// are left to devicetest.Conformance.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && len(launched) > 0 && selected("test.run", "test.skip", "test.list") == "" {
		code = missing()
	}
	os.Exit(code)
}

// selected returns what the flags hold that choose among tests.
func selected(flags ...string) (all string) {
	for _, name := range flags {
		if f := commandline.Lookup(name); f != nil {
			all += f.Value.String()
		}
	}
	return all
}

// missing prints the kernels that were not launched and returns the exit code.
func missing() (code int) {
	kernels, err := cuda.Kernels()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, k := range kernels {
		if launched[k.Name] == 0 && k.File != "probe.cu" {
			fmt.Fprintf(os.Stderr, "no test launches kernel %s (%s:%d)\n", k.Name, k.File, k.Line)
			code = 1
		}
	}
	if code == 0 {
		fmt.Printf("%d kernels launched\n", len(launched))
	}
	return code
}
