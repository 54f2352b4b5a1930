package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"

	"colakit/convert/export"
	"colakit/internal/command"
	"colakit/internal/progress"
)

// toCola is the format that --to has by default: the artifact itself.
const toCola = "cola"

// artifactSuffix is appended to the name of an export for the artifact that it is
// made of and that is removed afterwards.
const artifactSuffix = ".converted.cola"

// checkTo checks --to, and what does not go with it, before any work.
func (f *conversion) checkTo() error {
	if f.to == toCola {
		return nil
	}
	switch {
	case len(f.golden) > 0:
		return fmt.Errorf("--golden: %s has no place for the verdict; convert to .cola with --golden, then colaconv export", f.to)
	case f.execute.Resume:
		return errors.New("--resume is for .cola: leave --to out, then colaconv export")
	case f.dryRun:
		return errors.New("--dry-run is for .cola: leave --to out; colaconv export --dry-run says what an export would do")
	}
	return export.CheckOutput(f.out, export.Format(f.to), f.execute.Force)
}

// convertTo converts to an artifact beside the output, exports it and removes it.
func (f *conversion) convertTo(ctx context.Context, s command.Streams, bar *progress.Reporter) (err error) {
	artifact := filepath.Clean(f.out) + artifactSuffix
	if _, _, err := f.write(ctx, artifact, bar); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(artifact)) }()
	x, err := export.Prepare(artifact, export.Options{Format: export.Format(f.to)})
	if err != nil {
		return err
	}
	defer x.Close()
	debug.SetMemoryLimit(math.MaxInt64) // --max-rss is that of the conversion
	return runExport(ctx, s, x, f.out, export.ExecuteOptions{Force: f.execute.Force, Jobs: f.jobs}, f.progress, f.asJSON)
}
