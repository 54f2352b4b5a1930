package safetensors

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	"colakit/formats/tensor"
	"colakit/internal/anatomy"
)

// Describe describes the file at path: every part with its offset, size, meaning
// and whether it is as the format wants it. A damaged file is described as far as
// it can be read; the error is that of reading, not of the file's damage. No data
// is read.
func Describe(path string) (*anatomy.Description, error) {
	return anatomy.Of(path, describe)
}

func describe(out *anatomy.Description, file []byte) {
	out.Title("header", "offset, bytes, meaning")
	text, data, err := split(file)
	if err != nil {
		out.Part(0, int64(min(len(file), prefix)), fmt.Sprintf("length % x", file[:min(len(file), prefix)]), err)
		return
	}
	out.Part(0, prefix, fmt.Sprintf("length %d", len(text)), nil)
	if !utf8.Valid(text) {
		err = ErrUTF8
	}
	out.Part(prefix, int64(len(text)), "JSON", err)
	if err != nil {
		return
	}
	d := describer{out: out, scanner: scanner{text: text}, start: int64(prefix + len(text)), size: int64(len(data))}
	d.metadata()
	d.tensors()
}

type describer struct {
	out     *anatomy.Description
	scanner scanner
	start   int64 // of the data in the file
	size    int64 // of the data
	found   []described
	err     error // what ended the header's reading
}

// described is a tensor of the header and what is wrong with its description.
type described struct {
	entry
	damage error
}

// metadata reads the header, and describes what is not about tensors.
func (d *describer) metadata() {
	again := false
	d.err = d.scanner.object(func(key string) error {
		if key == metadataKey {
			values, err := d.scanner.metadata()
			if err == nil && again {
				err = ErrDuplicate
			}
			again = true
			d.out.Part(prefix, int64(len(d.scanner.text)), fmt.Sprintf("%s of %d keys", metadataKey, len(values)), err)
			return err
		}
		e := entry{desc: tensor.Desc{Name: key}}
		dims, offsets, err := d.scanner.fields(&e)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", key, err)
		}
		damage := e.resolve(dims, offsets)
		d.found = append(d.found, described{e, damage})
		return nil
	})
	if d.err == nil {
		d.err = d.scanner.end()
	}
}

// tensors describes the tensors in the order of their data.
func (d *describer) tensors() {
	slices.SortStableFunc(d.found, func(a, b described) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	d.out.Title("tensors", "offset, bytes, type, shape, name")
	seen, end := map[string]bool{}, int64(0)
	for _, e := range d.found {
		what := fmt.Sprintf("%-5s %-16v %s", e.stored, e.desc.Shape, e.desc.Name)
		d.out.Part(d.start+min(e.begin, 1<<62), e.end-e.begin, what, d.damage(e, end, seen))
		seen[e.desc.Name], end = true, e.end
	}
	switch {
	case d.err != nil:
		d.out.Problem("%v; what follows in the header can't be read", d.err)
	case end != d.size:
		d.out.Problem("the tensors take %d bytes and the file has %d for them: %v", end, d.size, ErrFileSize)
	}
}

// damage says what is wrong with a tensor that follows others, which end at end.
func (d *describer) damage(e described, end int64, seen map[string]bool) error {
	switch {
	case e.damage != nil:
		return e.damage
	case seen[e.desc.Name]:
		return ErrDuplicate
	case e.begin > end && d.err == nil:
		return fmt.Errorf("%w: %d bytes before it", ErrHole, e.begin-end)
	case e.begin < end:
		return ErrOverlap
	case e.end > d.size:
		return fmt.Errorf("%w: %d bytes of data are there", ErrFileSize, d.size)
	}
	return nil
}
