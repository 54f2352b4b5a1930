package selftest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/golden"
)

// Recording is a bundle in memory, to be changed.
type Recording struct {
	Info  golden.Info
	Views map[string]tensor.View // by tap
}

// copyOf reads a bundle.
func copyOf(b *golden.Bundle) (*Recording, error) {
	r := &Recording{Info: b.Info, Views: map[string]tensor.View{}}
	r.Info.Taps, r.Info.Samples = slices.Clone(b.Info.Taps), slices.Clone(b.Info.Samples)
	for i, s := range r.Info.Samples {
		r.Info.Samples[i].Blocks = nil
		for _, ids := range s.Blocks {
			r.Info.Samples[i].Blocks = append(r.Info.Samples[i].Blocks, slices.Clone(ids))
		}
	}
	for _, tap := range r.Info.Taps {
		v, err := b.Read(tap.Name)
		if err != nil {
			return nil, err
		}
		v.Data = slices.Clone(v.Data)
		r.Views[tap.Name] = v
	}
	return r, nil
}

// Keep drops the taps that keep rejects.
func (r *Recording) Keep(keep func(tap string) bool) {
	r.Info.Taps = slices.DeleteFunc(r.Info.Taps, func(t golden.Tap) bool { return !keep(t.Name) })
}

// Edit changes the bytes of a tap.
func (r *Recording) Edit(tap string, change func(v *tensor.View)) error {
	v, ok := r.Views[tap]
	if !ok {
		return fmt.Errorf("no tap %s", tap)
	}
	change(&v)
	r.Views[tap] = v
	return nil
}

// Add puts a tap that is like another one after the others.
func (r *Recording) Add(name, like string) error {
	v, ok := r.Views[like]
	i := slices.IndexFunc(r.Info.Taps, func(t golden.Tap) bool { return t.Name == like })
	if !ok || i < 0 {
		return fmt.Errorf("no tap %s", like)
	}
	tap := r.Info.Taps[i]
	tap.Name, v.Name = name, name
	r.Info.Taps, r.Views[name] = append(r.Info.Taps, tap), v
	return nil
}

// tapsFile holds all taps of a written recording.
const tapsFile = "taps-00001.safetensors"

// Write writes a bundle whose sums are right into an empty folder.
func (r *Recording) Write(dir string) error {
	var views []tensor.View
	for i := range r.Info.Taps {
		tap := &r.Info.Taps[i]
		v := r.Views[tap.Name]
		tap.File, tap.SHA256, tap.Shape = tapsFile, sum(v.Data), v.Shape
		views = append(views, v)
	}
	path := filepath.Join(dir, tapsFile)
	if err := safetensors.WriteFile(path, nil, views); err != nil {
		return err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	r.Info.Files = map[string]string{tapsFile: sum(raw)}
	raw, err = json.Marshal(r.Info)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, golden.InfoName), raw, 0o666)
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

// recorded is an injection into the bundle.
func recorded(change func(*Recording) error) Injection { return Injection{Golden: change} }
