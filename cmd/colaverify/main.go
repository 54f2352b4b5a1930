// Command colaverify holds engines and artifacts against golden bundles.
package main

import (
	"os"

	"colakit/internal/command"
)

func program() command.Program {
	return command.Program{
		Name:  "colaverify",
		Short: "hold an engine and an artifact against recordings of the Python package",
		Verbs: []command.Verb{layerwiseVerb()},
	}
}

func main() { os.Exit(program().Main()) }
