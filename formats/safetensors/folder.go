package safetensors

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"colakit/formats/tensor"
)

// ErrNoWeights is wrapped by OpenDir's error for a folder that holds no weights
// in this format. It wraps fs.ErrNotExist.
var ErrNoWeights = fmt.Errorf("neither %s nor %s is there: %w", singleName, indexName, fs.ErrNotExist)

// Folder is the weights of a model folder: one file or several shards. It
// implements tensor.Source and is safe for concurrent use, except for Close.
type Folder struct {
	files  []*File
	byName map[string]*File
}

var _ tensor.Source = (*Folder)(nil)

// OpenDir opens the weights in the folder dir.
func OpenDir(dir string) (*Folder, error) {
	l := location{dir: dir, fsys: os.DirFS(dir), join: filepath.Join, open: Open}
	return l.openFolder()
}

// OpenFS opens the weights in the folder dir of fsys, which are read into memory.
func OpenFS(fsys fs.FS, dir string) (*Folder, error) {
	sub, err := fs.Sub(fsys, dir)
	if err != nil {
		return nil, err
	}
	l := location{dir: dir, fsys: sub, join: path.Join, open: func(name string) (*File, error) {
		raw, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		file, err := Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		file.path = name
		return file, nil
	}}
	return l.openFolder()
}

// location is a folder on disk or in an fs.FS.
type location struct {
	dir  string
	fsys fs.FS // the folder's own files
	join func(...string) string
	open func(path string) (*File, error)
}

// path returns the full path of a file of the folder.
func (l location) path(name string) string { return l.join(l.dir, name) }

// openFolder decides which files to open, and opens them.
func (l location) openFolder() (*Folder, error) {
	_, err := fs.Stat(l.fsys, singleName)
	switch {
	case err == nil:
		file, err := l.open(l.path(singleName))
		if err != nil {
			return nil, err
		}
		return newFolder([]*File{file}), nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", l.dir, err)
	}
	places, err := l.readIndex()
	if err != nil {
		return nil, err
	}
	return l.openShards(places)
}

func (l location) readIndex() (index, error) {
	file, err := l.fsys.Open(indexName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", l.dir, ErrNoWeights)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.dir, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxIndex+1))
	if err == nil && len(text) > maxIndex {
		err = fmt.Errorf("more than %d bytes: %w", maxIndex, ErrIndex)
	}
	var places index
	if err == nil {
		places, err = parseIndex(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.path(indexName), err)
	}
	return places, nil
}

// openShards opens the files of the index and compares them with it.
func (l location) openShards(places index) (*Folder, error) {
	var files []*File
	byFile := map[string]*File{}
	for _, name := range places.files() {
		file, err := l.open(l.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s: %w", l.path(name), ErrShardMissing)
		}
		if err != nil {
			closeAll(files)
			return nil, err
		}
		files = append(files, file)
		byFile[name] = file
	}
	if err := places.check(byFile); err != nil {
		closeAll(files)
		return nil, fmt.Errorf("%s: %w", l.path(indexName), err)
	}
	return newFolder(files), nil
}

func newFolder(files []*File) *Folder {
	f := &Folder{files: files, byName: map[string]*File{}}
	for _, file := range files {
		for _, e := range file.entries {
			f.byName[e.desc.Name] = file
		}
	}
	return f
}

// closeAll closes all files and returns the first error.
func closeAll(files []*File) error {
	var first error
	for _, file := range files {
		if err := file.Close(); first == nil {
			first = err
		}
	}
	return first
}

// Files returns the opened files in the order of their names.
func (f *Folder) Files() []*File { return f.files }

// Descs lists the tensors file by file, in the order of their data.
func (f *Folder) Descs() []tensor.Desc {
	var descs []tensor.Desc
	for _, file := range f.files {
		descs = append(descs, file.Descs()...)
	}
	return descs
}

// Read is File's Read on the file that holds the tensor.
func (f *Folder) Read(name string) (tensor.View, error) {
	file, ok := f.byName[name]
	if !ok {
		return tensor.View{}, fmt.Errorf("tensor %q: %w", name, tensor.ErrNotFound)
	}
	return file.Read(name)
}

// File returns the file that holds the tensor, and false if none does.
func (f *Folder) File(name string) (*File, bool) {
	file, ok := f.byName[name]
	return file, ok
}

// StoredType returns the format's name of a tensor's element type, and false if
// there is no such tensor.
func (f *Folder) StoredType(name string) (string, bool) {
	file, ok := f.byName[name]
	if !ok {
		return "", false
	}
	return file.StoredType(name)
}

// Forget is File's Forget for a View of any of the files.
func (f *Folder) Forget(data []byte) error {
	for _, file := range f.files {
		if err := file.Forget(data); err != nil {
			return err
		}
	}
	return nil
}

// Close closes all files.
func (f *Folder) Close() error { return closeAll(f.files) }
