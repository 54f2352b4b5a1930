// Package catalog lists the operations of Cola DLM under the names that golden
// bundles and engines give them: what kind of arithmetic each one is, which other
// values and which tensors it is computed from, and in which bundles it is
// recorded. A verdict about a value starts here: it says how much rounding the
// value may carry and what is to blame when it carries more.
package catalog

import (
	"colakit/formats/hf"
	"colakit/reference/generate"
)

// Kind is the arithmetic of an operation, as far as its rounding is concerned.
type Kind uint8

// The kinds. A Chain is several operations between two recorded values, one for
// each of an operation's modules where the operation itself is one.
const (
	Copy          Kind = iota // selects or casts: no arithmetic
	Product                   // sums of products: a linear layer, with its bias
	Attention                 // softmax over the keys and the weighted sum of the values
	Normalisation             // LayerNorm
	Elementwise               // sums and products of single elements
	Activation                // GELU, SiLU, SwiGLU
	Rotation                  // rotary position embedding
	Sinusoid                  // the timestep's sines and cosines
	Chain
)

var kindNames = [...]string{"copy", "product", "attention", "normalisation", "elementwise", "activation", "rotation", "sinusoid", "chain"}

// String returns the kind in lower case.
func (k Kind) String() string { return kindNames[k] }

// Level says which bundles record a value.
type Level uint8

// The levels of recording. At golden's level "tokens" only Always is recorded.
const (
	Never      Level = iota
	Always           // at every level
	Layers           // at levels layers and ops
	LayersOnly       // at level layers
	OpsOnly          // at level ops
)

// In reports whether a bundle of the given level records the value.
func (l Level) In(bundle string) bool {
	switch l {
	case Always:
		return true
	case Layers:
		return bundle == "layers" || bundle == "ops"
	case LayersOnly:
		return bundle == "layers"
	case OpsOnly:
		return bundle == "ops"
	}
	return false
}

// Layout says what the rows of an operation's value are: the first axis of a
// tensor, or that behind the heads.
type Layout uint8

// The layouts. A pass has a row for every latent of every sample, one sample after
// the other.
const (
	LatentRows Layout = iota // [latents, …]
	TokenRows                // [latents·patch_size, …]
	KeyRows                  // [keys, …]: all that the samples' queries see, of the cache and of the pass
	ScoreRows                // [heads, latents, keys]
)

// Section is the part of the model that an operation belongs to.
type Section string

// The sections, in the order of a run.
const (
	Encoder Section = "encoder"
	DiT     Section = "dit"
	Decoder Section = "decoder"
	Loop    Section = "loop"
)

// Op is one operation, named by the value it produces.
type Op struct {
	Path    string
	Section Section
	Layer   int    // block of the section; −1 outside the blocks
	Name    string // the path within its block: "msa.out"
	Kind    Kind
	// Terms is the number of summands of one output element: the input width of
	// a product (summed where several follow each other), the width of a
	// normalisation. For Attention it is the number of keys, known at run time.
	Terms int
	// From is the channel of the first input at which a Copy or a Normalisation
	// starts to read.
	From int
	// Eps is what a Normalisation adds to the variance.
	Eps float64
	// Inputs are the paths of the values it is computed from in the same pass, or
	// External names.
	Inputs []string
	// Tensors are the modules (or single tensors) whose values it uses.
	Tensors []string
	// Operand bounds the magnitude of the numbers that are added, from those of
	// the Inputs; nil where the result's own magnitude is that bound.
	Operand func(inputs []float64) float64
	// Branch is true for the output of an attention or MLP branch, a velocity, the
	// latents and the logits: the values at which errors are scored.
	Branch bool
	// Clips is true where results are limited to a range, so that their magnitude
	// says little about that of the sums behind them.
	Clips bool
	// Pairs is true where the two halves of an input are multiplied with each other.
	Pairs bool
	// Layout is that of the value's rows.
	Layout Layout
	// Derived is true for what bundles of every level keep of the logits: a reader
	// derives it from an engine's logits, whether the engine shows it or not.
	Derived bool

	levels [generate.Commit + 1]Level
}

// Names of inputs that are not operations of the same pass.
const (
	Tokens    = "(tokens)"
	Latents   = "(latents)"
	Timesteps = "(timesteps)"
	Cache     = "(cache)"
	Given     = "(given)" // noise, schedule, clean latents, the branches' velocities
)

// Level returns the level at which the operation's value is recorded in a stage.
func (o *Op) Level(s generate.Stage) Level { return o.levels[s] }

// Catalog holds the operations of one configuration.
type Catalog struct {
	ops   map[string]*Op
	order []*Op
}

// New lists the operations of a model and of a loop with the given guidance.
func New(cfg hf.Config, guidance float64) *Catalog {
	c := &Catalog{ops: map[string]*Op{}}
	c.addEncoder(cfg.VAE)
	c.addDiT(cfg.DiT)
	c.addDecoder(cfg.VAE)
	c.addLoop(guidance)
	return c
}

// Ops returns the operations in the order in which a run computes them first.
func (c *Catalog) Ops() []*Op { return c.order }

// Op returns the operation of a path; nil for a path that the model does not have.
func (c *Catalog) Op(path string) *Op { return c.ops[path] }

// Lookup returns the operation of a site; ok is false for a site that the model
// does not have.
func (c *Catalog) Lookup(s generate.Site) (op *Op, ok bool) {
	op, ok = c.ops[s.Path]
	if !ok || op.levels[s.Stage] == Never {
		return nil, false
	}
	loop := s.Stage == generate.Denoise && s.Branch == ""
	return op, (op.Section == Loop) == loop
}

// part collects the operations of one block, or of what surrounds the blocks.
type part struct {
	catalog *Catalog
	section Section
	layer   int
	prefix  string
	stages  []generate.Stage // where its values occur
}

// op adds an operation that is recorded at the given level in all stages of the
// part. Inputs are relative to the part, or absolute with a leading "/".
func (p part) op(name string, kind Kind, terms int, level Level, inputs ...string) *Op {
	o := &Op{Path: p.prefix + name, Section: p.section, Layer: p.layer, Name: name, Kind: kind, Terms: terms}
	for _, in := range inputs {
		o.Inputs = append(o.Inputs, p.path(in))
	}
	for _, s := range p.stages {
		o.levels[s] = level
	}
	p.catalog.ops[o.Path] = o
	p.catalog.order = append(p.catalog.order, o)
	return o
}

func (p part) path(name string) string {
	switch name[0] {
	case '/':
		return name[1:]
	case '(':
		return name
	}
	return p.prefix + name
}

// uses names the modules or tensors that hold the operation's parameters.
func (o *Op) uses(modules ...hf.Module) *Op {
	for _, m := range modules {
		o.Tensors = append(o.Tensors, string(m))
	}
	return o
}

// laid says what the rows of the value are.
func (o *Op) laid(l Layout) *Op {
	o.Layout = l
	return o
}

// at sets another level for some stages.
func (o *Op) at(level Level, stages ...generate.Stage) *Op {
	for _, s := range stages {
		o.levels[s] = level
	}
	return o
}

// normalises sets the constant of a normalisation and the channel it reads first.
func (o *Op) normalises(eps float64, from int) *Op {
	o.Eps, o.From = eps, from
	return o
}

// from sets the first channel that a copy reads.
func (o *Op) from(channel int) *Op {
	o.From = channel
	return o
}

func (o *Op) adds(operand func([]float64) float64) *Op {
	o.Operand = operand
	return o
}

func (o *Op) branch() *Op {
	o.Branch = true
	return o
}

// sum bounds the operands of a sum of all inputs.
func sum(in []float64) float64 {
	total := 0.0
	for _, v := range in {
		total += v
	}
	return total
}

// modulated bounds x·(1+scale) + shift.
func modulated(in []float64) float64 { return in[0]*(1+in[2]) + in[1] }

// gated bounds residual + x·gate.
func gated(in []float64) float64 { return in[0] + in[1]*in[2] }
