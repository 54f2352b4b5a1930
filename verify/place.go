package verify

import (
	"fmt"
	"strconv"
	"strings"

	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// Place says where in a run and in the model a recorded value stands.
type Place struct {
	Pass    string // "encode", "prefill", "cond", "uncond", "latents", "decode" or "commit"
	Block   int    // −1 where the pass belongs to none
	Step    int    // −1 likewise
	Section string // of the model: "encoder", "dit", "decoder", or "loop"
	Layer   int    // block of the section, −1 outside the blocks
	Op      string // within the block: "msa.out"
	Path    string // module path and operation: "dit.blocks.2.msa.out"
}

// Passes are the values of Place.Pass in the order of a run.
var Passes = []string{"encode", "prefill", "cond", "uncond", "latents", "decode", "commit"}

// PlaceOf reads a place off the name of a tap.
func PlaceOf(tap string) (Place, error) {
	s, err := generate.ParseSite(tap)
	if err != nil {
		return Place{}, err
	}
	return placeOf(s), nil
}

func placeOf(s generate.Site) Place {
	pass := passName(s)
	p := Place{Pass: pass[strings.IndexByte(pass, '/')+1:], Block: -1, Step: -1, Path: s.Path}
	if s.Stage >= generate.Denoise {
		p.Block = s.Block
	}
	if s.Stage == generate.Denoise {
		p.Step = s.Step
	}
	p.Section, p.Layer, p.Op = moduleOf(s)
	return p
}

// moduleOf divides a path: "dit.blocks.2.msa.out" is "msa.out" of layer 2 of the DiT.
func moduleOf(s generate.Site) (section string, layer int, op string) {
	part, op := string(catalog.Decoder), s.Path
	switch {
	case s.Stage == generate.Denoise && s.Branch == "":
		return string(catalog.Loop), -1, op
	case strings.HasPrefix(op, "dit."):
		part, op = string(catalog.DiT), op[len("dit."):]
	case strings.HasPrefix(op, "vae.encoder."):
		part, op = string(catalog.Encoder), op[len("vae.encoder."):]
	case strings.HasPrefix(op, "vae.decoder."):
		op = op[len("vae.decoder."):]
	case strings.HasPrefix(op, "vae."):
		part, op = string(catalog.Encoder), op[len("vae."):]
	}
	if rest, ok := strings.CutPrefix(op, "blocks."); ok {
		number, name, _ := strings.Cut(rest, ".")
		if n, err := strconv.Atoi(number); err == nil && name != "" {
			return part, n, name
		}
	}
	return part, -1, op
}

// LayerName names the layer: "dit 3", or "dit" for what surrounds the blocks.
func (p Place) LayerName() string {
	if p.Layer < 0 {
		return p.Section
	}
	return fmt.Sprintf("%s %d", p.Section, p.Layer)
}

// String describes the place in words: "msa.out of dit layer 2; cond, block 0, step 1".
func (p Place) String() string {
	text := p.Op + " of the " + p.Section
	if p.Layer >= 0 {
		text = fmt.Sprintf("%s of %s layer %d", p.Op, p.Section, p.Layer)
	}
	text += "; " + p.Pass
	if p.Block >= 0 {
		text += fmt.Sprintf(", block %d", p.Block)
	}
	if p.Step >= 0 {
		text += fmt.Sprintf(", step %d", p.Step)
	}
	return text
}

// ExplainedBy returns the subject of the failure that the report holds for the cause
// of this one; "" where it stands for itself.
func (r *Report) ExplainedBy(c *Comparison) string {
	if !c.Failed() {
		return ""
	}
	phase := c.phase
	if phase == phaseNone { // a report that was read back
		phase = phaseOf(c.Mode)
	}
	place, err := PlaceOf(c.Name)
	for _, f := range r.Findings {
		own := err == nil && f.Subject == place.Path
		if own && phase <= phaseIsolated || f.Phase == phase.String() && phase > phaseIsolated {
			return f.ExplainedBy
		}
	}
	return ""
}
