// Command colaverify holds engines and artifacts against golden bundles.
package main

import (
	"os"

	"colakit/internal/command"
)

func program() command.Program {
	layerwise := layerwiseVerb()
	return command.Program{
		Name:  "colaverify",
		Short: "hold an engine and an artifact against recordings of the Python package",
		Long:  layerwise.Long,
		Verbs: []command.Verb{layerwise, compareVerb(), bundleVerb(), bisectVerb(), policyVerb(), replayVerb(), selftestVerb()},
	}
}

func main() { os.Exit(program().Main()) }
