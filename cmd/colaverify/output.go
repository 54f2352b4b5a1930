package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"colakit/golden"
	"colakit/internal/atomicfile"
	"colakit/internal/command"
	"colakit/verify"
)

// checkOutput refuses, before any work, a file of --json that can't be written or
// is read.
func (r request) checkOutput() error {
	if r.json == "" || r.json == "-" {
		return nil
	}
	inputs := append(r.bundleFiles(), atomicfile.Input{Path: r.model, Role: "the artifact"})
	if err := atomicfile.Check(r.json, inputs...); err != nil {
		return fmt.Errorf("--json: %w", err)
	}
	return nil
}

// bundleFiles lists the files of the bundle that --golden names; none for one that
// is embedded, or for a folder that is no bundle.
func (r request) bundleFiles() (files []atomicfile.Input) {
	if !exists(filepath.Join(r.golden, golden.InfoName)) {
		return nil
	}
	_ = filepath.WalkDir(r.golden, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, atomicfile.Input{Path: path, Role: "a file of the golden bundle"})
		}
		return nil // opening the bundle reports what can't be read
	})
	return files
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// write prints the suite and writes its JSON.
func (r request) write(s command.Streams, suite *verify.Suite) error {
	if r.json == "-" {
		return suite.WriteJSON(s.Out)
	}
	if err := suite.WriteText(s.Out, textOptions(s.Out, r.verbose)); err != nil {
		return err
	}
	if r.json == "" {
		return nil
	}
	if err := atomicfile.Write(r.json, suite.WriteJSON); err != nil {
		return fmt.Errorf("--json: %w", err)
	}
	return nil
}
