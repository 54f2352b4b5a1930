package export

import (
	"errors"
	"fmt"
	"strings"
)

// Format is what an artifact is exported to.
type Format string

// The formats.
const (
	SafeTensors       Format = "safetensors"        // a Hugging Face folder with floating-point weights
	CompressedTensors Format = "compressed-tensors" // the same with int8 weights
	GGUF              Format = "gguf"               // one file
)

// types lists what --type may be, by format. Stored is always possible.
var types = map[Format][]string{
	SafeTensors:       {"f32", "f16", "bf16"},
	CompressedTensors: {"int8", "int8-g32", "int8-g64", "int8-g128"},
	GGUF:              {"f32", "f16", "bf16", "q8_0"},
}

// Stored is the type that leaves every tensor as the artifact stores it, as far as
// the format can hold it without loss.
const Stored = ""

// Options say what is exported, and how.
type Options struct {
	Format Format
	Type   string // Stored, or one of the format's
	// Fallback is the type of matrices that Type can't hold, because their rows are
	// no whole blocks or groups: "f32", "f16" or "bf16". Without it they are refused.
	Fallback string
	// ShardBytes bounds the weight files of a Hugging Face folder; 0: DefaultShard.
	ShardBytes int64
}

// DefaultShard is the size up to which a model's weights are one file.
const DefaultShard = 5_000_000_000

func (o Options) check() error {
	known, ok := types[o.Format]
	switch {
	case o.Format == "":
		return errors.New("no format to export to: want safetensors, compressed-tensors or gguf")
	case !ok:
		return fmt.Errorf("unknown format %q; known are safetensors, compressed-tensors, gguf", o.Format)
	case o.Type != Stored && !contains(known, o.Type):
		return fmt.Errorf("type %q is none of %v; it has %s", o.Type, o.Format, strings.Join(known, ", "))
	case o.Fallback != "" && !contains(types[SafeTensors], o.Fallback):
		return fmt.Errorf("fallback type %q; possible are f32, f16, bf16", o.Fallback)
	case o.Fallback != "" && o.Format == SafeTensors:
		return errors.New("a fallback type is for the block types of gguf and compressed-tensors: safetensors holds any shape")
	case o.ShardBytes < 0:
		return fmt.Errorf("shards of %d bytes", o.ShardBytes)
	case o.ShardBytes > 0 && o.Format == GGUF:
		return errors.New("a size of shards is for Hugging Face folders: GGUF is written as one file")
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
