package cola

import (
	"cmp"
	"fmt"
	"io"

	"colakit/internal/anatomy"
	"colakit/internal/blake3"
)

// Describe describes the file at path: every part with its offset, size, meaning
// and whether it is as the format wants it. A damaged file is described as far as
// it can be read; the error is that of reading, not of the file's damage. All
// checksums are computed.
func Describe(path string) (*anatomy.Description, error) {
	return anatomy.Of(path, describe)
}

// Dump writes what Describe finds.
func Dump(out io.Writer, path string) error {
	d, err := Describe(path)
	if err != nil {
		return err
	}
	return d.Write(out)
}

func describe(out *anatomy.Description, data []byte) {
	d := dumper{out: out, file: &File{name: "dump", data: data}}
	d.superblock()
	d.indexAndParts()
}

type dumper struct {
	out  *anatomy.Description
	file *File
	end  int64 // of the part before
}

func (d *dumper) superblock() {
	data := d.file.data
	d.out.Title("superblock", "offset, bytes, meaning")
	_, err := decodeSuperblock(data, int64(len(data)))
	if len(data) < superblockBytes {
		d.out.Part(0, int64(len(data)), "cut short", err)
		return
	}
	super := rawSuperblock(data)
	d.file.super = super
	d.out.Part(0, int64(len(magic)), fmt.Sprintf("magic %q", data[:len(magic)]), nil)
	d.out.Part(versionAt, 4, fmt.Sprintf("version %d", super.version), nil)
	d.out.Part(flagsAt, 4, fmt.Sprintf("flags % x", data[flagsAt:fileSizeAt]), nil)
	d.out.Part(fileSizeAt, 8, fmt.Sprintf("file size %d", super.fileSize), nil)
	d.out.Part(indexOffsetAt, 8, fmt.Sprintf("index offset %d", super.indexOffset), nil)
	d.out.Part(indexBytesAt, 8, fmt.Sprintf("index bytes %d", super.indexBytes), nil)
	d.out.Part(reservedAt, indexSumAt-reservedAt, "reserved", nil)
	d.out.Part(indexSumAt, int64(sumBytes), fmt.Sprintf("index BLAKE3 %v", super.indexSum), nil)
	d.out.Part(rootAt, int64(sumBytes), fmt.Sprintf("root %v", super.root), nil)
	if err != nil {
		d.out.Problem("%v", err)
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
		d.out.Part(d.end, int64(len(gap)), "padding", damage)
	}
	d.out.Part(offset, bytes, what, err)
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
		d.out.Problem("the index is not in the file: %d bytes at %d of %d", f.super.indexBytes, f.super.indexOffset, len(f.data))
		return
	}
	var damage error
	if got := blake3.Of(raw); got != f.super.indexSum {
		damage = fmt.Errorf("%w: its BLAKE3 is %v", ErrIndexSum, got)
	}
	x, err := decodeIndex(raw)
	if err == nil {
		err = x.validate(f.super.version, f.super.indexOffset)
	}
	d.tensors(x)
	d.sections(x)
	d.out.Title("index", "")
	d.part(f.super.indexOffset, f.super.indexBytes,
		fmt.Sprintf("%d tensors, %d sections", len(x.tensors), len(x.sections)), damage)
	if err != nil {
		d.out.Problem("%v", err)
	}
}

func (d *dumper) tensors(x index) {
	d.out.Title("tensors", "offset, bytes, type, shape, name")
	rest := d.sums(x)
	for _, e := range x.tensors {
		sums, err := d.sumsOf(e, &rest)
		n := min(e.DataChunks()*sumBytes, len(sums))
		d.part(e.Offset, e.Bytes, fmt.Sprintf("%-4v %-14v %s", e.Type, e.Shape, e.Name), cmp.Or(err, d.damageOf(e.data(), sums[:n])))
		if e.Scales != nil {
			d.scales(e, cmp.Or(err, d.damageOf(e.scales(), sums[n:])))
		}
	}
}

func (d *dumper) scales(e Entry, err error) {
	each := "row"
	if e.Scales.Group != 0 {
		each = fmt.Sprintf("%d", e.Scales.Group)
	}
	d.part(e.Scales.Offset, e.Scales.Bytes, fmt.Sprintf("%-4v for every %-5s scales of %s", e.Scales.Type, each, e.Name), err)
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

// sumsOf returns the sums of a tensor's chunks, verified, and moves rest behind
// them. There are none with an error.
func (d *dumper) sumsOf(e Entry, rest *[]byte) ([]byte, error) {
	for _, r := range e.regions() {
		if _, ok := d.file.part(r.offset, r.bytes); !ok {
			return nil, ErrBounds
		}
	}
	n := e.Chunks() * sumBytes
	if n > len(*rest) {
		return nil, fmt.Errorf("%w: the sums of its chunks are missing", ErrSum)
	}
	sums := (*rest)[:n]
	*rest = (*rest)[n:]
	if tensorSum(sums) != e.Sum {
		return nil, fmt.Errorf("%w: the sums of its chunks do not give its own", ErrSum)
	}
	return sums, nil
}

// damageOf verifies the chunks of a region by their sums.
func (d *dumper) damageOf(r region, sums []byte) error {
	for c := range len(sums) / sumBytes {
		data, ok := d.file.part(r.span(c))
		if !ok || blake3.Of(data) != blake3.Sum(sums[c*sumBytes:]) {
			return fmt.Errorf("%w: chunk %d of %d", ErrSum, c, r.chunks())
		}
	}
	return nil
}

func (d *dumper) sections(x index) {
	d.out.Title("sections", "offset, bytes, name")
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
