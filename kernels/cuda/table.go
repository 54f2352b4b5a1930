package cuda

import (
	"fmt"
	"io/fs"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
)

// Kind is the type of a kernel's parameter.
type Kind uint8

// The types that a parameter can have.
const (
	Pointer Kind = iota + 1
	Int32
	Uint32
	Int64
	Uint64
	Float32
)

var kindNames = [...]string{"", "pointer", "int32", "uint32", "int64", "uint64", "float32"}

// String returns the Go name of the type.
func (k Kind) String() string { return kindNames[k] }

// Size returns the bytes that a parameter of the type takes.
func (k Kind) Size() int {
	switch k {
	case Pointer, Int64, Uint64:
		return 8
	}
	return 4
}

// Parameter is one parameter of a kernel.
type Parameter struct {
	Name string
	Kind Kind
}

// Kernel is the declaration of a kernel.
type Kernel struct {
	Name       string
	File       string // "gemm.cu"
	Line       int
	MaxThreads int // of a block, by __launch_bounds__
	Parameters []Parameter
}

// Kernels returns the kernels of Sources, sorted by name.
var Kernels = sync.OnceValues(func() ([]Kernel, error) { return Parse(Sources) })

// Lookup returns the declaration of a kernel of Sources.
func Lookup(name string) (Kernel, error) {
	kernels, err := Kernels()
	if err != nil {
		return Kernel{}, err
	}
	return Find(kernels, name)
}

// Find returns the kernel of that name from a list sorted by name.
func Find(kernels []Kernel, name string) (Kernel, error) {
	i := sort.Search(len(kernels), func(i int) bool { return kernels[i].Name >= name })
	if i == len(kernels) || kernels[i].Name != name {
		return Kernel{}, fmt.Errorf("no kernel is named %q", name)
	}
	return kernels[i], nil
}

// Parse reads the declarations in the .cu files of a folder.
func Parse(sources fs.FS) ([]Kernel, error) {
	files, err := fs.Glob(sources, "*.cu")
	if err != nil {
		return nil, err
	}
	defined, err := macros(sources)
	if err != nil {
		return nil, err
	}
	var all []Kernel
	for _, file := range files {
		text, err := fs.ReadFile(sources, file)
		if err != nil {
			return nil, err
		}
		kernels, err := parseFile(file, string(text), defined)
		if err != nil {
			return nil, err
		}
		all = append(all, kernels...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	for i := 1; i < len(all); i++ {
		if all[i].Name == all[i-1].Name {
			return nil, fmt.Errorf("%s:%d: kernel %s is declared in %s, too", all[i].File, all[i].Line, all[i].Name, all[i-1].File)
		}
	}
	return all, nil
}

var (
	comment     = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`)
	global      = regexp.MustCompile(`extern\s+"C"\s+__global__`)
	declaration = regexp.MustCompile(`^extern\s+"C"\s+__global__\s+void\s+__launch_bounds__\(\s*(\d+)\s*(?:,\s*\d+\s*)?\)\s+(\w+)\s*\(([^)]*)\)`)
	registered  = regexp.MustCompile(`(?m)^\s*KERNEL\((\w+)\)`)
)

// parseFile reads the declarations of one file and checks that each of them is
// followed by its KERNEL line.
func parseFile(file, text string, defined map[string]string) ([]Kernel, error) {
	text = comment.ReplaceAllStringFunc(text, blank)
	named := map[string]bool{}
	for _, m := range registered.FindAllStringSubmatch(text, -1) {
		named[m[1]] = true
	}
	var kernels []Kernel
	for _, at := range global.FindAllStringIndex(text, -1) {
		line := 1 + strings.Count(text[:at[0]], "\n")
		k, err := parseDeclaration(text[at[0]:], defined)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, line, err)
		}
		if !named[k.Name] {
			return nil, fmt.Errorf("%s:%d: the line KERNEL(%s) is missing", file, line, k.Name)
		}
		k.File, k.Line = file, line
		kernels = append(kernels, k)
	}
	return kernels, nil
}

// blank keeps the line numbers behind a comment.
func blank(comment string) string { return " " + strings.Repeat("\n", strings.Count(comment, "\n")) }

func parseDeclaration(text string, defined map[string]string) (Kernel, error) {
	m := declaration.FindStringSubmatch(text)
	if m == nil {
		return Kernel{}, fmt.Errorf(`a kernel is declared as: extern "C" __global__ void __launch_bounds__(N) name(parameters)`)
	}
	threads, err := strconv.Atoi(m[1])
	if err != nil {
		return Kernel{}, err
	}
	k := Kernel{Name: m[2], MaxThreads: threads}
	for _, p := range strings.Split(expand(m[3], defined), ",") {
		parameter, err := parseParameter(p)
		if err != nil {
			return Kernel{}, fmt.Errorf("kernel %s: %w", k.Name, err)
		}
		k.Parameters = append(k.Parameters, parameter)
	}
	return k, nil
}

var scalars = map[string]Kind{
	"int": Int32, "unsigned": Uint32, "unsigned int": Uint32, "float": Float32,
	"long long": Int64, "unsigned long long": Uint64, "size_t": Uint64,
}

func parseParameter(text string) (Parameter, error) {
	fields := strings.Fields(strings.NewReplacer("*", " * ", "__restrict__", " ").Replace(text))
	if len(fields) < 2 {
		return Parameter{}, fmt.Errorf("parameter %q has no type or no name", strings.TrimSpace(text))
	}
	name, kind := fields[len(fields)-1], fields[:len(fields)-1]
	if kind[len(kind)-1] == "*" {
		return Parameter{name, Pointer}, nil
	}
	if kind[0] == "const" {
		kind = kind[1:]
	}
	k, ok := scalars[strings.Join(kind, " ")]
	if !ok {
		return Parameter{}, fmt.Errorf("parameter %s has type %s; use a pointer, int, unsigned, long long, unsigned long long or float", name, strings.Join(kind, " "))
	}
	return Parameter{name, k}, nil
}
