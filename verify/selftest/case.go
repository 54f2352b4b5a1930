package selftest

import (
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify"
)

// Group says which side of the comparison a case changes.
type Group string

// The groups, in the order of the table.
const (
	Tensors    Group = "tensors"    // of the artifact
	Files      Group = "files"      // bytes of artifact and bundle
	Loop       Group = "loop"       // how the engine is called, and the loop's own values
	Operations Group = "operations" // single operations of the model
	Golden     Group = "golden"     // what the bundle holds
	Faultless  Group = "faultless"  // differs in what must not matter
)

// A Case is one run with something injected, and what must be said of it.
type Case struct {
	Name     string // unique; lower case, words joined by hyphens
	Group    Group
	Imitates string // the mistake; of a faultless variation, what differs
	Bundle   string // the embedded bundle that shows it at the least cost
	Form     Form
	Setting  Setting
	Exact    bool // errors are held against exact values, too
	Optional bool // a model may have nothing that this changes
	Inject   Injection
	Want     Want
}

// Setting says how an engine is asked to compute, beside the bundle's contract.
type Setting struct {
	Contract    generate.Contract // filled in
	Activations generate.Activations
	Float64     bool
	Workers     int // 0: one
}

// A Builder makes an engine that computes the model of cfg with the weights of src.
// An error that wraps errors.ErrUnsupported says that the engine has no such setting.
type Builder func(src tensor.Source, cfg hf.Config, s Setting) (generate.Engine, error)

// An Injection changes sides of a comparison. The zero value changes nothing.
type Injection struct {
	Weights func(*Weights) error
	File    func(path string) error // of a Form that is a file
	Config  func(*hf.Config)        // that the engine is built with
	Engine  func(generate.Engine) generate.Engine
	Values  []Values // the first that a value matches spoils it
	Golden  func(*Recording) error
	Bundle  func(dir string) error // files of the bundle
	Options func(*verify.Options)
}

// Values spoils values on their way from the run to the comparison.
type Values struct {
	At    func(generate.Site) bool
	Keep  func(generate.Site) bool // further values that Spoil looks up
	Spoil func(*Pass, generate.Site, tensor.View) (tensor.View, error)
	Hide  bool // the comparison is not shown the value
}

// Want is what must be said of a case.
type Want struct {
	Verdict verify.Verdict // Fail where nothing else is stated; "" with Error

	// Error is a part of the error in whose place no report exists, and Damaged whether
	// that wraps tensor.ErrDamaged.
	Error   string
	Damaged bool

	Phase  string   // of the first finding; "" for isolated
	Op     string   // the operation, or the first finding's subject, that comes first
	At     string   // a part of the name of the first tap
	Tensor string   // named among those that the operation uses, and among the suspects
	Says   []string // parts of what is said: reason, pattern, diagnosis, notes

	Hypothesis string // name of an alternative of package operation that is said to match
}
