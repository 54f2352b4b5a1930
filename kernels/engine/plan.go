package engine

import (
	"errors"
	"fmt"
	"strings"

	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/kernels/device"
	"colakit/reference/generate"
)

// Plan is the device memory of an engine in bytes. All of it is taken when the engine
// is made, and runs within its extent take no more.
type Plan struct {
	Weights     int64 `json:"weights"`
	Modulations int64 `json:"modulations"`   // of AdaLN, a line for each timestep
	Prior       int64 `json:"prior_cache"`   // keys and values of both branches
	Decoder     int64 `json:"decoder_cache"` // keys and values
	Encoder     int64 `json:"encoder_cache"` // keys and values of the prompts in work
	Values      int64 `json:"values"`        // between the operations of a pass
	Blocks      int64 `json:"blocks"`        // latents, tokens and tables of the blocks in work
	Sums        int64 `json:"partial_sums"`  // of linear layers
	Tables      int64 `json:"rotary_tables"`
	// Loading is what is taken beyond all of that while the engine is made.
	Loading int64 `json:"loading"`
	// Rounding is what the driver's allocator takes beyond the sizes of buffers; 0 on
	// the emulated device.
	Rounding int64 `json:"rounding"`
	Total    int64 `json:"total"`

	Extent Extent `json:"extent"`
	room   room

	narrowed []string // weights that become float16 and may be beyond it
}

// PlanFor returns what New takes of a device that info describes. It needs no device,
// and refuses what New refuses, but for a lack of memory: see Plan.Check.
func PlanFor(src tensor.Source, cfg hf.Config, info device.Info, o Options) (Plan, error) {
	if err := supported(cfg, info, o.Activations); err != nil {
		return Plan{}, err
	}
	o.Extent = o.Extent.orDefault(cfg)
	sums := sumsWithin(limit(info, o))
	e, d, err := rehearse(src, cfg, info, o, sums)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Extent: o.Extent, room: e.taken(), narrowed: e.narrowed}
	p.room.sums = sums
	if err := errors.Join(e.scratch.free(), e.loop.free(), e.makeRoom(p.room)); err != nil {
		return Plan{}, err
	}
	p.count(e)
	if info.Kind == "cuda" {
		p.Rounding = d.rounded - d.ledger.Used
	}
	p.Loading = max(0, d.loading-d.ledger.Used)
	p.Total = d.ledger.Used + p.Loading + p.Rounding
	return p, nil
}

// count fills in what an engine holds.
func (p *Plan) count(e *engine) {
	for _, b := range e.weights {
		p.Weights += b.Bytes
	}
	p.Modulations = e.dit.cond.lines.Buffer.Bytes
	p.Weights -= p.Modulations
	p.Prior, p.Decoder, p.Encoder = e.dit.cache.bytes(), e.decoder.cache.bytes(), e.encoder.cache.bytes()
	p.Values, p.Blocks, p.Sums = e.scratch.bytes(), e.loop.memory.size(), e.ops.Bytes()
	for _, r := range e.ropes {
		p.Tables += r.sine.Buffer.Bytes + r.cosine.Buffer.Bytes
	}
}

// limit returns the bytes that an engine may take: what is allowed and free; 0: not
// known.
func limit(info device.Info, o Options) int64 {
	if o.Memory == 0 || info.Free > 0 && info.Free < o.Memory {
		return info.Free
	}
	return o.Memory
}

// Check returns an error that wraps device.ErrMemory and names all parts unless the
// plan fits into what is free on the device, and into what the options allow.
func (p Plan) Check(info device.Info, o Options) error {
	if o.Memory > 0 && p.Total-p.Rounding > o.Memory {
		return p.refuse(o.Memory, "allowed")
	}
	if info.Free > 0 && p.Total > info.Free {
		return p.refuse(info.Free, "free")
	}
	return nil
}

func (p Plan) refuse(limit int64, of string) error {
	hint := "allow more (--device-memory), convert the model with --type int8, or use a larger device"
	if p.Weights+p.Modulations+p.Sums+p.Rounding < limit {
		hint = "generate fewer prompts at a time (--batch-size) or fewer tokens (--max-new-tokens), " + hint
	}
	return fmt.Errorf("%v is more than the %d bytes that are %s: %w; %s", p, limit, of, device.ErrMemory, hint)
}

// Parts returns what the plan consists of, named.
func (p Plan) Parts() []Part {
	return []Part{
		{"weights", p.Weights}, {"modulations", p.Modulations},
		{"cache of the prior", p.Prior}, {"cache of the decoder", p.Decoder}, {"cache of the encoder", p.Encoder},
		{"values of a pass", p.Values}, {"blocks in work", p.Blocks}, {"partial sums", p.Sums}, {"rotary tables", p.Tables},
		{"more while loading", p.Loading}, {"rounding of the driver", p.Rounding},
	}
}

// Part is a part of a plan.
type Part struct {
	Name  string
	Bytes int64
}

// String names the extent, the whole and the parts.
func (p Plan) String() string {
	var parts []string
	for _, part := range p.Parts() {
		if part.Bytes == 0 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %d", part.Name, part.Bytes))
	}
	return fmt.Sprintf("device memory for %v: %d bytes (%s)", p.Extent, p.Total, strings.Join(parts, ", "))
}

// room is what an engine takes beside its weights.
type room struct {
	whole, layer, loop      int64 // bytes of the arenas
	prior, decoder, encoder int   // pages of the caches
	positions               int   // of the rotary tables
	lines                   int   // of modulations
	sums                    int64 // for partial sums
}

// taken returns what the runs so far have taken.
func (e *engine) taken() room {
	s := e.scratch
	r := room{
		whole: s.whole.most, layer: max(s.layers[0].most, s.layers[1].most), loop: e.loop.memory.most,
		prior: e.dit.cache.capacity, decoder: e.decoder.cache.capacity, encoder: e.encoder.cache.capacity,
		lines: e.dit.cond.lines.Rows,
	}
	for _, rope := range e.ropes {
		r.positions = max(r.positions, rope.sine.Rows)
	}
	return r
}

// makeRoom takes what is not there yet.
func (e *engine) makeRoom(r room) error {
	s := e.scratch
	errs := []error{
		s.whole.reserve(r.whole), s.layers[0].reserve(r.layer), s.layers[1].reserve(r.layer), e.loop.memory.reserve(r.loop),
		e.dit.cache.reset(0, r.prior), e.decoder.cache.reset(0, r.decoder), e.encoder.cache.reset(0, r.encoder),
		e.dit.cond.reserve(e, r.lines),
	}
	for _, rope := range e.ropes {
		errs = append(errs, rope.reach(e, r.positions))
	}
	return errors.Join(errs...)
}

// PlanOf returns what an engine of this package has planned and taken.
func PlanOf(e generate.Engine) (Plan, bool) {
	own, ok := e.(*engine)
	if !ok {
		return Plan{}, false
	}
	return own.plan, true
}
