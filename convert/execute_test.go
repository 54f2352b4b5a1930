package convert

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/internal/synth"
	"colakit/quantize"
)

// previous is the content of an output that must survive a failure.
const previous = "the previous artifact"

// outputs makes a folder with a previous output in it, and returns its path.
func outputs(t testing.TB) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.cola")
	writeFile(t, out, []byte(previous))
	return out
}

// wantUntouched checks that a failed conversion left the previous output alone and
// nothing else behind.
func wantUntouched(t testing.TB, out string) {
	t.Helper()
	if got := readFile(t, out); string(got) != previous {
		t.Errorf("the previous output is gone: %d bytes", len(got))
	}
	wantOnly(t, filepath.Dir(out), filepath.Base(out))
}

// TestUnstorable puts a value that can't be stored into the source.
func TestUnstorable(t *testing.T) {
	const name = "blocks.1.mlp.proj_in.weight" // [64, 32]
	for what, c := range map[string]struct {
		value  float32
		to     quantize.Scheme
		want   []string
		damage bool
	}{
		"NaN":           {float32(math.NaN()), quantize.F32, []string{"NaN"}, true},
		"NaN in bf16":   {float32(math.NaN()), quantize.BF16, []string{"NaN"}, true},
		"Inf":           {float32(math.Inf(-1)), quantize.F16, []string{"-Inf"}, true},
		"f16 overflow":  {-70000, quantize.F16, []string{"-70000", "65504", "convert to bf16 or f32"}, false},
		"just beyond":   {65505, quantize.F16, []string{"65505", "f16"}, false},
		"bf16 overflow": {math.MaxFloat32, quantize.BF16, []string{"bf16: convert to f32"}, false},
	} {
		src, out := small(t), outputs(t)
		editTensor(t, ditWeights(src), name, setValue(5*32+7, c.value))
		_, err := prepare(t, Options{Source: src, Type: c.to}).Execute(t.Context(), out, ExecuteOptions{Force: true, Jobs: 3})
		wantError(t, err, append(c.want, name, "[5, 7]", "model.safetensors")...)
		if errors.Is(err, tensor.ErrDamaged) != c.damage {
			t.Errorf("%s: damage %v in %v", what, !c.damage, err)
		}
		wantUntouched(t, out)
	}
}

// TestFirstUnstorable reports the first of several, whoever finds it first.
func TestFirstUnstorable(t *testing.T) {
	src := checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32})
	path := strings.Replace(ditWeights(src), "cola_dit", "cola_vae", 1)
	editTensor(t, path, "encoder.wte.weight", func(v *tensor.View) {
		setValue(40000*64-1, float32(math.NaN()))(v)
		setValue(17, float32(math.Inf(1)))(v)
	})
	c := prepare(t, Options{Source: src, Type: quantize.F32})
	for range 5 {
		_, err := c.Execute(t.Context(), filepath.Join(t.TempDir(), "out.cola"), ExecuteOptions{Jobs: 7})
		wantError(t, err, "[0, 17]", "+Inf")
	}
}

func TestLoadOverflow(t *testing.T) {
	src := checkpointDir(t, `{"dtype": "float16", `+smallDiT[1:], smallVAE, synth.Options{Type: dtype.F32})
	editTensor(t, ditWeights(src), "txt_in.proj.weight", setValue(0, 1e6))
	_, err := prepare(t, Options{Source: src, Type: quantize.F32}).Execute(t.Context(), outputs(t), ExecuteOptions{Force: true})
	wantError(t, err, "txt_in.proj.weight", "65504", "config.json", "dtype")
}

// TestCancelled cancels in the middle of the work.
func TestCancelled(t *testing.T) {
	src := checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32})
	for _, jobs := range []int{1, 7} {
		out := outputs(t)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := prepare(t, Options{Source: src, Type: quantize.F32}).Execute(ctx, out, ExecuteOptions{Jobs: jobs, Force: true,
			Progress: func(p Progress) {
				if p.Done > p.Total/2 {
					cancel()
				}
			}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%d jobs, cancelled half way: %v", jobs, err)
		}
		wantUntouched(t, out)
	}
}

// fullDisk takes so many bytes and then fails as a full disk does.
type fullDisk struct{ free int }

func (d *fullDisk) WriteAt(p []byte, _ int64) (int, error) {
	if d.free -= len(p); d.free < 0 {
		return 0, &os.PathError{Op: "write", Path: "out.cola", Err: syscall.ENOSPC}
	}
	return len(p), nil
}

// writeTo executes a plan on a writer of the test's.
func writeTo(t *testing.T, c *Conversion, out io.WriterAt) error {
	t.Helper()
	src, err := c.openWeights()
	if err != nil {
		t.Fatal(err)
	}
	defer src.close()
	e, err := c.newExecution(out, src, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Memory(2, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.write(t.Context(), m)
	return err
}

func TestDiskFull(t *testing.T) {
	c := prepare(t, Options{Source: checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32}), Type: quantize.F32})
	for free := 0; free < int(c.OutputBytes); free += int(c.OutputBytes) / 7 {
		err := writeTo(t, c, &fullDisk{free})
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%d of %d bytes free: %v", free, c.OutputBytes, err)
		}
	}
	if err := writeTo(t, c, &fullDisk{2 * int(c.OutputBytes)}); err != nil {
		t.Errorf("with room for all: %v", err)
	}
}

// faulty fails, or ends, when it is read from a certain offset on.
type faulty struct {
	reader
	from int64
	err  error
}

func (f *faulty) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.from {
		return 0, f.err
	}
	return f.reader.ReadAt(p, off)
}

func TestReadErrors(t *testing.T) {
	src := checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32})
	for err, damage := range map[error]bool{syscall.EIO: false, io.EOF: true} {
		out := outputs(t)
		c := prepare(t, Options{Source: src, Type: quantize.F16})
		c.open = func(path string) (reader, error) {
			f, openErr := os.Open(path)
			return &faulty{f, 1 << 20, err}, openErr
		}
		_, got := c.Execute(t.Context(), out, ExecuteOptions{Jobs: 3, Force: true})
		wantError(t, got, "model.safetensors")
		if errors.Is(got, tensor.ErrDamaged) != damage || !damage && !errors.Is(got, err) {
			t.Errorf("reading fails with %v: %v", err, got)
		}
		wantUntouched(t, out)
	}
}

// TestSourceChanges changes the source between the plan and the end of the work.
func TestSourceChanges(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"touched":   func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)) },
		"truncated": func(path string) error { return os.Truncate(path, 1000) },
		"vanished":  os.Remove,
	} {
		src, out := small(t), outputs(t)
		c := prepare(t, Options{Source: src, Type: quantize.F16})
		changed := false
		_, err := c.Execute(t.Context(), out, ExecuteOptions{Jobs: 1, Force: true, Progress: func(Progress) {
			if !changed {
				changed = true
				if err := change(ditWeights(src)); err != nil {
					t.Fatal(err)
				}
			}
		}})
		wantError(t, err, "model.safetensors", "changed")
		if !errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("%s: %v is no damage", name, err)
		}
		wantUntouched(t, out)
	}
}

func TestTarget(t *testing.T) {
	src := small(t)
	c := prepare(t, Options{Source: src, Type: quantize.F32})
	execute := func(out string, force bool) error {
		_, err := c.Execute(t.Context(), out, ExecuteOptions{Force: force})
		return err
	}
	out := outputs(t)
	err := execute(out, false)
	wantError(t, err, out, "exists already")
	if !errors.Is(err, ErrExists) {
		t.Errorf("%v does not wrap ErrExists", err)
	}
	wantUntouched(t, out)

	for _, path := range []string{ditWeights(src), filepath.Join(src, "tokenizer.json")} {
		before := readFile(t, path)
		wantError(t, execute(path, true), "is a file of the source")
		if !bytes.Equal(readFile(t, path), before) {
			t.Errorf("%s was changed", path)
		}
	}
	wantError(t, execute(filepath.Join(t.TempDir(), "no", "out.cola"), false), "does not exist")
	wantError(t, execute(t.TempDir(), true), "not a regular file")
	wantError(t, execute(filepath.Join(out, "under-a-file.cola"), true), "not a ")

	if err := execute(out, true); err != nil {
		t.Errorf("replacing: %v", err)
	}
	openArtifact(t, out)
	wantOnly(t, filepath.Dir(out), "out.cola")
}

// TestSymlinks replaces what a link points to, and sees through a link that the
// output is the source.
func TestSymlinks(t *testing.T) {
	src := small(t)
	c := prepare(t, Options{Source: src, Type: quantize.F32})
	out := outputs(t)
	link := filepath.Join(t.TempDir(), "link.cola")
	if err := os.Symlink(out, link); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Execute(t.Context(), link, ExecuteOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	openArtifact(t, out)
	os.Remove(link)
	if err := os.Symlink(ditWeights(src), link); err != nil {
		t.Fatal(err)
	}
	_, err := c.Execute(t.Context(), link, ExecuteOptions{Force: true})
	wantError(t, err, "is a file of the source")
}

func TestReadOnlyFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("not run: root may write everywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	_, err := prepare(t, Options{Source: small(t), Type: quantize.F32}).Execute(t.Context(), filepath.Join(dir, "out.cola"), ExecuteOptions{})
	wantError(t, err, dir, "can't be written")
}

func TestNoSpace(t *testing.T) {
	tg := target{path: "out.cola", dir: t.TempDir()}
	err := tg.checkFolder(math.MaxInt64)
	wantError(t, err, "are free", "needs 9223372036854775807")
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v is not ENOSPC", err)
	}
}

// TestStaleFiles removes what a killed process left behind, and nothing else.
func TestStaleFiles(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "o[1]*.cola")
	stale, held := out+tempInfix+"0123456789abcdef", out+tempInfix+"fedcba9876543210"
	others := []string{filepath.Join(dir, "o1.cola.tmp-0123456789abcdef"), out + ".tmp-notes"}
	for _, path := range append(others, stale, held) {
		writeFile(t, path, []byte("x"))
	}
	f, err := os.Open(held)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := prepare(t, Options{Source: small(t), Type: quantize.F32}).Execute(t.Context(), out, ExecuteOptions{}); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, dir, "o1.cola.tmp-0123456789abcdef", "o[1]*.cola", "o[1]*.cola.tmp-fedcba9876543210", "o[1]*.cola.tmp-notes")
}

// TestCameUp keeps a file that appears at the output's path during the work.
func TestCameUp(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.cola")
	_, err := prepare(t, Options{Source: small(t), Type: quantize.F32}).Execute(t.Context(), out, ExecuteOptions{Progress: func(p Progress) {
		if p.Doing == waiting {
			writeFile(t, out, []byte(previous))
		}
	}})
	if !errors.Is(err, ErrExists) {
		t.Errorf("the output came up meanwhile: %v", err)
	}
	wantUntouched(t, out)
}
