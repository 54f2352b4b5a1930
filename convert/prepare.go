package convert

import (
	"errors"
	"fmt"
	"io"

	"colakit/formats/cola"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/quantize"
)

// Options say what is converted, and how.
type Options struct {
	Source      string          // folder of the checkpoint
	Type        quantize.Scheme // of the matrices; an int8 scheme is that of the trunk alone
	Rules       []quantize.Rule // by native names, before the type; the first that matches decides
	Overflow    Overflow        // what becomes of values beyond a type's range
	Recipe      *Plan           // to be followed, in place of Type, Rules and Overflow
	SHA256      bool            // note the sources' SHA-256, too
	Tokenizer   string          // path; "" takes the one that lies with the checkpoint
	NoTokenizer bool            // convert without a tokenizer
	AdaTable    *hf.Schedule    // store the AdaLN table of this schedule in place of the weights; nil: these
	Modulations Modulations     // computes it
	Bundles     int             // golden bundles that the artifact is verified against, by ExecuteOptions.Verify
}

// Conversion is a checked source with the plan for it.
type Conversion struct {
	Plan

	source  *checkpoint
	tensors []found
	dropped []found
	layout  []cola.Entry // of the tensors in the artifact
	read    int64        // bytes of all tensors in the source
	scanned bool         // for overflow, or there is no need
	bundles int          // whose verdicts there is room for
	reserve int          // bytes of the provenance section
	open    func(path string) (reader, error)

	modulations Modulations
	table       map[string][]byte // the AdaLN table's tensors, once it is computed
	tableSource TableSource
}

// Prepare opens the source and checks everything that can be checked without
// reading the weights: configurations, inventory in both directions, shapes,
// types, stored buffers, tokenizer. Errors that mean a damaged checkpoint wrap
// tensor.ErrDamaged.
func Prepare(o Options) (*Conversion, error) {
	if o.Recipe != nil {
		if err := o.follow(); err != nil {
			return nil, err
		}
	}
	if err := o.checkTable(); err != nil {
		return nil, err
	}
	if o.Type.Type.Size() == 0 {
		return nil, errors.New("no type to convert to: want f32, f16 or bf16, or one of int8")
	}
	source, err := openCheckpoint(o)
	if err != nil {
		return nil, err
	}
	c := &Conversion{source: source, open: openFile, modulations: o.Modulations, bundles: o.Bundles}
	if err := c.plan(o); err != nil {
		source.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conversion) plan(o Options) (err error) {
	if c.tensors, err = c.source.match(); err != nil {
		return err
	}
	if err := c.source.checkBuffers(c.tensors); err != nil {
		return err
	}
	if o.AdaTable != nil {
		c.tensors, c.dropped = withTable(c.tensors, c.source.config.DiT, *o.AdaTable)
	}
	if c.Plan, err = newPlan(c.source, c.tensors, c.dropped, o); err != nil {
		return err
	}
	for _, f := range c.tensors {
		n, err := f.stored.Bytes()
		if err != nil {
			return err
		}
		c.read += n
	}
	c.scanned = c.Overflow == OverflowFail
	return c.arrange()
}

// arrange lays the artifact out and computes its size.
func (c *Conversion) arrange() (err error) {
	c.OutputBytes = 0
	if c.reserve, err = largestProvenance(c.Plan, c.bundles); err != nil {
		return err
	}
	w, err := c.newWriter(nil)
	if err != nil {
		return err
	}
	c.layout = w.Entries()
	c.OutputBytes, err = w.Size(c.meta(make([]byte, c.reserve)))
	return err
}

// allSteps lists the numbers of the steps.
func (c *Conversion) allSteps() []int {
	steps := make([]int, len(c.Steps))
	for i := range steps {
		steps[i] = i
	}
	return steps
}

// newWriter lays the artifact out.
func (c *Conversion) newWriter(out io.WriterAt) (*cola.Writer, error) {
	descs := make([]tensor.Desc, len(c.Steps))
	for i, s := range c.Steps {
		descs[i] = s.desc()
	}
	w, err := cola.NewWriter(out, descs)
	if err != nil {
		return nil, fmt.Errorf("laying out the artifact: %w", err)
	}
	return w, nil
}

func (c *Conversion) meta(provenance []byte) cola.Meta {
	return cola.Meta{
		DiTConfig: c.source.raw.DiT, VAEConfig: c.source.raw.VAE,
		Tokenizer: c.source.tokenizer, Generation: c.source.generation,
		Provenance: provenance,
	}
}

// Configs returns both config.json of the source, as they are.
func (c *Conversion) Configs() (dit, vae []byte) { return c.source.raw.DiT, c.source.raw.VAE }

// Close closes the source.
func (c *Conversion) Close() error { return c.source.Close() }
