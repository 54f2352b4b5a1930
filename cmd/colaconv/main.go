// Command colaconv converts Cola DLM checkpoints to native artifacts, and looks
// into artifacts.
package main

import (
	"os"

	"colakit/internal/command"
)

func main() { os.Exit(program().Main()) }

func program() command.Program {
	return command.Program{
		Name:  "colaconv",
		Short: "convert Cola DLM checkpoints to native artifacts, and look into artifacts",
		Long: `An artifact is one file that holds the whole model: weights, both configurations,
the tokenizer and where all of it comes from. Every bit of it is under a checksum.

  colaconv convert hf_models -o cola.cola --type bf16
  colaconv inspect cola.cola
  colaconv check cola.cola
  colaconv export cola.cola --to gguf --type q8_0 -o cola.gguf`,
		Verbs: []command.Verb{convertVerb(), planVerb(), inspectVerb(), checkVerb(), diffVerb(), explainVerb(), exportVerb()},
	}
}
