package golden

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"

	"colakit/formats/safetensors"
	"colakit/formats/tensor"
)

// A Bundle is an open golden bundle. It implements tensor.Source and is safe for
// concurrent use, except for Close.
type Bundle struct {
	Info Info // not to be changed

	where  string // folder, for messages
	fsys   fs.FS
	files  map[string]*safetensors.File
	byName map[string]int // tap → index in Info.Taps
	sum    [sha256.Size]byte

	mu      sync.Mutex
	checked map[string]bool // taps whose bytes have the recorded sum
}

var _ tensor.Source = (*Bundle)(nil)

// Open opens the bundle in the folder dir, whose files are mapped. Everything
// but the bytes of the taps is checked; those are checked when first read, or
// all at once by Verify. The error wraps fs.ErrNotExist for a folder without
// bundle.json, and tensor.ErrDamaged for a bundle that contradicts itself.
func Open(dir string) (*Bundle, error) {
	return open(dir, os.DirFS(dir), func(name string) (*safetensors.File, error) {
		return safetensors.Open(filepath.Join(dir, name))
	})
}

// OpenFS opens the bundle at the root of fsys, whose files are read into memory.
func OpenFS(fsys fs.FS) (*Bundle, error) {
	return open("", fsys, func(name string) (*safetensors.File, error) {
		raw, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		file, err := safetensors.Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return file, nil
	})
}

func open(where string, fsys fs.FS, openFile func(name string) (*safetensors.File, error)) (*Bundle, error) {
	b := &Bundle{where: where, fsys: fsys, files: map[string]*safetensors.File{}, byName: map[string]int{}, checked: map[string]bool{}}
	err := b.load(openFile)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *Bundle) load(openFile func(name string) (*safetensors.File, error)) error {
	raw, err := readInfo(b.fsys)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s holds no %s, so it is no golden bundle; golden/export.py writes one: %w", b.folder(), InfoName, fs.ErrNotExist)
	}
	if err != nil {
		return err
	}
	b.sum = sha256.Sum256(raw)
	if b.Info, err = ParseInfo(raw); err != nil {
		return fmt.Errorf("%s: %w", b.path(InfoName), err)
	}
	for i, t := range b.Info.Taps {
		b.byName[t.Name] = i
	}
	for name := range b.Info.Files {
		b.files[name], err = openFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return tensor.Damagedf("%s: the bundle's file %s is missing; copy or export the bundle again", b.folder(), name)
		}
		if err != nil {
			return err
		}
	}
	return b.checkFiles()
}

// checkFiles compares the tap index with the headers of the files, both ways.
func (b *Bundle) checkFiles() error {
	held := 0
	for name, file := range b.files {
		for _, d := range file.Descs() {
			t, ok := b.Lookup(d.Name)
			if !ok || t.File != name {
				return tensor.Damagedf("%s: holds tensor %q, which %s does not place there", b.path(name), d.Name, InfoName)
			}
			if d.Type != t.Type || !d.Shape.Equal(t.Shape) {
				return tensor.Damagedf("%s: tensor %q is %v %v, but %s says %v %v", b.path(name), d.Name, d.Type, d.Shape, InfoName, t.Type, t.Shape)
			}
			held++
		}
	}
	if held == len(b.Info.Taps) {
		return nil
	}
	for _, t := range b.Info.Taps {
		if _, ok := b.files[t.File].StoredType(t.Name); !ok {
			return tensor.Damagedf("%s: tap %q is not in the file; copy or export the bundle again", b.path(t.File), t.Name)
		}
	}
	return nil
}

// Sum returns the SHA-256 of bundle.json, which identifies the bundle: it holds
// the sums of everything else.
func (b *Bundle) Sum() [sha256.Size]byte { return b.sum }

// Lookup returns the description of a tap.
func (b *Bundle) Lookup(name string) (Tap, bool) {
	i, ok := b.byName[name]
	if !ok {
		return Tap{}, false
	}
	return b.Info.Taps[i], true
}

// Descs lists the taps in the order of the run.
func (b *Bundle) Descs() []tensor.Desc {
	descs := make([]tensor.Desc, len(b.Info.Taps))
	for i, t := range b.Info.Taps {
		descs[i] = tensor.Desc{Name: t.Name, Type: t.Type, Shape: t.Shape}
	}
	return descs
}

// Read returns a tap's value. The first read of a tap compares its bytes with
// the recorded sum; the error wraps tensor.ErrDamaged where they differ and
// tensor.ErrNotFound for a name that the bundle does not hold.
func (b *Bundle) Read(name string) (tensor.View, error) {
	t, ok := b.Lookup(name)
	if !ok {
		return tensor.View{}, fmt.Errorf("%s: tap %q: %w", b.folder(), name, tensor.ErrNotFound)
	}
	v, err := b.files[t.File].Read(name)
	if err != nil {
		return tensor.View{}, err
	}
	return v, b.check(t, v.Data)
}

func (b *Bundle) check(t Tap, data []byte) error {
	b.mu.Lock()
	done := b.checked[t.Name]
	b.mu.Unlock()
	if done {
		return nil
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != t.SHA256 {
		return tensor.Damagedf("%s: tap %q does not have its recorded sha256; copy or export the bundle again", b.path(t.File), t.Name)
	}
	b.mu.Lock()
	b.checked[t.Name] = true
	b.mu.Unlock()
	return nil
}

// Verify compares the bytes of every tap, then of every file, with the recorded
// sums. Its error names the first tap, in the order of the run, that differs.
func (b *Bundle) Verify(ctx context.Context) error {
	for _, t := range b.Info.Taps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := b.Read(t.Name); err != nil {
			return err
		}
	}
	return b.verifyFiles(ctx)
}

// Close invalidates the bytes of every View.
func (b *Bundle) Close() error {
	var errs []error
	for _, file := range b.files {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}

func (b *Bundle) folder() string {
	if b.where == "" {
		return "the bundle"
	}
	return b.where
}

func (b *Bundle) path(name string) string { return path.Join(b.where, name) }
