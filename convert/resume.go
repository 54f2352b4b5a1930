package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"colakit/formats/cola"
	"colakit/internal/blake3"
)

// partial is where an artifact is written that can be resumed.
func (t target) partial() string { return t.path + ".partial" }

// journal is the path of the journal of partial.
func (t target) journal() string { return t.path + ".journal" }

// resumable reports whether a conversion that ended so can be gone on with:
// interrupted, or failed by what is none of the source's or the plan's.
func resumable(err error) bool {
	var no syscall.Errno
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &no)
}

// checkLeft refuses to destroy what could be resumed.
func (t target) checkLeft() error {
	if t.resume || t.replace {
		return nil
	}
	if _, err := os.Stat(t.journal()); err != nil {
		return nil
	}
	return fmt.Errorf("%s is there, of a conversion that was interrupted: go on with --resume, or start anew with --force", t.journal())
}

// removeDone removes the journal of a conversion that was killed between its last
// two steps: giving the artifact its name and removing the journal.
func (t target) removeDone() {
	if _, err := os.Stat(t.partial()); errors.Is(err, fs.ErrNotExist) {
		os.Remove(t.journal())
	}
}

// create makes the file to write to, with the entries of its journal if it is
// resumed.
func (c *Conversion) create(t target, src *weights) (*tempFile, []journalEntry, error) {
	if !t.resume {
		file, err := t.create()
		return file, nil, err
	}
	f, err := t.openPartial()
	if err != nil {
		return nil, nil, err
	}
	entries, j, err := c.openJournal(t, src)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return newTempFile(f, t, j), entries, nil
}

// openPartial opens the file of an interrupted conversion, or a new one.
func (t target) openPartial() (*os.File, error) {
	for range 100 {
		f, err := os.OpenFile(t.partial(), os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, fmt.Errorf("creating the artifact: %w", err)
		}
		if !canLock || lock(f) {
			return f, nil
		}
		_, gone := os.Stat(t.partial())
		f.Close()
		if gone == nil {
			return nil, fmt.Errorf("%s is being written by another conversion: wait for it", t.partial())
		}
	}
	return nil, fmt.Errorf("%s comes and goes: another conversion is at work", t.partial())
}

// openJournal reads what an earlier conversion noted, if any, and starts a journal
// that says the same.
func (c *Conversion) openJournal(t target, src *weights) ([]journalEntry, *journal, error) {
	head, err := c.head(src)
	if err != nil {
		return nil, nil, err
	}
	old, entries, ok, err := readJournal(t.journal())
	if err == nil && ok {
		if err = head.match(old); err != nil {
			err = fmt.Errorf("%s %w", t.journal(), err)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("can't resume: %w; remove it and %s to start anew", err, t.partial())
	}
	j, err := startJournal(t.journal(), head, entries)
	return entries, j, err
}

// restore takes over the tensors of the entries whose data is in the file as it
// was; the others are converted again.
func (e *execution) restore(ctx context.Context, file io.ReaderAt, entries []journalEntry, jobs int) error {
	var next atomic.Int64
	var mu sync.Mutex // guards the execution
	var workers sync.WaitGroup
	for range min(jobs, len(entries)) {
		workers.Go(func() {
			buffer := make([]byte, cola.ChunkBytes)
			for n := next.Add(1) - 1; n < int64(len(entries)) && ctx.Err() == nil; n = next.Add(1) - 1 {
				if j := entries[n]; e.sound(j, file, buffer) {
					mu.Lock()
					e.takeOver(j)
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	return ctx.Err()
}

// sound reports whether an entry fits the plan and the file has what it says.
func (e *execution) sound(j journalEntry, file io.ReaderAt, buffer []byte) bool {
	if j.Step < 0 || j.Step >= len(e.Steps) {
		return false
	}
	n := e.layout[j.Step].DataChunks()
	sums := append(append([]blake3.Sum{}, j.Data...), j.Scales...)
	if len(j.Data) != n || len(sums) != e.layout[j.Step].Chunks() {
		return false
	}
	for chunk, sum := range sums {
		if e.writer.Restore(file, j.Step, chunk, sum, buffer) != nil {
			return false
		}
	}
	return true
}

// takeOver enters a tensor that is complete.
func (e *execution) takeOver(j journalEntry) {
	if e.complete[j.Step] {
		return
	}
	e.complete[j.Step], e.figures[j.Step] = true, j.Figures
	e.resumed++
	for chunk := range e.layout[j.Step].DataChunks() {
		e.done += e.sourceBytes(j.Step, chunk)
	}
	for _, p := range j.Parts {
		if p.File < 0 || p.File >= len(e.source.files) {
			continue
		}
		if h := e.source.files[p.File]; p.Part >= 0 && p.Part < len(h.parts) && len(h.parts) > 1 {
			h.parts[p.Part], h.known[p.Part] = blake3.StoredPart(p.Value), true
		}
	}
}
