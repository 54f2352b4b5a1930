package engine

import (
	"fmt"
	"os"
	"testing"

	"colakit/formats/tensor"
	"colakit/reference/generate"
)

// run keeps the converted model for all tests.
func run(m *testing.M) {
	dir, err := os.MkdirTemp("", "kernels-engine-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	folder = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// nothing is a tap that records nothing.
type nothing struct{}

func (nothing) Record(generate.Site, tensor.View) error { return nil }
