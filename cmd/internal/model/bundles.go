package model

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"colakit/formats/hf"
	"colakit/golden"
	"colakit/verify"
)

// Bundle is an open golden bundle with the name that reports give it.
type Bundle struct {
	Name     string
	Embedded bool // recorded from the embedded model
	*golden.Bundle
}

// OpenBundle opens the bundle of a name: the folder that is called so, or
// else the embedded one.
func OpenBundle(name string) (Bundle, error) {
	_, statErr := os.Stat(name)
	var names []string
	for _, e := range golden.TinyBundles() {
		if names = append(names, e.Name); e.Name == name && statErr != nil {
			return openEmbedded(e)
		}
	}
	b, err := golden.Open(name)
	if errors.Is(err, fs.ErrNotExist) && statErr != nil {
		return Bundle{}, fmt.Errorf("no folder %s; embedded bundles are %s", name, strings.Join(names, ", "))
	}
	if err != nil {
		return Bundle{}, err
	}
	return Bundle{Name: filepath.Base(filepath.Clean(name)), Bundle: b}, nil
}

func openEmbedded(e golden.Embedded) (Bundle, error) {
	b, err := golden.OpenFS(e.Files)
	if err != nil {
		return Bundle{}, fmt.Errorf("embedded bundle %s: %w", e.Name, err)
	}
	return Bundle{e.Name, true, b}, nil
}

// EmbeddedBundles opens all bundles of the embedded model.
func EmbeddedBundles() (opened []Bundle, err error) {
	for _, e := range golden.TinyBundles() {
		b, err := openEmbedded(e)
		if err != nil {
			CloseBundles(opened)
			return nil, err
		}
		opened = append(opened, b)
	}
	return opened, nil
}

// CloseBundles closes bundles.
func CloseBundles(bundles []Bundle) {
	for _, b := range bundles {
		b.Close()
	}
}

// schedule is that of the recorded run.
func (b Bundle) schedule() hf.Schedule {
	run := b.Info.Run
	return hf.Schedule{T: int(run.T), Steps: run.Steps, Contract: b.Info.Contract}
}

// Subject is what has to agree between a model and a bundle.
type Subject struct {
	Path     string       // what errors call it
	DiT, VAE []byte       // config.json
	Table    *hf.Schedule // of the AdaLN table; nil: the model holds the weights
}

// ErrOtherModel is wrapped by the error for a bundle of another model.
var ErrOtherModel = errors.New("is another model")

// OtherSchedule is the error for a bundle of another schedule than that of the
// model's AdaLN table.
type OtherSchedule struct{ Path, Bundle, Reason string }

// Error says what to do about it.
func (e *OtherSchedule) Error() string {
	return fmt.Sprintf("%s can't be compared with bundle %s: %s; convert with --ada full, or export a bundle of that schedule with golden/export.py", e.Path, e.Bundle, e.Reason)
}

// Fits returns nil if the bundle holds a run of the model that can be compared
// with it. The error is an OtherSchedule, or wraps ErrOtherModel, or means that a
// configuration can't be read.
func (b Bundle) Fits(s Subject) error {
	differ, err := verify.ConfigDifferences(s.DiT, s.VAE, b.Info.Model.DiT, b.Info.Model.VAE)
	switch {
	case err != nil:
		return fmt.Errorf("%s and %s: %w", s.Path, b.Name, err)
	case len(differ) > 0:
		return fmt.Errorf("%s %w than the one bundle %s was recorded from (%s); export a bundle of it with golden/export.py and give it with --golden",
			s.Path, ErrOtherModel, b.Name, strings.Join(differ, ", "))
	case s.Table != nil && b.schedule() != *s.Table:
		reason := fmt.Sprintf("it holds a run of %v, and the model's AdaLN table is for %v", b.schedule(), s.Table)
		return &OtherSchedule{s.Path, b.Name, reason}
	}
	return nil
}
