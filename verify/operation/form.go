package operation

import (
	"colakit/formats/dtype"
	"colakit/reference/generate"
)

// form says how an operation is computed, beyond its inputs and weights. The model's
// own form comes from definition; an Alternative changes some of it. A formula reads
// the fields of its kind.
type form struct {
	roundings
	sources
	columns
	norming
	modulation
	activation
	rotation
	attending
	caching
	timing
	stepping
}

// roundings are nearestBF16 where the released contract rounds, else unrounded.
type roundings struct {
	operand rounding // inputs of products
	weight  rounding // their weights and biases
	step    rounding // what lies between an operation's inputs and its result
	weights rounding // of the softmax, before they multiply the values
	result  rounding // results that the run holds in bfloat16
	wide    rounding // results that it holds in float32
	early   bool     // a product is rounded before its bias is added, too
}

// sources say what is read.
type sources struct {
	input      map[string]string          // path → path of the value that is read in its place
	tensor     map[string]string          // name → name of the tensor that is read in its place; "": none, no bias, γ = 1, β = 0
	transposed string                     // a weight whose numbers are read as [in, out]
	twice      string                     // a bias that is added twice
	rows       map[string]func(j int) int // weight or bias → where its row j is read
	codes      codeReading                // how 8-bit weights become numbers
	stored     dtype.Type                 // what 16-bit weights are read as; Invalid: their own type
	ids        int                        // added to token ids
}

// columns say which columns of a wider value an operation takes.
type columns struct {
	order     string // of the parts of qkv
	alternate bool   // qkv is [heads, 3, width], not [3, heads, width]
	otherHalf bool   // shift is the second half of a modulation, or the mean of the posterior
	pairwise  bool   // the halves of a modulation alternate
	slotFirst bool   // columns of a patch are [slot, channel], not [channel, slot]
	clip      bool
}

// norming is (x − mean)/√(variance + eps)·γ + β.
type norming struct {
	eps     float64
	outside bool    // √variance + eps
	sample  bool    // the variance is divided by n − 1
	centred bool    // the mean is subtracted
	gamma   float64 // added to γ
	width   int     // elements that share a mean; 0: the model's
	times   int     // that it is applied
	fresh   bool    // cached rows are not normalised again
}

// modulation is norm·(one + scale) + shift, branch·(gateOne + gate) + residual, and
// (mode − shift)·scale.
type modulation struct {
	one, shift, scale      float64 // factors: 1
	exchanged, shiftFirst  bool    // shift and scale change places; (norm + shift)·(1 + scale)
	gateOne, gate          float64 // gateOne + gate·g: 0, 1
	residual, branch       float64 // factors: 1
	scaleFirst, reciprocal bool    // latents: mode·scale − shift; mode/scale + shift
}

type activation struct {
	act       string // a name of activations
	exchanged bool   // SwiGLU gates with the first half
	silu      string // of the timestep embedding and before an AdaLN; "": none
}

// rotation turns pairs of channels by position·θ^(−2j/dim).
type rotation struct {
	pairs    string  // "interleaved", "halves"
	theta    float64 // 0: frequencies as they are stored
	dim      int     // 0: the rotated channels
	channels int     // that are rotated; 0: the model's
	sign     float64 // of the angle
	offset   int     // added to every position
	restart  int     // positions begin anew after so many rows; 0: never
	from     string  // where queries stand: "end" of the keys, "0", or "cond": where they would with the cache
	times    int     // that rows are rotated
	flowing  bool    // positions go on from sample to sample
	coarse   bool    // sines, cosines, products and sums are bfloat16 each
}

// attending is softmax(q·kᵀ/√divisor + mask)·v.
type attending struct {
	divisor   float64 // 0: the width of a head
	power     float64 // of the divisor: 0.5
	late      bool    // scores are scaled, not queries
	mask      string  // "block", "causal", "none", "diagonal"
	blocks    int     // that are seen beyond the query's own
	size      int     // of a block; 0: the model's
	alternate bool    // channel c belongs to head c mod heads
	leak      bool    // forbidden pairs count with a score of 0
}

// caching says which rows are read from the cache.
type caching struct {
	late  int // by how many rows
	empty bool
	stale bool // of the prefix alone, repeated
	other bool // another sample's
	// uncommitted leaves out the rows of earlier blocks: they are not seen, and the
	// pass's own stand in their place.
	uncommitted bool
}

// timing is [sin(t·f), cos(t·f)], f = base^(−i/under).
type timing struct {
	time        func(given, used float64, c *Call) float64
	cosineFirst bool
	alternates  bool // sines and cosines alternate
	under       float64
	base        float64
}

// stepping is the loop's arithmetic.
type stepping struct {
	guide  string // a name of guidances
	scale  func(c *Call, sample int) float64
	pinned bool
	sign   float64 // of v·dt
	dt     func(c *Call) float64
}

// definition returns the form of an operation as the model defines it.
func definition(c generate.Contract) form {
	f := form{
		roundings:  roundings{operand: unrounded, weight: unrounded, step: unrounded, weights: unrounded, result: unrounded, wide: unrounded},
		columns:    columns{order: "qkv", clip: true},
		norming:    norming{centred: true, times: 1, eps: -1},
		modulation: modulation{one: 1, shift: 1, scale: 1, gate: 1, residual: 1, branch: 1},
		activation: activation{silu: "silu"},
		rotation:   rotation{sign: 1, times: 1, from: "end"},
		attending:  attending{power: 0.5, mask: "block"},
		timing:     timing{time: usedTime, under: 128, base: 10000},
		stepping:   stepping{guide: "u + s(c−u)", scale: guidanceScale, pinned: true, sign: -1, dt: stepWidth},
	}
	if c == generate.Released {
		f.operand, f.weight, f.step, f.weights, f.result = nearestBF16, nearestBF16, nearestBF16, nearestBF16, nearestBF16
	}
	return f
}

// hold marks m as held in bfloat16 or in float32, and rounds it.
func (f *form) hold(m matrix, bf16 bool) matrix {
	round := f.wide
	if bf16 {
		round = f.result
	}
	for i, x := range m.data {
		m.data[i] = round(x)
	}
	m.bf16 = bf16
	return m
}
