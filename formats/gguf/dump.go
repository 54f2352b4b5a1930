package gguf

import (
	"fmt"
	"io"
	"strings"

	"colakit/internal/anatomy"
)

// Describe describes the file at path: every part with its offset, size, meaning
// and whether it is as the format wants it. A damaged file is described as far as
// it can be read; the error is that of reading, not of the file's damage. Of the
// data only the padding is read.
func Describe(path string) (*anatomy.Description, error) {
	return anatomy.Of(path, dissect)
}

// Dump writes what Describe finds.
func Dump(out io.Writer, path string) error {
	d, err := Describe(path)
	if err != nil {
		return err
	}
	return d.Write(out)
}

func dissect(out *anatomy.Description, file []byte) {
	d := dumper{out: out, file: file, scanner: newScanner(file)}
	h := d.header()
	d.contents = newContents(h)
	d.metadata(h.keys)
	d.infos(h.tensors)
	d.data()
}

type dumper struct {
	out      *anatomy.Description
	file     []byte
	scanner  *scanner
	contents *contents
	offsets  []uint64 // as the infos have them
	broken   []bool   // whether an info is
}

// record writes a line for what the scanner has read since at.
func (d *dumper) record(at int, what string, err error) {
	d.out.Part(int64(at), int64(d.scanner.at-at), what, err)
}

func (d *dumper) header() header {
	d.out.Title("header", "offset, bytes, meaning")
	h, err := d.scanner.header()
	if err != nil {
		d.out.Part(0, int64(min(len(d.file), headerBytes)), fmt.Sprintf("% x", d.file[:min(len(d.file), headerBytes)]), err)
		return header{}
	}
	d.out.Part(0, 4, fmt.Sprintf("magic %q", magic), nil)
	d.out.Part(4, 4, fmt.Sprintf("version %d", h.version), nil)
	d.out.Part(8, 8, fmt.Sprintf("%d tensors", h.tensors), nil)
	d.out.Part(16, 8, fmt.Sprintf("%d keys", h.keys), nil)
	return h
}

func (d *dumper) metadata(keys int) {
	if d.scanner.lost {
		return
	}
	d.out.Title("metadata", "offset, bytes, type, key, value")
	for range keys {
		at := d.scanner.at
		kv, err := d.scanner.keyValue()
		if d.scanner.lost {
			d.record(at, "unreadable, and all that follows", err)
			return
		}
		if twice := d.contents.addKey(kv); err == nil {
			err = twice
		}
		d.record(at, fmt.Sprintf("%-8s %s = %s", TypeName(kv.Value), printable(kv.Key), FormatValue(kv.Value)), err)
	}
	var err error
	if d.contents.alignment, err = d.contents.metadata.alignment(); err != nil {
		d.contents.alignment = defaultAlignment
		d.out.Problem("%v; going on with %d", err, defaultAlignment)
	}
}

func (d *dumper) infos(tensors int) {
	if d.scanner.lost {
		return
	}
	d.out.Title("infos", "offset, bytes, type, shape, name, offset in the data")
	for range tensors {
		at := d.scanner.at
		e, offset, err := d.scanner.info()
		if d.scanner.lost {
			d.record(at, "unreadable, and all that follows", err)
			return
		}
		d.offsets, d.broken = append(d.offsets, offset), append(d.broken, err != nil)
		if twice := d.contents.addTensor(e); twice != nil {
			d.contents.entries = append(d.contents.entries, e)
			err = twice
		}
		d.record(at, fmt.Sprintf("%s  at %d", describe(e), offset), err)
	}
}

// data describes the tensors' places, and the padding between them.
func (d *dumper) data() {
	if d.scanner.lost {
		return
	}
	d.contents.endHeader(int64(d.scanner.at))
	at := d.contents.placer(int64(len(d.file)))
	d.out.Title("data", "offset, bytes, type, shape, name")
	sure := true // of where the tensor before ends
	for i, e := range d.contents.entries {
		before := at.end
		if !sure && d.offsets[i] < uint64(len(d.file)) {
			at.end, before = at.start+int64(d.offsets[i]), at.start+int64(d.offsets[i])
		}
		err := at.place(&e, d.offsets[i])
		if err == nil {
			d.padding(before, e.Offset)
		}
		d.out.Part(e.Offset, e.Bytes, describe(e), err)
		sure = err == nil && !d.broken[i]
	}
	if sure {
		d.padding(at.end, min(alignUp(at.end, at.alignment), at.fileSize))
		d.out.Part(at.fileSize, 0, "end", at.finish())
	}
}

func (d *dumper) padding(from, to int64) {
	if from < to {
		d.out.Part(from, to-from, "padding", checkPadding(d.file, from, to))
	}
}

func describe(e Entry) string {
	return fmt.Sprintf("%-5v %-16v %s", e.Type, e.Shape, printable(e.Name))
}

// printable returns a name as it is, or quoted if it has other characters than
// letters, digits and the usual signs.
func printable(name string) string {
	if quoted := fmt.Sprintf("%q", name); len(quoted) != len(name)+2 || strings.Contains(name, " ") || name == "" {
		return quoted
	}
	return name
}
