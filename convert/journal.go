package convert

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"colakit/internal/blake3"
	"colakit/quantize"
)

// A journal says which tensors of an unfinished artifact are complete, so that
// another process can go on. It lies beside the artifact and is lines: 32
// hexadecimal digits of the BLAKE3 of what follows the blank behind them, and JSON.
// The first line binds it to a source and a plan; each of the others stands for a
// tensor. A line that was cut short ends it.

// journalVersion is raised when lines change their meaning.
const journalVersion = 1

// journalHead is the first line.
type journalHead struct {
	Version int           `json:"journal"`
	Tool    string        `json:"tool"`
	Type    string        `json:"type"` // of the plan, for errors
	Plan    blake3.Sum    `json:"plan"` // of its JSON
	Sources []sourceState `json:"sources"`
}

// sourceState identifies a file of the source: small ones by their content, weights
// by size and times.
type sourceState struct {
	File     string      `json:"file"`
	Bytes    int64       `json:"bytes"`
	Modified int64       `json:"modified_ns,omitempty"`
	Changed  int64       `json:"changed_ns,omitempty"` // of the inode, where the system tells
	BLAKE3   *blake3.Sum `json:"blake3,omitempty"`
}

// journalEntry says that a tensor is written, after those before it in the plan.
type journalEntry struct {
	Step    int              `json:"step"`
	Tensor  string           `json:"tensor"`
	Figures quantize.Figures `json:"figures"`
	Data    []blake3.Sum     `json:"data"`             // of its chunks
	Scales  []blake3.Sum     `json:"scales,omitempty"` // of theirs
	Parts   []journalPart    `json:"parts,omitempty"`  // that were hashed since the entry before
}

// journalPart is a part of a weight file, by their numbers.
type journalPart struct {
	File  int        `json:"file"`
	Part  int        `json:"part"`
	Value blake3.Sum `json:"value"`
}

// head returns the first line of a journal of this conversion.
func (c *Conversion) head(src *weights) (journalHead, error) {
	plan, err := json.Marshal(c.Plan)
	if err != nil {
		return journalHead{}, err
	}
	h := journalHead{Version: journalVersion, Tool: Tool, Type: c.Type, Plan: blake3.Of(plan)}
	for _, f := range c.source.files {
		s := sourceState{File: f.name, Bytes: f.size}
		if w := src.byPath[f.path]; w != nil {
			s.Modified, s.Changed = w.opened.ModTime().UnixNano(), changeTime(w.opened)
		} else {
			sum := blake3.Of(f.data)
			s.BLAKE3 = &sum
		}
		h.Sources = append(h.Sources, s)
	}
	return h, nil
}

// match returns an error unless an earlier journal is of the same source and plan.
func (h journalHead) match(old journalHead) error {
	if old.Version != h.Version || old.Tool != h.Tool {
		return fmt.Errorf("was written by %s, not by this program, %s", old.Tool, h.Tool)
	}
	same := func(a, b sourceState) bool {
		sameSum := a.BLAKE3 == nil && b.BLAKE3 == nil || a.BLAKE3 != nil && b.BLAKE3 != nil && *a.BLAKE3 == *b.BLAKE3
		a.BLAKE3, b.BLAKE3 = nil, nil
		return a == b && sameSum
	}
	if len(old.Sources) != len(h.Sources) {
		return fmt.Errorf("is of another source: it has %d files, there are %d now", len(old.Sources), len(h.Sources))
	}
	for i, s := range h.Sources {
		if !same(s, old.Sources[i]) {
			return fmt.Errorf("is of another source: %s changed since", s.File)
		}
	}
	if old.Plan != h.Plan {
		return fmt.Errorf("is of another plan: it was for type %s, or other options than now (%s)", old.Type, h.Type)
	}
	return nil
}

// journal is one that is being written.
type journal struct{ file *os.File }

// encodeLine returns a line of a journal.
func encodeLine(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	sum := blake3.Of(raw)
	line := hex.AppendEncode(nil, sum[:lineSumBytes])
	return append(append(append(line, ' '), raw...), '\n'), nil
}

// lineSumBytes is what is kept of the sum of a line.
const lineSumBytes = 16

// decodeLine reads one line, without its end, and reports whether it is sound.
func decodeLine(line []byte, v any) bool {
	const digits = 2 * lineSumBytes
	if len(line) < digits+1 || line[digits] != ' ' {
		return false
	}
	raw := line[digits+1:]
	sum := blake3.Of(raw)
	return hex.EncodeToString(sum[:lineSumBytes]) == string(line[:digits]) && json.Unmarshal(raw, v) == nil
}

// add writes an entry; it is there for another process once add has returned.
func (j *journal) add(e journalEntry) error {
	line, err := encodeLine(e)
	if err != nil {
		return err
	}
	if _, err := j.file.Write(line); err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	return nil
}

// maxJournalBytes bounds a journal: 200 bytes for each MiB, of 5 TB.
const maxJournalBytes = 1 << 30

// readJournal reads the journal at path, as far as it is sound. Without one, ok is
// false; one without a sound first line is an error.
func readJournal(path string) (head journalHead, entries []journalEntry, ok bool, err error) {
	raw, err := readSmall(path, maxJournalBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return head, nil, false, nil
	case err != nil:
		return head, nil, false, err
	}
	line, rest, complete := bytes.Cut(raw, []byte{'\n'})
	if len(raw) == 0 || !complete && len(rest) == 0 && !decodeLine(line, &head) {
		return head, nil, false, nil // its writer was killed before it had begun
	}
	if !decodeLine(line, &head) {
		return head, nil, false, fmt.Errorf("%s is damaged", path)
	}
	for len(rest) > 0 {
		var e journalEntry
		if line, rest, complete = bytes.Cut(rest, []byte{'\n'}); !complete || !decodeLine(line, &e) {
			break
		}
		entries = append(entries, e)
	}
	return head, latest(entries), true, nil
}

// latest returns the last entry of every tensor, with the parts of those before it.
func latest(entries []journalEntry) []journalEntry {
	var kept []journalEntry
	at := map[int]int{}
	for _, e := range entries {
		i, again := at[e.Step]
		if !again {
			at[e.Step] = len(kept)
			kept = append(kept, e)
			continue
		}
		e.Parts = append(kept[i].Parts, e.Parts...)
		kept[i] = e
	}
	return kept
}

// newSuffix is appended to the name of a journal until its first lines are written.
const newSuffix = ".new"

// startJournal replaces the journal at path by one with these lines.
func startJournal(path string, head journalHead, entries []journalEntry) (*journal, error) {
	lines, err := encodeLine(head)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		line, err := encodeLine(e)
		if err != nil {
			return nil, err
		}
		lines = append(lines, line...)
	}
	if err := os.WriteFile(path+newSuffix, lines, 0o666); err != nil {
		return nil, fmt.Errorf("writing the journal: %w", err)
	}
	if err := os.Rename(path+newSuffix, path); err != nil {
		return nil, fmt.Errorf("writing the journal: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, fmt.Errorf("writing the journal: %w", err)
	}
	return &journal{f}, nil
}
