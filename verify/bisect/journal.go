package bisect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"colakit/formats/tensor"
	"colakit/internal/filelock"
)

// Journal keeps the figures of runs in a file, so that another process goes on where
// one was ended. The first line says what they are of; each of the others is a figure.
// A last line that was cut short is dropped.
type Journal struct {
	path    string
	file    *os.File
	figures map[string]Drift
}

// journalVersion is raised when lines change their meaning.
const journalVersion = 1

// Binding says what the figures of a journal are of: all that they depend on.
type Binding struct {
	Version int    `json:"bisect"`
	Program string `json:"program"`
	A       string `json:"a"` // root of the artifact, engine, contract, activations
	B       string `json:"b"`
	Run     string `json:"run"` // prompts and settings
}

type journalLine struct {
	Swapped string `json:"swapped"`
	Drift
}

// OpenJournal opens the file, or begins it. One that is bound to other sides or another
// run is an error, and so is one that another process writes; one that can't be read is
// damaged.
func OpenJournal(path string, b Binding) (j *Journal, err error) {
	b.Version = journalVersion
	head, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	j = &Journal{path: path, file: file, figures: map[string]Drift{}}
	if err := j.load(head); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return j, nil
}

// load takes the file for this process and goes to the end of what it holds.
func (j *Journal) load(head []byte) error {
	if err := filelock.Take(j.file); err != nil {
		return err
	}
	raw, err := io.ReadAll(j.file)
	if err != nil {
		return err
	}
	kept, err := j.read(raw, head)
	if err == nil {
		err = j.file.Truncate(int64(kept))
	}
	if err == nil {
		_, err = j.file.Seek(int64(kept), io.SeekStart)
	}
	if err == nil && kept == 0 {
		err = j.write(head)
	}
	return err
}

// read takes the figures of whole lines and returns their length.
func (j *Journal) read(raw, head []byte) (kept int, err error) {
	for n := 0; ; n++ {
		line, _, whole := bytes.Cut(raw[kept:], []byte("\n"))
		if !whole {
			if n == 0 && !bytes.HasPrefix(head, line) {
				return 0, j.foreign(line)
			}
			return kept, nil
		}
		if n == 0 {
			if !bytes.Equal(line, head) {
				return 0, j.foreign(line)
			}
		} else {
			var l journalLine
			if err := json.Unmarshal(line, &l); err != nil || l.Swapped == "" {
				return 0, tensor.Damagedf("%s:%d: no figure of a bisection; delete the file to begin anew", j.path, n+1)
			}
			j.figures[l.Swapped] = l.Drift
		}
		kept += len(line) + 1
	}
}

// foreign says that the file is of something else.
func (j *Journal) foreign(line []byte) error {
	var b Binding
	if json.Unmarshal(line, &b) != nil || b.Version == 0 {
		return fmt.Errorf("%s is no state of a bisection; name another file", j.path)
	}
	return fmt.Errorf("%s is the state of another bisection (A %s, B %s): name another file, or delete it", j.path, b.A, b.B)
}

// known returns a figure that was written down; a nil journal knows none.
func (j *Journal) known(key string) (Drift, bool) {
	if j == nil {
		return Drift{}, false
	}
	d, ok := j.figures[key]
	return d, ok
}

// Known is the number of figures that were found in the file, or added since.
func (j *Journal) Known() int { return len(j.figures) }

// add writes a figure down.
func (j *Journal) add(key string, d Drift) error {
	if j == nil {
		return nil
	}
	j.figures[key] = d
	line, err := json.Marshal(journalLine{key, d})
	if err != nil {
		return err
	}
	return j.write(line)
}

func (j *Journal) write(line []byte) error {
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%s: %w", j.path, err)
	}
	return nil
}

// Close closes the file; a nil journal has none.
func (j *Journal) Close() error {
	if j == nil {
		return nil
	}
	return j.file.Close()
}
