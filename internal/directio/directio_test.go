package directio

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// create opens a new file with a Writer to it.
func create(t *testing.T) (*os.File, *Writer) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	w := New(f)
	t.Cleanup(func() { w.Close(); f.Close() })
	return f, w
}

func TestBuffer(t *testing.T) {
	for _, n := range []int{0, 1, 4095, 4096, 4097, 1 << 20, 5 << 20} {
		if b := Buffer(n); len(b) != n || cap(b) != n || n > 0 && misaligned(b, Align) != 0 {
			t.Errorf("Buffer(%d) has %d bytes, %d after a page", n, len(b), misaligned(b, Align))
		}
	}
}

// TestWriteAt cuts a file at random, aligned and not, from memory that is aligned
// and that is not, and writes its parts in random order and several at once.
func TestWriteAt(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3, 4} {
		random := rand.New(rand.NewPCG(seed, 1))
		want := Buffer(5<<20 + random.IntN(9000))
		for i := range want {
			want[i] = byte(random.Uint32())
		}
		f, w := create(t)
		var parts [][2]int
		for at := 0; at < len(want); {
			end := min(at+1+random.IntN(3<<20), len(want))
			if random.IntN(2) == 0 {
				end = min((end+Align-1)&^(Align-1), len(want))
			}
			parts = append(parts, [2]int{at, end})
			at = end
		}
		random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		var writers sync.WaitGroup
		for i, p := range parts {
			data := want[p[0]:p[1]]
			if i%3 == 0 {
				data = append(make([]byte, 1, 1+len(data)), data...)[1:]
			}
			writers.Go(func() {
				if n, err := w.WriteAt(data, int64(p[0])); n != len(data) || err != nil {
					t.Errorf("bytes %d to %d: %d written, %v", p[0], p[1], n, err)
				}
			})
		}
		writers.Wait()
		got, err := os.ReadFile(f.Name())
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("seed %d: the file differs in its %d bytes, of %d: %v", seed, len(got), len(want), err)
		}
	}
}

// TestRefused: the direct file refuses every write, the other one takes them.
func TestRefused(t *testing.T) {
	f, w := create(t)
	if w.direct == nil {
		t.Skip("not run: no direct writes here")
	}
	refusing := &Writer{file: f, direct: w.direct}
	odd := Buffer(3*Align + 7)
	odd[0], odd[len(odd)-1] = 1, 2
	if n, err := refusing.writeDirectly(odd[7:], 7); n != 0 || err != nil { // as a disk with larger sectors does
		t.Skipf("not run: this file system takes any write directly (%d, %v)", n, err)
	}
	if n, err := refusing.WriteAt(odd, 0); n != len(odd) || err != nil {
		t.Errorf("%d of %d bytes written, %v", n, len(odd), err)
	}
	if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got, odd) {
		t.Errorf("the file differs: %v", err)
	}
}

func TestErrors(t *testing.T) {
	f, w := create(t)
	f.Close()
	w.Close()
	for _, n := range []int{1, Align, Align + 1} {
		if got, err := w.WriteAt(Buffer(n), 0); err == nil {
			t.Errorf("%d of %d bytes were written to a closed file", got, n)
		}
	}
}

// TestOtherFile: a file that has taken the name is left alone.
func TestOtherFile(t *testing.T) {
	f, _ := create(t)
	if err := os.Remove(f.Name()); err != nil {
		t.Skip("not run: ", err)
	}
	if err := os.WriteFile(f.Name(), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := New(f)
	defer w.Close()
	if n, err := w.WriteAt(Buffer(2*Align), 0); n != 2*Align || err != nil {
		t.Errorf("%d bytes written, %v", n, err)
	}
	if got, _ := os.ReadFile(f.Name()); string(got) != "other" {
		t.Error("the other file was written to")
	}
}
