package gguf

import (
	"fmt"
	"io"
	"strings"

	"colakit/internal/mmap"
)

// Dump writes an annotated description of the file at path: every part with its
// offset, size, meaning and whether it is as the format wants it. A damaged file
// is described as far as it can be read; the error is that of reading or writing,
// not of the file's damage. Of the data only the padding is read.
func Dump(out io.Writer, path string) error {
	m, err := mmap.Open(path)
	if err != nil {
		return err
	}
	defer m.Close()
	var b strings.Builder
	if err := mmap.Guard(path, func() error { dump(&b, m.Bytes()); return nil }); err != nil {
		return err
	}
	_, err = io.WriteString(out, b.String())
	return err
}

func dump(out *strings.Builder, file []byte) {
	d := dumper{out: out, file: file, scanner: newScanner(file)}
	h := d.header()
	d.contents = newContents(h)
	d.metadata(h.keys)
	d.infos(h.tensors)
	d.data()
}

type dumper struct {
	out      *strings.Builder
	file     []byte
	scanner  *scanner
	contents *contents
	offsets  []uint64 // as the infos have them
	broken   []bool   // whether an info is
}

// line writes one part: where it is, what it is, and what is wrong with it.
func (d *dumper) line(offset, bytes int64, what string, err error) {
	fmt.Fprintf(d.out, "%12d %12d  %s", offset, bytes, what)
	if err != nil {
		fmt.Fprintf(d.out, "  ✗ %v", err)
	}
	d.out.WriteByte('\n')
}

// record writes a line for what the scanner has read since at.
func (d *dumper) record(at int, what string, err error) {
	d.line(int64(at), int64(d.scanner.at-at), what, err)
}

func (d *dumper) title(format string, args ...any) {
	fmt.Fprintf(d.out, format+"\n", args...)
}

func (d *dumper) header() header {
	d.title("header: offset, bytes, meaning")
	h, err := d.scanner.header()
	if err != nil {
		d.line(0, int64(min(len(d.file), headerBytes)), fmt.Sprintf("% x", d.file[:min(len(d.file), headerBytes)]), err)
		return header{}
	}
	d.line(0, 4, fmt.Sprintf("magic %q", magic), nil)
	d.line(4, 4, fmt.Sprintf("version %d", h.version), nil)
	d.line(8, 8, fmt.Sprintf("%d tensors", h.tensors), nil)
	d.line(16, 8, fmt.Sprintf("%d keys", h.keys), nil)
	return h
}

func (d *dumper) metadata(keys int) {
	if d.scanner.lost {
		return
	}
	d.title("metadata: offset, bytes, type, key, value")
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
		d.title("✗ %v; going on with %d", err, defaultAlignment)
	}
}

func (d *dumper) infos(tensors int) {
	if d.scanner.lost {
		return
	}
	d.title("infos: offset, bytes, type, shape, name, offset in the data")
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
	d.title("data: offset, bytes, type, shape, name")
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
		d.line(e.Offset, e.Bytes, describe(e), err)
		sure = err == nil && !d.broken[i]
	}
	if sure {
		d.padding(at.end, min(alignUp(at.end, at.alignment), at.fileSize))
		d.line(at.fileSize, 0, "end", at.finish())
	}
}

func (d *dumper) padding(from, to int64) {
	if from < to {
		d.line(from, to-from, "padding", checkPadding(d.file, from, to))
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
