package golden

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

const formatName = "cola-golden"

// ParseInfo reads a bundle.json and checks that it does not contradict itself.
// Keys that it does not know are refused: one of them may be a known one misspelt.
// The error wraps tensor.ErrDamaged, except for a version that this package does
// not read.
func ParseInfo(raw []byte) (Info, error) {
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := decode(raw, &head); err != nil {
		return Info{}, err
	}
	if head.Format != formatName {
		return Info{}, tensor.Damagedf("format is %q, wants %q; this is no golden bundle", head.Format, formatName)
	}
	if head.Version != Version {
		return Info{}, fmt.Errorf("bundle version %d; this program reads version %d: export it again with the golden/export.py that belongs to this program", head.Version, Version)
	}
	if err := checkKeys("", raw, reflect.TypeFor[Info]()); err != nil {
		return Info{}, err
	}
	var info Info
	if err := decode(raw, &info); err != nil {
		return Info{}, err
	}
	return info, info.check()
}

func decode(raw []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(to); err != nil {
		return tensor.Damagedf("not the JSON of a bundle: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return tensor.Damagedf("more follows after the JSON object")
	}
	return nil
}

func (i *Info) check() error {
	for _, field := range []struct {
		name, value string
		known       []string
	}{
		{"contract", i.Contract, []string{"exact", "released"}},
		{"attention", i.Attention, []string{"naive", "sdpa"}},
		{"level", i.Level, []string{"tokens", "layers", "ops"}},
	} {
		if !slices.Contains(field.known, field.value) {
			return tensor.Damagedf("%s is %q; known are %s", field.name, field.value, strings.Join(field.known, ", "))
		}
	}
	for _, config := range []json.RawMessage{i.Model.DiT, i.Model.VAE} {
		if !bytes.HasPrefix(config, []byte("{")) {
			return tensor.Damagedf("model: dit_config and vae_config are objects, found %.20q", config)
		}
	}
	for _, part := range []func() error{i.Run.check, i.checkSamples, i.checkFiles, i.checkTaps, i.checkNoise} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) check() error {
	switch {
	case r.Steps < 1 || r.Steps > maxSteps:
		return tensor.Damagedf("run: steps is %d, wants 1 to %d", r.Steps, maxSteps)
	case len(r.Schedule) != r.Steps+1 || len(r.ScheduleUsed) != r.Steps+1:
		return tensor.Damagedf("run: schedule has %d values and schedule_used %d; %d steps take %d", len(r.Schedule), len(r.ScheduleUsed), r.Steps, r.Steps+1)
	case !(r.T > 0) || math.IsInf(r.T, 0):
		return tensor.Damagedf("run: T is %v, wants a positive number", r.T)
	case r.Blocks < 1:
		return tensor.Damagedf("run: blocks is %d, wants at least 1", r.Blocks)
	case r.MaxNewTokens < 1:
		return tensor.Damagedf("run: max_new_tokens is %d, wants at least 1", r.MaxNewTokens)
	}
	for _, limit := range []*int{r.BlockLimit, r.StepLimit} {
		if limit != nil && *limit < 1 {
			return tensor.Damagedf("run: block_limit or step_limit is %d, wants at least 1 or null", *limit)
		}
	}
	return nil
}

// maxSteps bounds the flow-matching steps of a block.
const maxSteps = 1 << 20

func (i *Info) checkSamples() error {
	if len(i.Samples) == 0 || len(i.Samples) != i.Run.BatchSize {
		return tensor.Damagedf("%d samples, but batch_size is %d", len(i.Samples), i.Run.BatchSize)
	}
	for n := range i.Samples {
		if err := i.Samples[n].check(i.Run.Blocks); err != nil {
			return fmt.Errorf("sample %d: %w", n, err)
		}
	}
	return nil
}

func (s *Sample) check(blocks int) error {
	switch {
	case len(s.TokenIDs) == 0 || len(s.Labels) != len(s.TokenIDs):
		return tensor.Damagedf("%d token_ids and %d labels", len(s.TokenIDs), len(s.Labels))
	case s.PrefixLatents < 0 || s.PinnedRows < 0 || s.PrefixLatents+s.PinnedRows != s.PromptLatents:
		return tensor.Damagedf("%d prompt latents are not %d of prefix and %d pinned", s.PromptLatents, s.PrefixLatents, s.PinnedRows)
	case s.PromptLatents > len(s.TokenIDs):
		return tensor.Damagedf("%d prompt latents of %d tokens", s.PromptLatents, len(s.TokenIDs))
	case len(s.Blocks) != blocks:
		return tensor.Damagedf("ids of %d blocks, but the run has %d", len(s.Blocks), blocks)
	}
	for b, ids := range s.Blocks {
		if len(ids) == 0 || len(ids) != len(s.Blocks[0]) {
			return tensor.Damagedf("block %d has %d ids, block 0 has %d", b, len(ids), len(s.Blocks[0]))
		}
	}
	if s.Trim < 0 || s.Trim > blocks*len(s.Blocks[0]) {
		return tensor.Damagedf("trim is %d of %d generated ids", s.Trim, blocks*len(s.Blocks[0]))
	}
	return nil
}

func (i *Info) checkFiles() error {
	for name, sum := range i.Files {
		if !fileName.MatchString(name) {
			return tensor.Damagedf("file name %q; wants letters, digits, '-', '_', '.' and the ending .safetensors", name)
		}
		if !isSum(sum) {
			return tensor.Damagedf("file %s: %q is no sha256", name, sum)
		}
	}
	return nil
}

var (
	fileName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]*\.safetensors$`)
	tapName  = regexp.MustCompile(`^(encode|prefill|noise|b\d{2,}|b\d{2,}/(decode|commit|s\d{2,}|s\d{2,}/(cond|uncond)))/[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$`)
)

func (i *Info) checkTaps() error {
	seen := make(map[string]bool, len(i.Taps))
	for _, t := range i.Taps {
		if seen[t.Name] {
			return tensor.Damagedf("tap %q is listed twice", t.Name)
		}
		seen[t.Name] = true
		if err := i.checkTap(t); err != nil {
			return err
		}
	}
	return nil
}

func (i *Info) checkTap(t Tap) error {
	if !tapName.MatchString(t.Name) {
		return tensor.Damagedf("tap %q: this is no name of a tap", t.Name)
	}
	if _, err := (tensor.Desc{Name: t.Name, Type: t.Type, Shape: t.Shape}).Bytes(); err != nil {
		return tensor.Damagedf("tap %q: %v", t.Name, err)
	}
	if _, ok := i.Files[t.File]; !ok {
		return tensor.Damagedf("tap %q: its file %q is not listed in files", t.Name, t.File)
	}
	if !isSum(t.SHA256) {
		return tensor.Damagedf("tap %q: %q is no sha256", t.Name, t.SHA256)
	}
	if run, err := dtype.Parse(t.RunType); err != nil {
		return tensor.Damagedf("tap %q: run_type: %v", t.Name, err)
	} else if run.Float() != t.Type.Float() || run.Size() > t.Type.Size() {
		return tensor.Damagedf("tap %q: a value of type %v is stored as %v", t.Name, run, t.Type)
	}
	return nil
}

// checkNoise looks for the noise of every block, without which no run can be repeated.
func (i *Info) checkNoise() error {
	held := map[string]Tap{}
	for _, t := range i.Taps {
		if strings.HasPrefix(t.Name, "noise/") {
			held[t.Name] = t
		}
	}
	for b := range i.Run.Blocks {
		t, ok := held[NoiseName(b)]
		if !ok {
			return tensor.Damagedf("no tap %q, but the run has %d blocks", NoiseName(b), i.Run.Blocks)
		}
		if len(t.Shape) != 3 || t.Shape[0] != i.Run.BatchSize || t.Type != dtype.F32 {
			return tensor.Damagedf("tap %q is %v %v, wants f32 [%d, block_size, channels]", t.Name, t.Type, t.Shape, i.Run.BatchSize)
		}
	}
	return nil
}

// NoiseName returns the name of the tap that holds a block's starting noise,
// [batch, block_size, latent_dim] in float32.
func NoiseName(block int) string { return fmt.Sprintf("noise/b%02d", block) }

func isSum(text string) bool {
	raw, err := hex.DecodeString(text)
	return err == nil && len(raw) == 32 && strings.ToLower(text) == text
}
