package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"colakit/golden"
	"colakit/internal/atomicfile"
	"colakit/internal/command"
	"colakit/verify"
	"colakit/verify/listing"
	"colakit/verify/page"
)

// standardOutput is the name of an output that is no file.
const standardOutput = "-"

// outputs are where a suite goes. The text for people goes to the standard output,
// unless something else does.
type outputs struct {
	verbose bool
	files   []output
}

// output is one form of a suite.
type output struct {
	flag  string
	path  string // "": not asked for
	write func(*verify.Suite, io.Writer) error
}

// flags declares the flags of the outputs.
func (o *outputs) flags(set *pflag.FlagSet) {
	o.files = []output{
		{flag: "json", write: (*verify.Suite).WriteJSON},
		{flag: "csv", write: func(s *verify.Suite, w io.Writer) error { return listing.CSV(w, s) }},
		{flag: "junit", write: func(s *verify.Suite, w io.Writer) error { return listing.JUnit(w, s) }},
		{flag: "html", write: func(s *verify.Suite, w io.Writer) error { return page.Write(w, s) }},
	}
	for i, usage := range []string{
		"write the whole report as JSON to this `FILE`, which can't be one that is read; - for the standard output, and nothing else there",
		"write a row for each comparison to this `FILE`, likewise",
		"write the operations as test cases of JUnit's XML to this `FILE`, likewise",
		"write a page that any browser shows without a network to this `FILE`, likewise",
	} {
		set.StringVar(&o.files[i].path, o.files[i].flag, "", usage)
	}
	set.BoolVar(&o.verbose, "verbose", false, "print every operation and the derivation of every tolerance")
}

// check refuses, before any work, a file that can't be written, is read, or is
// another output's.
func (o outputs) check(inputs ...atomicfile.Input) error {
	seen := map[string]string{}
	for _, f := range o.files {
		if f.path == "" {
			continue
		}
		name := f.path
		if name != standardOutput {
			if err := atomicfile.Check(f.path, inputs...); err != nil {
				return fmt.Errorf("--%s: %w", f.flag, err)
			}
			name = place(f.path)
		}
		if other := seen[name]; other != "" {
			return fmt.Errorf("--%s and --%s both write to %s: name another output", other, f.flag, f.path)
		}
		seen[name] = f.flag
	}
	return nil
}

// place names a file by its real folder, so that two names of one file are equal.
func place(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	} else if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(dir, filepath.Base(path))
	}
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

// write writes the files, and prints what belongs on the standard output.
func (o outputs) write(s command.Streams, suite *verify.Suite) error {
	print := func() error { return suite.WriteText(s.Out, textOptions(s.Out, o.verbose)) }
	var errs []error
	for _, f := range o.files {
		switch f.path {
		case "":
		case standardOutput:
			print = func() error { return f.write(suite, s.Out) }
		default:
			if err := atomicfile.Write(f.path, func(w io.Writer) error { return f.write(suite, w) }); err != nil {
				errs = append(errs, fmt.Errorf("--%s: %w", f.flag, err))
			}
		}
	}
	return errors.Join(append(errs, print())...)
}

// checkOutputs refuses outputs over what the request reads.
func (r request) checkOutputs() error {
	inputs := append(r.bundleFiles(), atomicfile.Input{Path: r.model, Role: "the artifact"})
	if r.state != "" {
		inputs = append(inputs, atomicfile.Input{Path: r.state, Role: "the state of the run"})
	}
	if r.policy != "" {
		inputs = append(inputs, atomicfile.Input{Path: r.policy, Role: "the file of overrides"})
	}
	if err := r.outputs.check(inputs...); err != nil {
		return err
	}
	for _, f := range r.outputs.files {
		if r.replay.path != "" && f.path != "" && f.path != standardOutput && place(f.path) == place(r.replay.path) {
			return fmt.Errorf("--%s and --replay-out both write to %s: name another output", f.flag, f.path)
		}
	}
	return r.replay.check(inputs...)
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
