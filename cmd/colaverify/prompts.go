package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/pflag"

	"colakit/formats/hf"
	"colakit/formats/tokenizer"
	"colakit/golden"
	"colakit/internal/records"
	"colakit/reference/generate"
	"colakit/verify"
	"colakit/verify/record"
)

// generation is what the flags say about the run that both sides make.
type generation struct {
	options generate.Options
	seed    int64
	file    string   // of prompts
	texts   []string // on the command line
}

func (g *generation) flags(set *pflag.FlagSet) {
	g.options = generate.Defaults()
	o := &g.options
	o.Sampling.Temperature, o.Steps, o.MaxNewTokens = 0, 0, 16
	set.StringVar(&g.file, "prompts", "", "read prompts from this JSON-lines `FILE`, records as cola generate takes them")
	set.IntVar(&o.MaxNewTokens, "max-new-tokens", o.MaxNewTokens, "stop when `N` tokens are generated, prompt tokens of the first block included")
	set.IntVar(&o.Steps, "flow-steps", o.Steps, "`N` flow-matching steps of a block; 0: those of an AdaLN table, else 4")
	set.Float64Var(&o.Guidance, "guidance", o.Guidance, "scale `X` of classifier-free guidance")
	set.Float64Var(&o.Sampling.RepetitionPenalty, "repetition-penalty", o.Sampling.RepetitionPenalty, "weaken tokens of earlier blocks by `X`; 1 for none")
	set.Int64Var(&g.seed, "noise-seed", generate.DefaultNoiseSeed, "base seed `N` of the noise of every sample and block")
}

// standardSteps are enough to tell two sides apart; a whole answer takes 16.
const standardSteps = 4

// schedule takes the timesteps from the AdaLN table of a side, where there is one.
func (g *generation) schedule(sides ...*side) error {
	if g.options.Steps != 0 {
		return nil
	}
	g.options.Steps = standardSteps
	for _, s := range sides {
		table, ok, err := hf.FindSchedule(s.File)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		if ok {
			g.options.T, g.options.Steps = float64(table.T), table.Steps
		}
	}
	return nil
}

// builtIn is the number of the embedded model's prompts that are used unasked.
const builtIn = 3

// run lays out the run: the prompts in the tokens of a model, and their noise. The
// prompts are the given ones, or for the embedded model and what was made of it, its
// own.
func (g *generation) run(s *side) (r record.Run, noise generate.Noise, err error) {
	tok, err := s.Tokenizer()
	if err != nil {
		return r, nil, err
	}
	list, name, err := g.records(s)
	if err != nil {
		return r, nil, err
	}
	r = record.Run{DiT: s.Meta.DiTConfig, VAE: s.Meta.VAEConfig, Options: g.options, Seed: &g.seed, Decode: s.verifier.Text(), Engine: s.choice.Name}
	if id, ok := tok.TokenID("<|pad|>"); ok {
		r.Options.PadTokenID = id
	}
	ids := make([]int64, len(list))
	for i, rec := range list {
		where := fmt.Sprintf("%s %d", name, i)
		if ids[i], err = rec.NoiseID(i); err != nil {
			return r, nil, fmt.Errorf("%s: %w", where, err)
		}
		addPrompt(&r, where, rec, tok)
	}
	return r, generate.PerSample{Base: g.seed, IDs: ids}, nil
}

// addPrompt adds a record to a run.
func addPrompt(r *record.Run, where string, rec records.Record, tok *tokenizer.Tokenizer) {
	r.Prompts = append(r.Prompts, generate.Prompt{Name: where, Tokens: tok.Encode(rec.Prompt)})
	r.Texts = append(r.Texts, rec.Prompt)
	var id any
	if json.Unmarshal(rec.ID, &id) != nil {
		id = nil // none
	}
	r.IDs = append(r.IDs, id)
}

// records returns the prompts and what errors call them.
func (g *generation) records(s *side) (list []records.Record, name string, err error) {
	switch {
	case g.file != "" && len(g.texts) > 0:
		return nil, "", fmt.Errorf("prompts both in %s and on the command line (%q); give one or the other", g.file, g.texts[0])
	case len(g.texts) > 0:
		for i, text := range g.texts {
			list = append(list, records.Record{ID: fmt.Append(nil, i), Prompt: text})
		}
		return list, "prompt", nil
	case g.file == "":
		list, err = embeddedPrompts(s)
		return list, "embedded prompt", err
	}
	file, err := os.Open(g.file)
	if err != nil {
		return nil, "", err
	}
	defer file.Close()
	if list, err = records.Read(file, g.file); err == nil && len(list) == 0 {
		err = fmt.Errorf("%s holds no records", g.file)
	}
	return list, g.file + ": record", err
}

// embeddedPrompts returns the first of the embedded model's, for models like it.
func embeddedPrompts(s *side) ([]records.Record, error) {
	files := golden.Tiny()
	read := func(name string) (raw []byte, err error) { return fs.ReadFile(files, name) }
	dit, errDiT := read("cola_dit/config.json")
	vae, errVAE := read("cola_vae/config.json")
	raw, errPrompts := read("prompts.jsonl")
	if err := errors.Join(errDiT, errVAE, errPrompts); err != nil {
		return nil, err
	}
	differ, err := verify.ConfigDifferences(s.Meta.DiTConfig, s.Meta.VAEConfig, dit, vae)
	if err != nil {
		return nil, err
	}
	if len(differ) > 0 {
		return nil, errors.New("nothing to continue: give prompts after A and B, or records with --prompts FILE; only the embedded model has its own")
	}
	list, err := records.Read(bytes.NewReader(raw), "embedded prompts")
	return list[:min(builtIn, len(list))], err
}
