package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"strings"

	"colakit/formats/tensor"
	"colakit/internal/filelock"
)

// A state file holds what an interrupted run has compared, so that the next one goes
// on from there. It is a line of JSON that says which run it belongs to, and one for
// each pass of the model that was compared, appended when the pass is over. A last
// line that was not written to its end does not count.

// StateSchema names the file's format, stateVersion counts its changes.
const (
	StateSchema  = "colaverify-state"
	stateVersion = 1
)

// StateID says which run a state belongs to. Every part has to be the same when it is
// taken up again.
type StateID struct {
	Program   string   `json:"program"`   // name and release
	Artifact  string   `json:"artifact"`  // a hash of all of it
	Bundles   []string `json:"bundles"`   // SHA-256 of each bundle.json
	Engine    string   `json:"engine"`    // and what it multiplies by
	Exact     string   `json:"exact"`     // what ratios are measured against
	Policy    string   `json:"policy"`    // PolicySum
	Selection string   `json:"selection"` // Selection.String
}

// stateHeader is the first line.
type stateHeader struct {
	Schema  string `json:"schema"`
	Version int    `json:"version"`
	StateID
}

// stateLine is any other.
type stateLine struct {
	Bundle string `json:"bundle"`         // SHA-256 of its bundle.json
	Mode   Mode   `json:"mode"`           //
	Pass   string `json:"pass,omitempty"` // "b00/s03"; absent: the mode is finished
	Taps   int    `json:"taps"`           // compared in it
	Sum    uint32 `json:"crc32"`          // of Data
	Data   []byte `json:"data"`           // a stateEntry, by encoding/gob
}

// State is an open state file.
type State struct {
	path  string
	file  *os.File
	lines []stateLine
}

// OpenState opens the state file of a run, or creates it. A file of another run is an
// error, and so is one that is none, or that another process writes; none is changed.
func OpenState(path string, id StateID) (*State, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	s := &State{path: path, file: file}
	if err = filelock.Take(file); err == nil {
		err = s.load(id)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return s, nil
}

func (s *State) load(id StateID) error {
	raw, err := io.ReadAll(s.file)
	if err != nil {
		return err
	}
	header, err := json.Marshal(stateHeader{StateSchema, stateVersion, id})
	if err != nil {
		return err
	}
	header = append(header, '\n')
	whole := raw[:bytes.LastIndexByte(raw, '\n')+1]
	if len(whole) == 0 && bytes.HasPrefix(header, raw) {
		return s.begin(header)
	}
	for i, line := range slices.Collect(bytes.Lines(whole)) {
		if i == 0 {
			err = s.checkHeader(line, id)
		} else {
			err = s.read(i+1, line)
		}
		if err != nil {
			return err
		}
	}
	if len(whole) == 0 {
		return s.alien()
	}
	return s.cut(int64(len(whole)))
}

// begin writes the header of a new file.
func (s *State) begin(header []byte) error {
	if err := s.cut(0); err != nil {
		return err
	}
	_, err := s.file.Write(header)
	return err
}

// cut drops what follows the last whole line; the next one is written there.
func (s *State) cut(size int64) error {
	if err := s.file.Truncate(size); err != nil {
		return err
	}
	_, err := s.file.Seek(size, io.SeekStart)
	return err
}

func (s *State) alien() error {
	return fmt.Errorf("%s is no state of colaverify; name a new file", s.path)
}

// checkHeader compares the run that the file belongs to with this one.
func (s *State) checkHeader(line []byte, id StateID) error {
	var h stateHeader
	if err := json.Unmarshal(line, &h); err != nil || h.Schema != StateSchema {
		return s.alien()
	}
	if h.Version != stateVersion {
		return fmt.Errorf("%s has version %d of the format; this program writes version %d: delete it to begin anew", s.path, h.Version, stateVersion)
	}
	var differ []string
	for _, part := range []struct{ name, was, is string }{
		{"program", h.Program, id.Program}, {"artifact", h.Artifact, id.Artifact},
		{"bundles", strings.Join(h.Bundles, ", "), strings.Join(id.Bundles, ", ")},
		{"engine", h.Engine, id.Engine}, {"exact reference", h.Exact, id.Exact},
		{"policy", h.Policy, id.Policy}, {"selection", h.Selection, id.Selection},
	} {
		if part.was != part.is {
			differ = append(differ, fmt.Sprintf("%s %q, now %q", part.name, part.was, part.is))
		}
	}
	if len(differ) > 0 {
		return fmt.Errorf("%s belongs to another run (%s): delete it to begin anew, or name another file", s.path, strings.Join(differ, "; "))
	}
	return nil
}

func (s *State) read(number int, line []byte) error {
	var l stateLine
	if err := json.Unmarshal(line, &l); err != nil {
		return tensor.Damagedf("%s: line %d: %v; delete the file to begin anew", s.path, number, err)
	}
	if crc32.ChecksumIEEE(l.Data) != l.Sum {
		return tensor.Damagedf("%s: line %d does not have its checksum; delete the file to begin anew", s.path, number)
	}
	s.lines = append(s.lines, l)
	return nil
}

// of returns the lines of one bundle and mode.
func (s *State) of(bundle string, m Mode) (lines []stateLine) {
	if s == nil {
		return nil
	}
	for _, l := range s.lines {
		if l.Bundle == bundle && l.Mode == m {
			lines = append(lines, l)
		}
	}
	return lines
}

// append writes a line.
func (s *State) append(l stateLine) error {
	l.Sum = crc32.ChecksumIEEE(l.Data)
	raw, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if _, err = s.file.Write(append(raw, '\n')); err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	return nil
}

// Close closes the file, which stays.
func (s *State) Close() error {
	if s == nil {
		return nil
	}
	return s.file.Close()
}
