package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"colakit/formats/hf"
	"colakit/golden"
	"colakit/reference/generate"
)

// Recordings says how two bundles of the same run differ.
type Recordings struct {
	Other       string         `json:"other"`                 // the bundle that is held against the golden
	Environment []Setting      `json:"environment,omitempty"` // what the two were recorded in, where it differs
	Taps        int            `json:"taps"`                  // in both
	BitEqual    int            `json:"bit_equal"`             // of them
	First       string         `json:"first,omitempty"`       // tap that is not, in the order of the run
	Passes      []RecordedPass `json:"passes"`
}

// Setting is a fact of the environment that differs.
type Setting struct {
	Name   string `json:"name"`
	Golden string `json:"golden"`
	Other  string `json:"other"`
}

// RecordedPass sums up the values of one kind of pass.
type RecordedPass struct {
	Pass     string  `json:"pass"`
	Taps     int     `json:"taps"`
	BitEqual int     `json:"bit_equal"` // taps
	Elements int64   `json:"elements"`
	Equal    int64   `json:"equal"`   // elements that are bit-equal
	RelL2    float64 `json:"rel_l2"`  // the largest
	MaxAbs   float64 `json:"max_abs"` // likewise
	ULP      float64 `json:"ulp_p99"` // the largest of the 99th percentiles of any tap, outside the small values
	Worst    string  `json:"worst,omitempty"`
}

const otherLacks = "not in the other bundle"

// Bundles holds a bundle against a golden one of the same run: did another version of
// the package, or another machine, move the reference? Values of a single pass on the
// same inputs are judged as free-running, the latents of a block as in generation, the
// rest is shown. An error says that the two could not be compared: they are of other
// models, prompts or settings, or damaged.
func Bundles(ctx context.Context, a, b *golden.Bundle, nameA, nameB string) (*Report, error) {
	start := time.Now()
	if err := sameRun(&a.Info, &b.Info); err != nil {
		return nil, fmt.Errorf("%s and %s are recordings of different runs: %w", nameA, nameB, err)
	}
	s, err := recordedSession(a, b, nameA, nameB)
	if err != nil {
		return nil, err
	}
	for _, bundle := range []*golden.Bundle{a, b} {
		if err := bundle.Verify(ctx); err != nil {
			return nil, err
		}
	}
	p := &playback{session: s, other: b, result: &Recordings{Other: nameB, Environment: settingsApart(&a.Info, &b.Info)}}
	s.recordings = p.result
	if err := p.play(ctx); err != nil {
		return nil, err
	}
	p.outcome()
	r := s.report()
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

// recordedSession prepares the session whose candidate is a recording.
func recordedSession(a, b *golden.Bundle, nameA, nameB string) (*session, error) {
	contract, err := generate.ParseContract(a.Info.Contract)
	if err != nil {
		return nil, err
	}
	cfg, err := hf.ParseConfig(b.Info.Model.DiT, b.Info.Model.VAE)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", nameB, err)
	}
	e := recorded{model: generate.Model{
		BlockSize: cfg.DiT.BlockSize, PatchSize: cfg.VAE.PatchSize, LatentDim: cfg.VAE.LatentDim, VocabSize: cfg.VAE.VocabSize, Contract: contract,
	}}
	s, err := newSession(e, a, Options{
		Name: nameA, Engine: EngineID{Name: "the recording " + nameB, Precision: "float32"},
		Artifact: Artifact{Path: nameB, DiT: b.Info.Model.DiT, VAE: b.Info.Model.VAE, Sources: b.Info.Model.Sources},
	})
	if err != nil {
		return nil, err
	}
	s.options.Engine.Contract, s.options.Engine.Environment = b.Info.Contract, b.Info.Environment
	if b.Info.Contract != a.Info.Contract {
		s.unjudged = fmt.Sprintf("the policy has no rule for a run of the %s contract that is held against one of the %s contract", b.Info.Contract, a.Info.Contract)
	}
	return s, nil
}

// recorded stands for an engine that has run already.
type recorded struct {
	generate.Engine
	model generate.Model
}

func (r recorded) Model() generate.Model { return r.model }

// sameRun returns an error that names the first setting in which two runs differ.
// What of a run was recorded may differ.
func sameRun(a, b *golden.Info) error {
	if len(a.Samples) != len(b.Samples) {
		return fmt.Errorf("%s and %d", plural(len(a.Samples), "sample"), len(b.Samples))
	}
	for i := range a.Samples {
		if !slices.Equal(a.Samples[i].TokenIDs, b.Samples[i].TokenIDs) || !slices.Equal(a.Samples[i].Labels, b.Samples[i].Labels) {
			return fmt.Errorf("sample %d has other tokens", i)
		}
	}
	x, y := a.Run, b.Run
	for _, r := range []*golden.Run{&x, &y} {
		r.BlockLimit, r.StepLimit, r.Blocks, r.ScheduleUsed, r.BatchSize = nil, nil, 0, nil, 0
	}
	if d := differences(x, y); len(d) > 0 {
		return fmt.Errorf("%s %s and %s", d[0].Name, d[0].Golden, d[0].Other)
	}
	return nil
}

// settingsApart lists what differs in the environments, the kernels and what else a
// bundle says of how it was made.
func settingsApart(a, b *golden.Info) []Setting {
	of := func(i *golden.Info) map[string]any {
		all := map[string]any{"contract": i.Contract, "device": i.Device, "attention": i.Attention, "exporter": i.Exporter, "level": i.Level}
		maps.Copy(all, i.Environment)
		return all
	}
	return differences(of(a), of(b))
}

// differences lists the keys of two objects whose values differ, in order.
func differences(a, b any) []Setting {
	fields := func(v any) map[string]json.RawMessage {
		raw, err := json.Marshal(v)
		var m map[string]json.RawMessage
		if errors.Join(err, json.Unmarshal(raw, &m)) != nil {
			return nil // both came from JSON
		}
		return m
	}
	x, y := fields(a), fields(b)
	var list []Setting
	keys := maps.Clone(x)
	maps.Copy(keys, y)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if !reflect.DeepEqual(x[k], y[k]) {
			list = append(list, Setting{k, string(x[k]), string(y[k])})
		}
	}
	return list
}
