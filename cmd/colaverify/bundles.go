package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"colakit/formats/hf"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify"
)

// bundle is an open golden bundle with the name the report gives it.
type bundle struct {
	name string
	*golden.Bundle
}

// schedule is that of the recorded run.
func (b bundle) schedule() hf.Schedule {
	run := b.Info.Run
	return hf.Schedule{T: int(run.T), Steps: run.Steps, Contract: b.Info.Contract}
}

func closeAll(bundles []bundle) {
	for _, b := range bundles {
		b.Close()
	}
}

// bundles opens the bundle that is asked for, or all embedded ones.
func (r request) bundles() (opened []bundle, err error) {
	if r.contract != "" {
		if _, err := generate.ParseContract(r.contract); err != nil {
			return nil, fmt.Errorf("--contract: %w", err)
		}
	}
	var names []string
	for _, e := range golden.TinyBundles() {
		names = append(names, e.Name)
		if r.golden != "" && (r.golden != e.Name || exists(r.golden)) {
			continue
		}
		b, err := golden.OpenFS(e.Files)
		if err != nil {
			closeAll(opened)
			return nil, fmt.Errorf("embedded bundle %s: %w", e.Name, err)
		}
		opened = append(opened, bundle{e.Name, b})
	}
	if len(opened) > 0 {
		return opened, nil
	}
	b, err := golden.Open(r.golden)
	if errors.Is(err, fs.ErrNotExist) && !exists(r.golden) {
		return nil, fmt.Errorf("--golden: no folder %s; embedded bundles are %s", r.golden, strings.Join(names, ", "))
	}
	if err != nil {
		return nil, err
	}
	return []bundle{{filepath.Base(filepath.Clean(r.golden)), b}}, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// matching returns the bundles that hold a run of the model under the contract
// that is asked for. A bundle that was named has to; of the embedded ones at least
// one has to. Bundles of other schedules than that of the model's AdaLN table are
// incompatible: they were looked at, and it says why they could not be compared with.
func (r request) matching(bundles []bundle, m *candidate) (fit []bundle, incompatible []verify.Incompatible, err error) {
	schedule, tabled, err := hf.FindSchedule(m.File)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	var why error
	for _, b := range bundles {
		differ, err := verify.ConfigDifferences(m.artifact.DiT, m.artifact.VAE, b.Info.Model.DiT, b.Info.Model.VAE)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("%s and %s: %w", m.artifact.Path, b.name, err)
		case len(differ) > 0:
			why = fmt.Errorf("%s is another model than the one bundle %s was recorded from (%s); export a bundle of it with golden/export.py and give it with --golden",
				m.artifact.Path, b.name, strings.Join(differ, ", "))
		case r.contract != "" && b.Info.Contract != r.contract:
			why = fmt.Errorf("--contract %s: bundle %s holds a run of the %s contract, and the policy has no rule for a pair of different contracts; leave the flag out, or export a bundle with --contract %s",
				r.contract, b.name, b.Info.Contract, r.contract)
		case tabled && b.schedule() != schedule:
			reason := fmt.Sprintf("it holds a run of %v, and the model's AdaLN table is for %v", b.schedule(), schedule)
			incompatible = append(incompatible, verify.Incompatible{Bundle: b.name, Reason: reason})
			why = fmt.Errorf("%s can't be compared with bundle %s: %s; convert with --ada full, or export a bundle of that schedule with golden/export.py", m.artifact.Path, b.name, reason)
		default:
			fit = append(fit, b)
		}
	}
	if len(fit) == 0 {
		return nil, nil, why
	}
	return fit, incompatible, nil
}
