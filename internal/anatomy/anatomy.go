// Package anatomy describes files part by part, as far as they can be read: what
// is where, what it means, and what is wrong with it.
package anatomy

import (
	"fmt"
	"io"
	"strings"

	"colakit/internal/mmap"
)

// Description is what is known of a file, in the order in which it was found.
// The zero Description is empty.
type Description struct {
	text  strings.Builder
	of    string
	parts []Part
}

// Of maps the file at path and has describe enter what its bytes are. The error is
// that of reading.
func Of(path string, describe func(*Description, []byte)) (*Description, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	var d Description
	if err := mmap.Guard(path, func() error { describe(&d, m.Bytes()); return nil }); err != nil {
		return nil, err
	}
	return &d, nil
}

// Part is one part of a file, or something that concerns all parts of its kind.
type Part struct {
	Of     string `json:"of"` // kind of part: "superblock", "tensors"
	*Place        // nil for what concerns all of the kind
	What   string `json:"what,omitempty"`
	Damage string `json:"damage,omitempty"` // what is wrong with it
}

// Place says where a part is, or where the file says that it is.
type Place struct {
	Offset int64 `json:"offset"` // from the start of the file
	Bytes  int64 `json:"bytes"`
}

// Title begins the parts of a kind; columns says what stands in their lines.
func (d *Description) Title(of, columns string) {
	d.of = of
	if columns != "" {
		of += ": " + columns
	}
	d.text.WriteString(of + "\n")
}

// Part adds a part; damage is nil for a sound one.
func (d *Description) Part(offset, bytes int64, what string, damage error) {
	p := Part{Of: d.of, Place: &Place{offset, bytes}, What: what}
	fmt.Fprintf(&d.text, "%12d %12d  %s", offset, bytes, what)
	if damage != nil {
		p.Damage = damage.Error()
		fmt.Fprintf(&d.text, "  ✗ %s", p.Damage)
	}
	d.text.WriteByte('\n')
	d.parts = append(d.parts, p)
}

// Problem adds what is wrong with more than one part.
func (d *Description) Problem(format string, args ...any) {
	p := Part{Of: d.of, Damage: fmt.Sprintf(format, args...)}
	fmt.Fprintf(&d.text, "✗ %s\n", p.Damage)
	d.parts = append(d.parts, p)
}

// Parts returns all that was added but the titles.
func (d *Description) Parts() []Part { return d.parts }

// String returns the description as lines: a title, and under it the parts with
// offset, size and meaning, and the damage behind a cross.
func (d *Description) String() string { return d.text.String() }

// Write writes String.
func (d *Description) Write(out io.Writer) error {
	_, err := io.WriteString(out, d.text.String())
	return err
}
