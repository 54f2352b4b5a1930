package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sort"
	"strings"
	"time"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// Options say what Run needs to know beside the engine and the bundle.
type Options struct {
	Name     string   // of the bundle, for the report
	Engine   EngineID // for the report; the contract is filled in
	Artifact Artifact // the weights that the engine uses
	// Recorder is what the bundle was recorded with; nil: the Python package.
	Recorder *Recorder
	// Exact computes the weights that the golden was made from in float64, without
	// roundings: the ratio verdicts need its values. It runs beside the engine and is
	// left without a tap. nil: no ratios.
	Exact generate.Engine
	// Text decodes token ids; nil: texts are not compared.
	Text func(ids []int32) string
	// Progress is told how many of the golden's bytes were compared so far, of about
	// how many, and what was compared last.
	Progress func(label string, done, total int64)

	Select   Selection // of the bundle's values; the zero value: all of them
	FailFast bool      // ends at the first operation that fails on the golden's inputs, or mode that does
	// State, if not nil, is taken up where it ends, and kept.
	State *State
	// Overrides replace limits of the policy; the report counts them.
	Overrides []Override
	MaxTime   time.Duration // ends with what was compared until then; 0: no limit

	// Replay is given the earliest failing operation with all that it is computed from,
	// where that is known. Its tensors are those of the bundle and the artifact, valid
	// until these are closed. An error of it ends the run.
	Replay func(*Replay) error

	// Intercept stands between the run and the comparison: what it returns is the tap
	// of every run, and it may show the given one other values and have the run go on
	// with them. Faults are injected this way to verify the verifier; nil: nothing is.
	Intercept func(generate.Forcing) generate.Tap
}

// tap returns the tap that a run is observed with.
func (o Options) tap(t generate.Forcing) generate.Tap {
	if o.Intercept == nil {
		return t
	}
	return o.Intercept(t)
}

// Run holds an engine against a golden bundle: isolated, free-running and in
// generation. The engine runs the bundle's contract with the artifact's weights;
// it is left without a tap. An error says that the two could not be compared: the
// bundle is damaged (it wraps tensor.ErrDamaged), it was recorded from another
// model, or the engine failed. What is numerically wrong stands in the Report. A
// run that the context ends returns the Report of what was compared before, too.
func Run(ctx context.Context, e generate.Engine, b *golden.Bundle, o Options) (*Report, error) {
	start := time.Now()
	s, err := newSession(e, b, o)
	if err != nil {
		return nil, err
	}
	if err := b.Verify(ctx); err != nil {
		return nil, err
	}
	if o.MaxTime > 0 {
		s.deadline = start.Add(o.MaxTime)
	}
	if err := s.compareAll(ctx); err != nil {
		return nil, err
	}
	if err := s.diagnose(ctx); err != nil && ctx.Err() == nil { // an interrupted run is reported without
		return nil, fmt.Errorf("%s against %s, computing what fails anew: %w", o.Engine.Name, o.Name, err)
	}
	r := s.report()
	r.Seconds = time.Since(start).Seconds()
	return r, ctx.Err()
}

// session is one run of Run.
type session struct {
	engine  generate.Engine
	bundle  *golden.Bundle
	info    *golden.Info
	options Options
	cfg     hf.Config
	catalog *catalog.Catalog
	weights weights

	contract    generate.Contract
	activations generate.Activations // of either side, the less precise
	kernels     bool                 // on either side
	unjudged    string               // why there are no rules; "" where there are
	partial     generate.Partial     // the engine, if it hides values; nil: it shows all
	tabled      bool                 // the modulations are a table: no embedding is computed
	blocks      int                  // generated blocks with recorded taps
	steps       int                  // steps with recorded taps
	order       map[string]int       // tap → place in the run
	selected    map[string]bool      // taps
	plans       map[Mode]*plan
	deadline    time.Time // zero: none

	comparisons   []*Comparison
	largest       map[string]float64     // tap → largest |e|, once compared
	misshaped     map[string]bool        // taps whose value in the engine has another shape
	normalised    map[string]*rowMoments // tap → of the rows that are normalised to it
	references    [][]metric.Reference
	logits        []LogitRow
	branches      branches // of the step that the free-running mode is at
	guidance      []GuidanceRow
	distributions []distribution
	pools         []distribution             // ratios over all passes of an operation
	grown         float64                    // largest rel-L2 that the operations' own errors were measured to grow to
	diagnosis     *Diagnosis                 // of the earliest failure
	grownLogits   map[int]float64            // block → likewise in its logits, where that was measured
	undecided     bool                       // tokens differ, and whether they tie is not recorded
	results       []generate.Result          // of a finished generation
	ids           map[Mode]map[int][][]int32 // as decoded, by block and sample
	anchors       []Anchor                   // of the generation
	stopped       string                     // why the rest is not compared; "" while it is
	own           []Finding                  // of no comparison
	recordings    *Recordings                // where the candidate is a recording
	absent        map[string]bool            // taps that such a candidate lacks, and may lack
	coverage      coverage
	done          int64 // bytes compared
	total         int64 // about
}

func newSession(e generate.Engine, b *golden.Bundle, o Options) (*session, error) {
	s := &session{engine: e, bundle: b, info: &b.Info, options: o, order: map[string]int{}, largest: map[string]float64{}, misshaped: map[string]bool{}, ids: map[Mode]map[int][][]int32{Isolated: {}, Free: {}, Generation: {}}, grownLogits: map[int]float64{}, normalised: map[string]*rowMoments{}}
	var err error
	if err := checkOverrides(o.Overrides); err != nil {
		return nil, err
	}
	if s.contract, err = generate.ParseContract(b.Info.Contract); err != nil {
		return nil, err
	}
	if got := e.Model().Contract; got != s.contract && o.Recorder == nil {
		return nil, fmt.Errorf("%s holds a run of the %s contract and the engine runs %s: the policy has no rule for that pair; run the engine under --contract %s", o.Name, s.contract, got, s.contract)
	}
	if err := e.Model().CheckSchedule(b.Info.Run.T, b.Info.Run.Steps); err != nil {
		return nil, fmt.Errorf("%s cannot be compared with: %w", o.Name, err)
	}
	s.partial, _ = e.(generate.Partial)
	if err := s.checkExact(); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	s.tabled = e.Model().Schedule != nil
	s.options.Engine.Contract = e.Model().Contract.String()
	s.activations, s.kernels = e.Model().Activations, e.Model().Kernels
	s.options.Engine.Activations, s.options.Engine.Kernels = s.activations.String(), s.kernels
	environment := map[string]any{
		"go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "processors": runtime.GOMAXPROCS(0),
	}
	maps.Copy(environment, s.options.Engine.Environment)
	s.options.Engine.Environment = environment
	if s.cfg, err = hf.ParseConfig(b.Info.Model.DiT, b.Info.Model.VAE); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	if err := s.checkModel(); err != nil {
		return nil, err
	}
	s.catalog = catalog.New(s.cfg, b.Info.Run.Guidance)
	s.weights = newWeights(o.Artifact)
	if err := s.pair(); err != nil {
		return nil, err
	}
	s.weights.least = coarser(s.weights.least, s.operands())
	s.blocks = within(b.Info.Run.Blocks, b.Info.Run.BlockLimit)
	s.steps = within(b.Info.Run.Steps, b.Info.Run.StepLimit)
	s.references = make([][]metric.Reference, b.Info.Run.Blocks)
	for i, d := range b.Descs() {
		s.order[d.Name] = i
	}
	if err := s.selectTaps(); err != nil {
		return nil, err
	}
	s.planModes()
	s.coverage = newCoverage()
	return s, nil
}

func within(n int, limit *int) int {
	if limit != nil && *limit < n {
		return *limit
	}
	return n
}

// checkModel compares the configurations of the bundle with the artifact's and
// with what the engine says of itself.
func (s *session) checkModel() error {
	a := s.options.Artifact
	differ, err := ConfigDifferences(a.DiT, a.VAE, s.info.Model.DiT, s.info.Model.VAE)
	if err != nil {
		return fmt.Errorf("%s: %w", a.Path, err)
	}
	if len(differ) > 0 {
		return fmt.Errorf("%s is another model than the one %s was recorded from: %s", a.Path, s.options.Name, strings.Join(differ, ", "))
	}
	m, d, v := s.engine.Model(), s.cfg.DiT, s.cfg.VAE
	if m.BlockSize != d.BlockSize || m.PatchSize != v.PatchSize || m.LatentDim != v.LatentDim || m.VocabSize != v.VocabSize {
		return fmt.Errorf("the engine computes a model of block_size %d, patch_size %d, latent_dim %d, vocab_size %d, but %s was recorded from one of %d, %d, %d, %d",
			m.BlockSize, m.PatchSize, m.LatentDim, m.VocabSize, s.options.Name, d.BlockSize, v.PatchSize, v.LatentDim, v.VocabSize)
	}
	return nil
}

// ConfigDifferences lists the settings in which two models differ, as
// "num_layers 4, not 6". Keys without effect on the model are left out.
func ConfigDifferences(dit, vae, wantDiT, wantVAE json.RawMessage) ([]string, error) {
	got, err := settings(dit, vae)
	if err != nil {
		return nil, err
	}
	want, err := settings(wantDiT, wantVAE)
	if err != nil {
		return nil, err
	}
	var differ []string
	for key, w := range want {
		if g := got[key]; !bytes.Equal(g, w) {
			differ = append(differ, fmt.Sprintf("%s %s, not %s", key, g, w))
		}
	}
	sort.Strings(differ)
	return differ, nil
}

// settings returns every known key of both configurations.
func settings(dit, vae json.RawMessage) (map[string]json.RawMessage, error) {
	cfg, err := hf.ParseConfig(dit, vae)
	if err != nil {
		return nil, err
	}
	cfg.DiT.Extra, cfg.VAE.Extra = nil, nil
	all := map[string]json.RawMessage{}
	for prefix, part := range map[string]any{"dit.": cfg.DiT, "vae.": cfg.VAE} {
		raw, err := json.Marshal(part)
		if err != nil {
			return nil, err
		}
		var keys map[string]json.RawMessage
		if err := json.Unmarshal(raw, &keys); err != nil {
			return nil, err
		}
		for k, v := range keys {
			all[prefix+k] = v
		}
	}
	return all, nil
}

// weights knows the stored types of an artifact's tensors.
type weights struct {
	byName map[string]int
	descs  Artifact
	types  []dtype.Type // of descs.Tensors, as they count for the rules
	least  dtype.Type
}

func newWeights(a Artifact) weights {
	w := weights{byName: map[string]int{}, descs: a, least: dtype.F32}
	for i, d := range a.Tensors {
		w.byName[d.Name] = i
		w.types = append(w.types, d.Type)
		if d.Name != hf.AdaModulations { // they have the type that the contract gives them
			w.least = coarser(w.least, d.Type)
		}
	}
	return w
}

// coarser returns the type with fewer significant bits.
func coarser(a, b dtype.Type) dtype.Type {
	order := []dtype.Type{dtype.F64, dtype.F32, dtype.F16, dtype.BF16, dtype.I8}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}

// of lists the tensors of a module, or the tensor of that very name.
func (w weights) of(module string) []int {
	var found []int
	for _, name := range []string{module, module + ".weight", module + ".bias"} {
		if i, ok := w.byName[name]; ok {
			found = append(found, i)
		}
	}
	return found
}

// describe names the tensors of some modules: "x.weight [128, 384] f32".
func (w weights) describe(modules []string) []string {
	var lines []string
	list := func(i int) {
		d := w.descs.Tensors[i]
		lines = append(lines, fmt.Sprintf("%s %v %v", d.Name, d.Shape, d.Type))
	}
	for _, m := range modules {
		for _, i := range w.of(m) {
			list(i)
		}
	}
	if i, tabled := w.byName[hf.AdaModulations]; tabled && lines == nil && len(modules) > 0 {
		list(i) // what stands in their place
	}
	return lines
}
