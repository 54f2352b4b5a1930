package generate

import (
	"fmt"
	"strconv"
	"strings"
)

// Stage is the part of a run that a value belongs to.
type Stage uint8

// The stages of a run, in order; Denoise to Commit repeat for every block.
const (
	Encode  Stage = iota // VAE encoder over the prompts
	Prefill              // DiT and VAE decoder over the clean prefixes
	Denoise              // a flow-matching step: branch Cond, Uncond, or the loop's own values
	Decode               // VAE decoder over the finished block
	Commit               // DiT at t = 0 over the finished block
)

// The branches of a Denoise step.
const (
	Cond   = "cond"
	Uncond = "uncond"
)

// A Site names one value of a run: where in the run, and which module and
// operation. Its text form is the name used by golden bundles:
//
//	encode/vae.encoder.blocks.1.attn.out
//	prefill/dit.blocks.0.msa.k
//	b00/s03/cond/dit.blocks.17.msa.out
//	b00/s03/velocity              (the loop's own: z, t, t_used, velocity, z_next)
//	b00/decode/vae.decoder.logits
//	b00/commit/dit.blocks.3.mlp.out
type Site struct {
	Stage  Stage
	Block  int    // from Denoise on
	Step   int    // Denoise only
	Branch string // Denoise only: Cond, Uncond or "" for the loop's own values
	Path   string // module path and operation
}

// String returns the site's name in a bundle.
func (s Site) String() string {
	switch s.Stage {
	case Encode:
		return "encode/" + s.Path
	case Prefill:
		return "prefill/" + s.Path
	case Decode:
		return fmt.Sprintf("b%02d/decode/%s", s.Block, s.Path)
	case Commit:
		return fmt.Sprintf("b%02d/commit/%s", s.Block, s.Path)
	}
	if s.Branch == "" {
		return fmt.Sprintf("b%02d/s%02d/%s", s.Block, s.Step, s.Path)
	}
	return fmt.Sprintf("b%02d/s%02d/%s/%s", s.Block, s.Step, s.Branch, s.Path)
}

// ParseSite is the inverse of String.
func ParseSite(name string) (Site, error) {
	parts := strings.Split(name, "/")
	bad := fmt.Errorf("%q is not the name of a tap", name)
	if len(parts) == 2 && parts[1] != "" {
		switch parts[0] {
		case "encode":
			return Site{Stage: Encode, Path: parts[1]}, nil
		case "prefill":
			return Site{Stage: Prefill, Path: parts[1]}, nil
		}
		return Site{}, bad
	}
	if len(parts) < 3 || parts[len(parts)-1] == "" {
		return Site{}, bad
	}
	block, ok := index(parts[0], 'b')
	if !ok {
		return Site{}, bad
	}
	s := Site{Block: block, Path: parts[len(parts)-1]}
	switch {
	case len(parts) == 3 && parts[1] == "decode":
		s.Stage = Decode
		return s, nil
	case len(parts) == 3 && parts[1] == "commit":
		s.Stage = Commit
		return s, nil
	}
	s.Stage = Denoise
	if s.Step, ok = index(parts[1], 's'); !ok || len(parts) > 4 {
		return Site{}, bad
	}
	if len(parts) == 4 {
		if s.Branch = parts[2]; s.Branch != Cond && s.Branch != Uncond {
			return Site{}, bad
		}
	}
	return s, nil
}

func index(part string, letter byte) (int, bool) {
	if len(part) < 3 || part[0] != letter {
		return 0, false
	}
	n, err := strconv.Atoi(part[1:])
	return n, err == nil && n >= 0
}
