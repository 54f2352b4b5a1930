package generate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// A Prompt is one sample of a batch.
type Prompt struct {
	Name   string  // what errors call it, such as "P.jsonl:3"
	Tokens []int32 // without padding
}

// Options are the settings of a run.
type Options struct {
	T            float64 // the first timestep, cut to an integer
	Steps        int     // flow-matching steps of a block
	Guidance     float64
	MaxNewTokens int // counted from the start of the first block, pinned prompt tokens included
	Sampling     Sampling
	Draws        Draws // needed where Sampling is not greedy

	PadTokenID   int32
	EOSTokenID   *int32 // a sample that has shown one of these is finished;
	IMEndTokenID *int32 // the batch stops when all are

	Tap Tap // observes the loop and the engine; nil for none
	// OnBlock is told the ids of every sample of a finished block, pinned
	// positions included. What it puts in their place counts. Returning ErrStop
	// ends the run after this block.
	OnBlock func(block int, ids [][]int32) error
}

// ErrStop is returned by OnBlock to end a run early and without an error.
var ErrStop = errors.New("stop after this block")

// Defaults returns the settings of the public package. The padding token is that
// of the released tokenizer.
func Defaults() Options {
	return Options{
		T: 1000, Steps: 16, Guidance: 7, MaxNewTokens: 32, PadTokenID: 100277,
		Sampling: Sampling{Temperature: 0, TopK: 50, TopP: 0.9, RepetitionPenalty: 1.1},
	}
}

// MaxSteps bounds the flow-matching steps of a block.
const MaxSteps = 1 << 20

func (o Options) validate() error {
	switch {
	case o.Steps < 1 || o.Steps > MaxSteps:
		return fmt.Errorf("%d steps; give 1 to %d", o.Steps, MaxSteps)
	case o.MaxNewTokens < 1:
		return fmt.Errorf("%d new tokens; ask for at least 1", o.MaxNewTokens)
	case math.IsNaN(o.Guidance) || math.IsInf(o.Guidance, 0):
		return fmt.Errorf("a guidance of %v; it must be a finite number", o.Guidance)
	case !(o.T >= 0 && o.T <= 1<<24):
		return fmt.Errorf("a first timestep of %v; it must lie between 0 and %d", o.T, 1<<24)
	case !o.Sampling.Greedy() && o.Draws == nil:
		return fmt.Errorf("a temperature of %v needs a source of random numbers", o.Sampling.Temperature)
	}
	return o.Sampling.validate()
}

// A Result is what became of one prompt.
type Result struct {
	Layout
	FirstGuidance float64
	Blocks        [][]int32 // the ids of every block, pinned positions included
	// NonFinite is the number of tokens, pinned positions included, that were chosen
	// from logits with a NaN or an infinity. These count as 0 and ±10 000, as in the
	// public package, and the tokens mean nothing.
	NonFinite int
}

// BlockTokens returns every id of every block in order.
func (r Result) BlockTokens() []int32 { return slices.Concat(r.Blocks...) }

// Generated returns the ids that follow the prompt: BlockTokens without the
// prompt's own part. They are not cut at an end-of-text token.
func (r Result) Generated() []int32 {
	ids := r.BlockTokens()
	return ids[min(r.Trim, len(ids)):]
}

// Run generates the continuation of a batch of prompts.
func Run(ctx context.Context, e Engine, prompts []Prompt, o Options, noise Noise) ([]Result, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	r := &run{engine: e, model: e.Model(), options: o, noise: noise}
	if err := r.model.CheckSchedule(o.T, o.Steps); err != nil {
		return nil, err
	}
	if err := r.lay(prompts); err != nil {
		return nil, err
	}
	if o.Tap == nil {
		r.blocks, _ = e.(BlockEngine)
	}
	e.Observe(o.Tap)
	defer e.Observe(nil)
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	for block, more := 0, true; more; block++ {
		var err error
		if more, err = r.block(ctx, block); err != nil {
			return nil, err
		}
	}
	return r.results(), nil
}

// run is the state of a batch.
type run struct {
	engine   Engine
	blocks   BlockEngine // the same; nil: the loop over steps is here
	model    Model
	options  Options
	noise    Noise
	layouts  []Layout
	schedule []float32
	pinned   [][]float32 // per sample, the clean latents of its pinned rows
	seen     [][]int32   // per sample, the ids of all blocks
	finished []bool      // per sample, an end token was seen
	broken   []int       // per sample, tokens of logits that are not finite
}

// lay divides the prompts and refuses a batch that the model can't take.
func (r *run) lay(prompts []Prompt) error {
	if len(prompts) == 0 {
		return errors.New("no prompts to continue")
	}
	if r.model.CrossTalk && len(prompts) > 1 {
		return fmt.Errorf("the model's block_causal is false: samples of a batch would see each other; generate one prompt at a time (--batch-size 1) instead of %d", len(prompts))
	}
	for _, p := range prompts {
		l := NewLayout(p.Tokens, r.options.PadTokenID, r.model)
		if err := l.check(p.Name, r.options.PadTokenID, r.model); err != nil {
			return err
		}
		r.layouts = append(r.layouts, l)
	}
	if err := r.model.CheckLogits(len(r.layouts)); err != nil {
		return err
	}
	r.schedule = Schedule(r.options.T, r.options.Steps)
	r.seen = make([][]int32, len(prompts))
	r.finished = make([]bool, len(prompts))
	r.broken = make([]int, len(prompts))
	return nil
}

// begin encodes the prompts and writes their prefixes into the caches.
func (r *run) begin(ctx context.Context) error {
	ids := make([][]int32, len(r.layouts))
	for i, l := range r.layouts {
		ids[i] = l.IDs
	}
	latents, err := r.engine.Encode(ctx, ids)
	if err != nil {
		return err
	}
	if len(latents) != len(ids) {
		return fmt.Errorf("the engine encoded %d prompts of %d", len(latents), len(ids))
	}
	prefix := make([][]float32, len(ids))
	r.pinned = make([][]float32, len(ids))
	for i, l := range r.layouts {
		if err := sized("latents", latents[i], len(l.IDs)/r.model.PatchSize*r.model.LatentDim); err != nil {
			return err
		}
		prefix[i] = latents[i][:l.Prefix*r.model.LatentDim]
		r.pinned[i] = latents[i][l.Prefix*r.model.LatentDim : l.Latents*r.model.LatentDim]
	}
	return r.engine.Prefill(ctx, prefix)
}

// block generates one block and reports whether another one follows.
func (r *run) block(ctx context.Context, block int) (more bool, err error) {
	pass, err := r.denoise(ctx, block)
	if err != nil {
		return false, err
	}
	ids, err := r.tokens(ctx, pass)
	if err != nil {
		return false, err
	}
	stop, err := r.report(block, ids)
	if err != nil {
		return false, err
	}
	r.note(ids)
	if r.blocks == nil { // else the next block's Denoise commits, and nobody needs it after the last
		if err := r.engine.Commit(ctx, pass); err != nil {
			return false, err
		}
	}
	return !stop && r.unfinished(block), nil
}

// tokens decodes a block and chooses its tokens.
func (r *run) tokens(ctx context.Context, p Pass) ([][]int32, error) {
	if r.blocks != nil && r.options.Sampling.Greedy() {
		return r.held(ctx)
	}
	logits, err := r.engine.Decode(ctx, p)
	if err != nil {
		return nil, err
	}
	return r.sample(logits)
}

// sample chooses the block's tokens and returns those of each sample.
func (r *run) sample(logits []float32) ([][]int32, error) {
	o, m := r.options, r.model
	each := m.BlockSize * m.PatchSize
	if err := sized("logits", logits, len(r.layouts)*each*m.VocabSize); err != nil {
		return nil, err
	}
	for i := range len(r.layouts) * each {
		if !finite(logits[i*m.VocabSize : (i+1)*m.VocabSize]) {
			r.broken[i/each]++
		}
	}
	ids, err := Sample(logits, m.VocabSize, r.seen, o.Sampling, m.Contract, o.Draws)
	if err != nil {
		return nil, err
	}
	return slices.Collect(slices.Chunk(ids, each)), nil
}

// report tells OnBlock of a block's ids; stop is its wish to end the run.
func (r *run) report(block int, ids [][]int32) (stop bool, err error) {
	if r.options.OnBlock == nil {
		return false, nil
	}
	err = r.options.OnBlock(block, ids)
	if errors.Is(err, ErrStop) {
		return true, nil
	}
	return false, err
}

// note keeps a block's ids and looks for the tokens that end a sample.
func (r *run) note(ids [][]int32) {
	for i, block := range ids {
		r.seen[i] = append(r.seen[i], block...)
		r.finished[i] = r.finished[i] || contains(block, r.options.EOSTokenID) || contains(block, r.options.IMEndTokenID)
	}
}

func contains(ids []int32, id *int32) bool { return id != nil && slices.Contains(ids, *id) }

// unfinished applies the stop rules after a block. (The public package also ends a
// batch whose limit is below the first block's missing latents; such a limit is
// below a block and ends it anyway.)
func (r *run) unfinished(block int) bool {
	generated := (block + 1) * r.model.BlockSize * r.model.PatchSize
	return slices.Contains(r.finished, false) && generated < r.options.MaxNewTokens
}

func (r *run) results() []Result {
	each := r.model.BlockSize * r.model.PatchSize
	results := make([]Result, len(r.layouts))
	for i, l := range r.layouts {
		results[i] = Result{
			Layout:        l,
			FirstGuidance: l.FirstGuidance(r.options.Guidance),
			Blocks:        slices.Collect(slices.Chunk(r.seen[i], each)),
			NonFinite:     r.broken[i],
		}
	}
	return results
}

// finite reports whether all values are numbers.
func finite(values []float32) bool {
	sum := float32(0)
	for _, v := range values {
		sum += v - v // 0, or NaN
	}
	return sum == 0
}

// sized reports a slice from an engine that has not the length it must have.
func sized(what string, values []float32, want int) error {
	if len(values) != want {
		return fmt.Errorf("the engine returned %d values of %s; %d were wanted", len(values), what, want)
	}
	return nil
}
