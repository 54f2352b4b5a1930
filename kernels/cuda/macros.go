package cuda

import (
	"io/fs"
	"regexp"
	"strings"
)

// Kernels of one family may share their parameters, as a macro whose name ends in
// _PARAMETERS:
//
//	#define GEMM_PARAMETERS const void *x, int ldx, EPILOGUE_PARAMETERS
//	extern "C" __global__ void __launch_bounds__(256) gemm_f16(GEMM_PARAMETERS) { … }
var (
	definition = regexp.MustCompile(`(?m)^#define[ \t]+(\w+_PARAMETERS)[ \t]+((?:\\\n|[^\n])*)`)
	shared     = regexp.MustCompile(`\w+_PARAMETERS\b`)
)

// maxNesting bounds macros inside macros; a deeper one stays as it is and is
// refused as a parameter without a type.
const maxNesting = 4

// macros returns the lists of parameters that the sources define.
func macros(sources fs.FS) (map[string]string, error) {
	defined := map[string]string{}
	for _, pattern := range []string{"*.h", "*.cu"} {
		files, err := fs.Glob(sources, pattern)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := fs.ReadFile(sources, file)
			if err != nil {
				return nil, err
			}
			for _, m := range definition.FindAllStringSubmatch(string(text), -1) {
				defined[m[1]] = strings.ReplaceAll(m[2], "\\\n", " ")
			}
		}
	}
	return defined, nil
}

// expand writes out the lists in the parameters of a kernel.
func expand(parameters string, defined map[string]string) string {
	for range maxNesting {
		parameters = shared.ReplaceAllStringFunc(parameters, func(name string) string {
			if list, ok := defined[name]; ok {
				return list
			}
			return name
		})
	}
	return parameters
}
