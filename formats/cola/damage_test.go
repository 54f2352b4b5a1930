package cola

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// findDamage opens and checks data and returns all that is wrong.
func findDamage(t *testing.T, data []byte) []Damage {
	t.Helper()
	f, err := parse("test.cola", data)
	if err != nil {
		return []Damage{{Chunk: -1, Err: err}}
	}
	damage, err := f.Check(context.Background(), CheckOptions{Jobs: 1})
	if err != nil {
		t.Fatal(err)
	}
	return damage
}

// TestEveryBitFlip flips every single bit of a file: each is found, as damage,
// and those in a tensor's data are attributed to it.
func TestEveryBitFlip(t *testing.T) {
	t.Run("version 1", func(t *testing.T) { flipEveryBit(t, write(t, small(), sampleMeta)) })
	t.Run("version 2", func(t *testing.T) { flipEveryBit(t, write(t, quantized(), sampleMeta)) })
}

func flipEveryBit(t *testing.T, sound []byte) {
	entries := mustParse(t, sound).Entries()
	data := slices.Clone(sound)
	for bit := range 8 * len(data) {
		data[bit/8] ^= 1 << (bit % 8)
		damage := findDamage(t, data)
		if len(damage) != 1 || !errors.Is(damage[0].Err, tensor.ErrDamaged) {
			t.Fatalf("bit %d of byte %d: damage %v, want one that wraps ErrDamaged", bit%8, bit/8, damage)
		}
		if want, chunk := owner(entries, int64(bit/8)); damage[0].Tensor != want || damage[0].Chunk != chunk {
			t.Fatalf("byte %d: attributed to tensor %q chunk %d, is in %q chunk %d", bit/8, damage[0].Tensor, damage[0].Chunk, want, chunk)
		}
		data[bit/8] ^= 1 << (bit % 8)
	}
	if !bytes.Equal(data, sound) {
		t.Fatal("the test changed its own file")
	}
}

// owner returns whose byte that is: chunk 0 of a tensor, chunk 1 where it is one
// of its scales, or nobody's.
func owner(entries []Entry, offset int64) (name string, chunk int) {
	for _, e := range entries {
		for i, r := range e.regions() {
			if offset >= r.offset && offset < r.offset+r.bytes {
				return e.Name, i
			}
		}
	}
	return "", -1
}

// TestEveryLength cuts a file at every length, and appends to it.
func TestEveryLength(t *testing.T) {
	for _, views := range [][]tensor.View{small(), quantized()} {
		cutEverywhere(t, write(t, views, sampleMeta))
	}
}

func cutEverywhere(t *testing.T, data []byte) {
	for n := range len(data) {
		if _, err := parse("test.cola", data[:n:n]); !errors.Is(err, tensor.ErrDamaged) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(data), err)
		}
	}
	for _, tail := range []string{"\x00", "\n", "more"} {
		if _, err := parse("test.cola", append(slices.Clone(data), tail...)); !errors.Is(err, ErrFileSize) {
			t.Errorf("with %q appended: %v", tail, err)
		}
	}
}

// TestZeroedBlocks overwrites each 512-byte block with zeros, as lost writes do.
func TestZeroedBlocks(t *testing.T) {
	sound := write(t, small(), sampleMeta)
	for at := 0; at < len(sound); at += 512 {
		data := slices.Clone(sound)
		clear(data[at:min(at+512, len(data))])
		if damage := findDamage(t, data); len(damage) == 0 {
			t.Errorf("zeros from %d on were not found", at)
		}
	}
}

// TestSwappedTensors exchanges the data of two tensors of one size.
func TestSwappedTensors(t *testing.T) {
	views := []tensor.View{small()[1], small()[1]}
	views[1].Name, views[1].Data = "dit.b.bias", pattern(64, 9)
	data := write(t, views, sampleMeta)
	e := mustParse(t, data).Entries()
	a, b := data[e[0].Offset:][:64], data[e[1].Offset:][:64]
	kept := slices.Clone(a)
	copy(a, b)
	copy(b, kept)
	if damage := findDamage(t, data); len(damage) != 2 {
		t.Errorf("damage %v, want both tensors", damage)
	}
}

func TestCheckReportsEverything(t *testing.T) {
	data := write(t, large(), sampleMeta)
	e := mustParse(t, data).Entries()
	flips := []int64{e[0].Offset, e[1].Offset + e[1].Bytes, e[2].Offset + 9, e[3].Offset + 1, e[3].Offset + 2*ChunkBytes}
	for _, at := range flips {
		data[at] ^= 0x80
	}
	f := mustParse(t, data)
	var last int64
	damage, err := f.Check(context.Background(), CheckOptions{Jobs: 3, Progress: func(done, total int64) {
		if done <= last || done > total {
			t.Errorf("progress went from %d to %d of %d", last, done, total)
		}
		last = done
	}})
	if err != nil || len(damage) != len(flips) {
		t.Fatalf("%v, damage %v, want %d", err, damage, len(flips))
	}
	for i, d := range damage {
		if flips[i] < d.Offset || flips[i] >= d.Offset+d.Bytes {
			t.Errorf("damage %d is at %d, %d bytes; byte %d was flipped", i, d.Offset, d.Bytes, flips[i])
		}
	}
	if damage[3].Chunk != 0 || damage[4].Chunk != 2 {
		t.Errorf("chunks %d and %d, want 0 and 2", damage[3].Chunk, damage[4].Chunk)
	}
	if err := FirstDamage(damage); !errors.Is(err, tensor.ErrDamaged) {
		t.Errorf("as one error: %v", err)
	}
}

// TestCheckFindsScales damages codes and scales of the second chunks.
func TestCheckFindsScales(t *testing.T) {
	data := write(t, manyRows(), sampleMeta)
	e := mustParse(t, data).Entries()
	codes, _ := e[0].span(1)
	scales, _ := e[1].span(e[1].Chunks() - 1)
	data[codes+7] ^= 4
	data[scales+3] ^= 4
	f := mustParse(t, data)
	damage, err := f.Check(context.Background(), CheckOptions{Jobs: 2})
	if err != nil || len(damage) != 2 {
		t.Fatalf("%v, damage %v, want 2", err, damage)
	}
	for i, want := range []string{`"dit.long": checksum does not match: chunk 1 of 2`, `"dit.short": checksum does not match: scales, chunk 1 of 2`} {
		if !strings.Contains(damage[i].Err.Error(), want) {
			t.Errorf("%v does not say %q", damage[i].Err, want)
		}
	}
	if _, err := f.Read("dit.short"); !errors.Is(err, ErrSum) {
		t.Errorf("reading a tensor with damaged scales: %v", err)
	}
}

func TestCheckGivesValues(t *testing.T) {
	f := mustParse(t, write(t, large(), sampleMeta))
	seen := map[[2]int]int{}
	_, err := f.Check(context.Background(), CheckOptions{Jobs: 1, Values: func(tensor, chunk int, data []byte) {
		seen[[2]int{tensor, chunk}] += len(data)
	}})
	if err != nil || len(seen) != 7 || seen[[2]int{3, 2}] != 12 {
		t.Errorf("%v, chunks %v", err, seen)
	}
}

// TestCheckGivesScales tells codes and scales apart.
func TestCheckGivesScales(t *testing.T) {
	f := mustParse(t, write(t, manyRows(), sampleMeta))
	bytes, chunks := map[dtype.Type]int64{}, map[[2]int]int64{}
	var total int64
	_, err := f.Check(context.Background(), CheckOptions{Jobs: 1, Values: func(tensor, chunk int, data []byte) {
		e := f.Entries()[tensor]
		bytes[e.ChunkType(chunk)] += int64(len(data))
		chunks[[2]int{tensor, chunk}] += int64(len(data))
		if len(data)%e.ChunkType(chunk).Size() != 0 {
			t.Errorf("%s: %d bytes of chunk %d", e.Name, len(data), chunk)
		}
	}, Progress: func(done, all int64) { total = all - done }})
	for c, n := range chunks {
		if e := f.Entries()[c[0]]; n != e.ChunkBytes(c[1]) {
			t.Errorf("%s: %d bytes of chunk %d, want %d", e.Name, n, c[1], e.ChunkBytes(c[1]))
		}
	}
	const short = ChunkBytes/4 + 1
	want := map[dtype.Type]int64{dtype.I8: 5000*1024 + short, dtype.F16: 5000 * 1024 / 64 * 2, dtype.F32: 4*short + 64}
	if diff := cmp.Diff(want, bytes); err != nil || diff != "" || total != 0 {
		t.Errorf("%v, %d bytes left, by type (-want +got)\n%s", err, total, diff)
	}
}

func TestCheckCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	f := mustParse(t, write(t, large(), sampleMeta))
	_, err := f.Check(ctx, CheckOptions{Jobs: 1, Progress: func(int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled check: %v", err)
	}
}
