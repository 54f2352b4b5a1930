package cola

import (
	"fmt"
	"io"
	"strings"

	"colakit/internal/blake3"
	"colakit/internal/mmap"
)

// Dump writes an annotated description of the file at path: every part with its
// offset, size, meaning and whether it is as the format wants it. A damaged file
// is described as far as it can be read; the error is that of reading or writing,
// not of the file's damage. All checksums are computed.
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

func dump(out *strings.Builder, data []byte) {
	d := dumper{out: out, file: &File{name: "dump", data: data}}
	d.superblock()
	d.indexAndParts()
}

type dumper struct {
	out  *strings.Builder
	file *File
	end  int64 // of the part before
}

// line writes one part: where it is, what it is, and what is wrong with it.
func (d *dumper) line(offset, bytes int64, what string, err error) {
	fmt.Fprintf(d.out, "%12d %12d  %s", offset, bytes, what)
	if err != nil {
		fmt.Fprintf(d.out, "  ✗ %v", err)
	}
	d.out.WriteByte('\n')
}

func (d *dumper) title(format string, args ...any) {
	fmt.Fprintf(d.out, format+"\n", args...)
}

func (d *dumper) superblock() {
	data := d.file.data
	d.title("superblock: offset, bytes, meaning")
	_, err := decodeSuperblock(data, int64(len(data)))
	if len(data) < superblockBytes {
		d.line(0, int64(len(data)), "cut short", err)
		return
	}
	super := rawSuperblock(data)
	d.file.super = super
	d.line(0, int64(len(magic)), fmt.Sprintf("magic %q", data[:len(magic)]), nil)
	d.line(versionAt, 4, fmt.Sprintf("version %d", super.version), nil)
	d.line(flagsAt, 4, fmt.Sprintf("flags % x", data[flagsAt:fileSizeAt]), nil)
	d.line(fileSizeAt, 8, fmt.Sprintf("file size %d", super.fileSize), nil)
	d.line(indexOffsetAt, 8, fmt.Sprintf("index offset %d", super.indexOffset), nil)
	d.line(indexBytesAt, 8, fmt.Sprintf("index bytes %d", super.indexBytes), nil)
	d.line(reservedAt, indexSumAt-reservedAt, "reserved", nil)
	d.line(indexSumAt, int64(sumBytes), fmt.Sprintf("index BLAKE3 %v", super.indexSum), nil)
	d.line(rootAt, int64(sumBytes), fmt.Sprintf("root %v", super.root), nil)
	if err != nil {
		d.title("✗ %v", err)
	}
}

// part writes a line about a part of the file, and before it one about the
// padding there.
func (d *dumper) part(offset, bytes int64, what string, err error) {
	if gap, ok := d.file.part(d.end, offset-d.end); ok && len(gap) > 0 {
		var damage error
		if !zero(gap) {
			damage = ErrPadding
		}
		d.line(d.end, int64(len(gap)), "padding", damage)
	}
	d.line(offset, bytes, what, err)
	d.end = offset + bytes
}

// indexAndParts describes the index and, through it, all parts.
func (d *dumper) indexAndParts() {
	f := d.file
	if len(f.data) < superblockBytes {
		return
	}
	d.end = superblockBytes
	raw, ok := f.part(f.super.indexOffset, f.super.indexBytes)
	if !ok || len(raw) == 0 {
		d.title("✗ the index is not in the file: %d bytes at %d of %d", f.super.indexBytes, f.super.indexOffset, len(f.data))
		return
	}
	var damage error
	if got := blake3.Of(raw); got != f.super.indexSum {
		damage = fmt.Errorf("%w: its BLAKE3 is %v", ErrIndexSum, got)
	}
	x, err := decodeIndex(raw)
	if err == nil {
		err = x.validate(f.super.indexOffset)
	}
	d.tensors(x)
	d.sections(x)
	d.title("index")
	d.part(f.super.indexOffset, f.super.indexBytes,
		fmt.Sprintf("%d tensors, %d sections", len(x.tensors), len(x.sections)), damage)
	if err != nil {
		d.title("✗ %v", err)
	}
}

func (d *dumper) tensors(x index) {
	d.title("tensors: offset, bytes, type, shape, name")
	sums := d.sums(x)
	for _, e := range x.tensors {
		what := fmt.Sprintf("%-4v %-14v %s", e.Type, e.Shape, e.Name)
		d.part(e.Offset, e.Bytes, what, d.damageOf(e, &sums))
	}
}

// sums returns the bytes of the section of that name, as far as they are there.
func (d *dumper) sums(x index) []byte {
	for _, s := range x.sections {
		if data, ok := d.file.part(s.Offset, s.Bytes); ok && s.Section == sums {
			return data
		}
	}
	return nil
}

// damageOf verifies a tensor, and moves rest behind the sums of its chunks.
func (d *dumper) damageOf(e Entry, rest *[]byte) error {
	data, ok := d.file.part(e.Offset, e.Bytes)
	if !ok {
		return ErrBounds
	}
	n := e.Chunks() * sumBytes
	if n > len(*rest) {
		return fmt.Errorf("%w: the sums of its chunks are missing", ErrSum)
	}
	want := (*rest)[:n]
	*rest = (*rest)[n:]
	if tensorSum(want) != e.Sum {
		return fmt.Errorf("%w: the sums of its chunks do not give its own", ErrSum)
	}
	for c := range e.Chunks() {
		from, to := chunkBounds(e.Bytes, c)
		if blake3.Of(data[from:to]) != blake3.Sum(want[c*sumBytes:]) {
			return fmt.Errorf("%w: chunk %d of %d", ErrSum, c, e.Chunks())
		}
	}
	return nil
}

func (d *dumper) sections(x index) {
	d.title("sections: offset, bytes, name")
	for _, s := range x.sections {
		var damage error
		if data, ok := d.file.part(s.Offset, s.Bytes); !ok {
			damage = ErrBounds
		} else if blake3.Of(data) != s.Sum {
			damage = ErrSum
		}
		d.part(s.Offset, s.Bytes, string(s.Section), damage)
	}
}

// part returns bytes of the file if it has them, for numbers nobody has checked.
func (f *File) part(offset, n int64) ([]byte, bool) {
	size := int64(len(f.data))
	if offset < 0 || n < 0 || n > size || offset > size-n {
		return nil, false
	}
	return f.bytes(offset, n), true
}
