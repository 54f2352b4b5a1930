// Package golden reads golden bundles: self-contained records of one run of the
// public Python package, written by export.py, against which an implementation
// is held operation by operation. It writes them too, of runs of other engines.
package golden

import (
	"encoding/json"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// Version is the bundle format that this package reads.
const Version = 1

// Info is the content of a bundle's bundle.json.
type Info struct {
	Format      string              `json:"format"`    // "cola-golden"
	Version     int                 `json:"version"`   // Version
	Exporter    string              `json:"exporter"`  // version of export.py
	Contract    string              `json:"contract"`  // "exact" or "released"
	Device      string              `json:"device"`    // "cpu", "cpu-emulated", "cuda:<name>"
	Attention   string              `json:"attention"` // of the DiT: "naive" or "sdpa"
	Level       string              `json:"level"`     // "tokens", "layers" or "ops"
	Environment map[string]any      `json:"environment"`
	Model       Model               `json:"model"`
	Run         Run                 `json:"run"`
	Samples     []Sample            `json:"samples"`
	Files       map[string]string   `json:"files"`                // file name → sha256, hexadecimal
	Taps        []Tap               `json:"taps"`                 // in the order of the run
	LogitRows   map[string][]string `json:"logit_rows,omitempty"` // "b00" → sha256 of each row of logits as float32
	Floors      map[string]Floor    `json:"floors,omitempty"`     // tap → measured by floors.py
}

// Model identifies the checkpoint.
type Model struct {
	DiT     json.RawMessage   `json:"dit_config"` // config.json, verbatim
	VAE     json.RawMessage   `json:"vae_config"`
	Sources map[string]string `json:"sources"` // file name relative to the model → sha256
}

// Run holds the settings of the run.
type Run struct {
	T                 float64   `json:"T"`
	Steps             int       `json:"steps"`
	Schedule          []float64 `json:"schedule"`      // Steps+1 timesteps as given
	ScheduleUsed      []float64 `json:"schedule_used"` // as the model saw them (rounded under "released")
	Guidance          float64   `json:"guidance"`
	MaxNewTokens      int       `json:"max_new_tokens"`
	Temperature       float64   `json:"temperature"`
	TopK              int       `json:"top_k"`
	TopP              float64   `json:"top_p"`
	RepetitionPenalty float64   `json:"repetition_penalty"`
	PadTokenID        int32     `json:"pad_token_id"`
	EOSTokenID        *int32    `json:"eos_token_id"`
	IMEndTokenID      *int32    `json:"im_end_token_id"`
	NoiseSeed         *int64    `json:"noise_seed"`
	BatchSize         int       `json:"batch_size"`
	Blocks            int       `json:"blocks"`      // generated blocks
	BlockLimit        *int      `json:"block_limit"` // taps recorded in blocks below it; null: all. The noise is always there.
	StepLimit         *int      `json:"step_limit"`  // taps recorded in steps below it; null: all. Decode and commit are not steps.
}

// Sample is one prompt of the batch and what became of it.
type Sample struct {
	ID            any       `json:"id"`
	Prompt        string    `json:"prompt"`
	TokenIDs      []int32   `json:"token_ids"` // padded to a multiple of block_size·patch_size
	Labels        []int     `json:"labels"`    // PromptLabel or PaddingLabel; one per token
	PromptLatents int       `json:"prompt_latents"`
	PrefixLatents int       `json:"prefix_latents"`
	PinnedRows    int       `json:"pinned_rows"` // of the first block
	FirstGuidance float64   `json:"first_block_guidance"`
	Trim          int       `json:"trim"` // prompt tokens at the start of the generated ones
	Blocks        [][]int32 `json:"blocks"`
	Text          string    `json:"text"`
}

// The labels of a sample's tokens.
const (
	PromptLabel  = 1
	PaddingLabel = 3 // of what only fills up the last block
)

// Tap describes one recorded value.
type Tap struct {
	Name    string       `json:"name"`
	Shape   tensor.Shape `json:"shape"`
	Type    dtype.Type   `json:"type"`     // as stored
	RunType string       `json:"run_type"` // the type the value had in the run: "f32", "bf16"
	Rounded bool         `json:"rounded"`  // the run rounded the value to RunType at this point
	File    string       `json:"file"`
	SHA256  string       `json:"sha256"` // of the tap's bytes
}

// Floor is the error that the model's own numerics make at one tap.
type Floor struct {
	RMS  float64 `json:"rms"`  // root mean square of the difference
	P999 float64 `json:"p999"` // 99.9th percentile of its magnitude
}
