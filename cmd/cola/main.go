// Command cola generates text with converted models.
package main

import (
	"os"

	"colakit/internal/command"
)

func program() command.Program {
	return command.Program{
		Name:  "cola",
		Short: "generate text with a Cola DLM artifact",
		Verbs: []command.Verb{generateVerb(), tokenizeVerb(), devicesVerb(), benchVerb()},
	}
}

func main() { os.Exit(program().Main()) }
