package golden

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"colakit/formats/dtype"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/internal/atomicfile"
)

// A Writer writes a bundle: the record of a run of another engine than Python's,
// in the same format. The folder appears when Finish returns without an error.
type Writer struct {
	dir, temp string
	pending   []tensor.View
	bytes     int64
	taps      []Tap
	names     map[string]bool
	files     map[string]string
}

// shardBytes is the size of taps at which a new file is begun.
const shardBytes = 256 << 20

// Create begins a bundle in the folder dir, which must not be there yet or be
// empty.
func Create(dir string) (*Writer, error) {
	switch left, err := os.ReadDir(dir); {
	case err == nil && len(left) > 0:
		return nil, fmt.Errorf("%s holds files already: name a new folder for the bundle", dir)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := atomicfile.CheckFolder(parent); err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".tmp-")
	if err != nil {
		return nil, fmt.Errorf("%s: creating the bundle: %w", dir, err)
	}
	return &Writer{dir: dir, temp: temp, names: map[string]bool{}, files: map[string]string{}}, nil
}

// Add records a copy of a value under the name of its tap, in the order of the
// run. run is the type that the run rounds the value to at this point.
func (w *Writer) Add(name string, v tensor.View, run dtype.Type) error {
	if w.names[name] {
		return fmt.Errorf("%s: tap %q is recorded twice", w.dir, name)
	}
	w.names[name] = true
	v.Name, v.Data = name, bytes.Clone(v.Data)
	sum := sha256.Sum256(v.Data)
	w.taps = append(w.taps, Tap{
		Name: name, Shape: v.Shape, Type: v.Type, RunType: run.String(), Rounded: run == dtype.BF16,
		File: w.shard(), SHA256: hex.EncodeToString(sum[:]),
	})
	w.pending = append(w.pending, v)
	if w.bytes += int64(len(v.Data)); w.bytes >= shardBytes {
		return w.flush()
	}
	return nil
}

// shard is the name of the file that is being filled.
func (w *Writer) shard() string { return fmt.Sprintf("taps-%05d.safetensors", len(w.files)) }

// flush writes the pending taps.
func (w *Writer) flush() error {
	if len(w.pending) == 0 {
		return nil
	}
	name := w.shard()
	if err := safetensors.WriteFile(filepath.Join(w.temp, name), nil, w.pending); err != nil {
		return fmt.Errorf("%s: %w", w.dir, err)
	}
	sum, err := fileSum(context.Background(), os.DirFS(w.temp), name)
	if err != nil {
		return fmt.Errorf("%s: %w", w.dir, err)
	}
	w.files[name] = sum
	w.pending, w.bytes = nil, 0
	return nil
}

// Finish completes the bundle with what is known of the run; format, version,
// files and taps are filled in. An Info that contradicts itself is an error, and
// after one nothing is left behind.
func (w *Writer) Finish(info Info) (err error) {
	defer func() { err = errors.Join(err, w.Abandon()) }()
	if err := w.flush(); err != nil {
		return err
	}
	info.Format, info.Version, info.Files, info.Taps = formatName, Version, w.files, w.taps
	raw, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("%s: %w", w.dir, err)
	}
	if _, err := ParseInfo(raw); err != nil {
		return fmt.Errorf("%s: %w", w.dir, err)
	}
	if err := os.WriteFile(filepath.Join(w.temp, InfoName), append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("%s: %w", w.dir, err)
	}
	return w.publish()
}

// publish gives the folder its name.
func (w *Writer) publish() error {
	if err := os.Chmod(w.temp, 0o755); err != nil {
		return err
	}
	if err := os.Remove(w.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: it came up, with files in it, while the bundle was written: %w", w.dir, err)
	}
	if err := os.Rename(w.temp, w.dir); err != nil {
		return fmt.Errorf("naming the bundle: %w", err)
	}
	return atomicfile.SyncFolder(filepath.Dir(filepath.Clean(w.dir)))
}

// Abandon removes what was written, unless Finish completed the bundle.
func (w *Writer) Abandon() error { return os.RemoveAll(w.temp) }
