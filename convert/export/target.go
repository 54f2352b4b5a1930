package export

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"colakit/internal/atomicfile"
)

// target is where an export goes: a file, or a folder with files of known names.
// What is written has a temporary name beside it until all of it is on the disk.
type target struct {
	path    string
	folder  bool
	replace bool   // what is there may be replaced
	temp    string // "" before begin
	lock    *os.File
	done    bool
}

// ErrExists is wrapped by the error for an output that is there already.
var ErrExists = errors.New("exists already")

// newTarget checks all that can be known of the output before it is written.
func newTarget(path string, folder, replace bool, artifact string, size int64) (*target, error) {
	path = filepath.Clean(path)
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved // replace what a link points to, not the link
	}
	t := &target{path: path, folder: folder, replace: replace}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		if err := t.checkPresent(info, artifact); err != nil {
			return nil, err
		}
	}
	return t, t.checkParent(size)
}

// checkPresent checks what is at the path already.
func (t *target) checkPresent(info fs.FileInfo, artifact string) error {
	source, err := os.Stat(artifact)
	switch {
	case err == nil && os.SameFile(info, source):
		return fmt.Errorf("%s is the artifact itself: name another output", t.path)
	case info.IsDir() != t.folder && t.folder:
		return fmt.Errorf("%s is a file, and this format is a folder: name another output", t.path)
	case info.IsDir() != t.folder:
		return fmt.Errorf("%s is a folder, and this format is one file: name a file", t.path)
	case !t.folder && !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: name another output", t.path)
	case !t.replace:
		return fmt.Errorf("%s %w: name another output, or replace it with --force", t.path, ErrExists)
	case t.folder:
		return t.checkOwn()
	}
	return nil
}

// checkOwn returns an error unless the folder is one that an export wrote, and
// holds nothing else: it will be removed with all that is in it.
func (t *target) checkOwn() error {
	foreign := fmt.Errorf("%s was not written by an export: it is not replaced, name another output", t.path)
	readme, err := os.ReadFile(filepath.Join(t.path, readmeFile))
	if err != nil || !bytes.HasPrefix(readme, []byte(readmeMark)) {
		return foreign
	}
	return filepath.WalkDir(t.path, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(t.path, path)
		if err != nil {
			return err
		}
		if !ownName(filepath.ToSlash(rel), d.IsDir()) {
			return fmt.Errorf("%s holds %s, which no export writes: it is not replaced, name another output", t.path, rel)
		}
		return nil
	})
}

// ownName reports whether a file or folder of that name can be part of an export.
func ownName(rel string, folder bool) bool {
	dir, name, within := strings.Cut(rel, "/")
	switch {
	case folder:
		return rel == "." || rel == "cola_dit" || rel == "cola_vae"
	case !within:
		return rel == readmeFile || rel == tokenizerFile || rel == generationFile
	case dir != "cola_dit" && dir != "cola_vae":
		return false
	}
	shard, _ := filepath.Match("model-?????-of-?????.safetensors", name)
	return shard || name == configFile || name == weightsFile || name == indexFile
}

// checkParent checks that the folder of the output takes so many bytes.
func (t *target) checkParent(size int64) error {
	dir := filepath.Dir(t.path)
	if err := atomicfile.CheckFolder(dir); err != nil {
		return err
	}
	if free, known := freeBytes(dir); known && free < size {
		return fmt.Errorf("%s: %w: the export needs %d bytes, %d are free in %s", t.path, syscall.ENOSPC, size, free, dir)
	}
	return nil
}

const tempInfix = ".tmp-"

// begin makes the temporary file or folder, after removing those that exports to
// the same output left behind when they were killed.
func (t *target) begin() error {
	t.removeStale()
	var b [8]byte
	rand.Read(b[:])
	temp := t.path + tempInfix + hex.EncodeToString(b[:])
	create := func() error {
		f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return err
		}
		return f.Close()
	}
	if t.folder {
		create = func() error { return os.Mkdir(temp, 0o777) }
	}
	if err := create(); err != nil {
		return fmt.Errorf("creating the export: %w", err)
	}
	t.temp = temp
	t.lock, _ = lock(temp) // without locks, what is left behind stays
	return nil
}

func (t *target) removeStale() {
	siblings, err := os.ReadDir(filepath.Dir(t.path))
	if err != nil {
		return
	}
	prefix := filepath.Base(t.path) + tempInfix
	for _, s := range siblings {
		suffix, ok := strings.CutPrefix(s.Name(), prefix)
		if _, err := hex.DecodeString(suffix); !ok || err != nil || len(suffix) != 16 {
			continue
		}
		path := filepath.Join(filepath.Dir(t.path), s.Name())
		if f, ok := lock(path); ok { // nobody writes it
			os.RemoveAll(path)
			f.Close()
		}
	}
}

// commit gives what was written its name.
func (t *target) commit() error {
	if t.folder {
		for _, dir := range []string{"cola_dit", "cola_vae", "."} {
			if err := atomicfile.SyncFolder(filepath.Join(t.temp, dir)); err != nil {
				return err
			}
		}
	}
	if err := t.rename(); err != nil {
		return fmt.Errorf("renaming the export: %w", err)
	}
	t.done = true
	t.lock.Close()
	return atomicfile.SyncFolder(filepath.Dir(t.path))
}

// rename puts the output in place. A folder that is there changes places with it
// and is removed.
func (t *target) rename() error {
	switch _, err := os.Lstat(t.path); {
	case err == nil && !t.replace:
		return fmt.Errorf("%s %w: it came up during the export", t.path, ErrExists)
	case err != nil || !t.folder:
		return os.Rename(t.temp, t.path)
	}
	if err := exchange(t.temp, t.path); err != nil {
		return err
	}
	return os.RemoveAll(t.temp)
}

// swap exchanges two folders by renaming, where the system can't do it at once.
func swap(a, b string) error {
	aside := b + ".old"
	if err := os.Rename(b, aside); err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		return errors.Join(err, os.Rename(aside, b))
	}
	return os.Rename(aside, a)
}

// discard removes what was written unless it was committed.
func (t *target) discard() {
	if !t.done {
		os.RemoveAll(t.temp)
		t.lock.Close()
		t.done = true
	}
}

// CheckOutput checks, before there is an artifact, all that can be known of an
// export's output without it: the format, and what is at the path already.
func CheckOutput(path string, format Format, force bool) error {
	if err := (Options{Format: format}).check(); err != nil {
		return err
	}
	_, err := newTarget(path, format != GGUF, force, "", 0)
	return err
}
