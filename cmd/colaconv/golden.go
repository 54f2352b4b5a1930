package main

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"

	"colakit/cmd/internal/model"
	"colakit/convert"
	"colakit/internal/command"
	"colakit/internal/progress"
	"colakit/reference/generate"
	"colakit/verify"
)

// openBundles opens the bundles that --golden names.
func openBundles(names []string) (opened []model.Bundle, err error) {
	for _, name := range names {
		b, err := model.OpenBundle(name)
		if err != nil {
			model.CloseBundles(opened)
			return nil, fmt.Errorf("--golden: %w", err)
		}
		opened = append(opened, b)
	}
	return opened, nil
}

// fitBundles refuses, before any work, bundles that an artifact of the source can't
// be compared with.
func fitBundles(c *convert.Conversion, source string, bundles []model.Bundle) error {
	s := model.Subject{Path: source, Table: c.AdaTable}
	s.DiT, s.VAE = c.Configs()
	for _, b := range bundles {
		if err := b.Fits(s); err != nil {
			return err
		}
	}
	return nil
}

// verifier returns what holds an artifact against the bundles; nil for none. A
// verdict of FAIL is an error, the one of colaverify.
func verifier(bundles []model.Bundle, bar *progress.Reporter) func(context.Context, string) (convert.Verification, error) {
	if len(bundles) == 0 {
		return nil
	}
	return func(ctx context.Context, path string) (v convert.Verification, err error) {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64)) // the model is computed: another plan of the memory
		suite, err := verifyArtifact(ctx, path, bundles, bar)
		if err != nil {
			return v, err
		}
		if suite.Verdict == verify.Fail {
			return v, model.VerdictError(suite)
		}
		v.State = state(suite.Verdict)
		for i, r := range suite.Reports {
			v.Bundles = append(v.Bundles, convert.Verdict{
				Bundle: r.Bundle.Name, SHA256: bundles[i].Sum(), Contract: r.Bundle.Contract, Level: r.Bundle.Level,
				State: state(r.Verdict), Reason: r.Reason, Compared: r.Coverage.Elements,
			})
		}
		return v, nil
	}
}

func verifyArtifact(ctx context.Context, path string, bundles []model.Bundle, bar *progress.Reporter) (*verify.Suite, error) {
	choice, err := model.EngineFlags{Name: model.DefaultEngine}.Choose()
	if err != nil {
		return nil, err
	}
	m, err := model.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	v, err := m.Verifier(choice, generate.FloatActivations)
	if err != nil {
		return nil, err
	}
	var reports []*verify.Report
	for _, b := range bundles {
		r, err := v.Run(ctx, b, func(label string, done, total int64) {
			bar.Update(fmt.Sprintf("verify: %s %s", b.Name, label), done, total)
		})
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return verify.NewSuite(reports...), nil
}

func state(v verify.Verdict) string {
	if v == verify.Pass {
		return convert.Verified
	}
	return convert.Incomplete
}

// incomplete returns the error that stands for exit code 4 if the artifact was
// stored without everything having been compared.
func incomplete(v convert.Verification) error {
	for _, b := range v.Bundles {
		if b.State == convert.Incomplete {
			return fmt.Errorf("%s: %s: %w", b.Bundle, b.Reason, command.ErrIncomplete)
		}
	}
	return nil
}
