package convert

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"colakit/formats/dtype"
	"colakit/internal/synth"
	"colakit/quantize"
)

// TestFullFileSystem converts into a file system that is too small, and into one
// that another file fills up meanwhile.
func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skip("not run: mounting needs privileges: ", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	out := filepath.Join(dir, "out.cola")
	writeFile(t, out, []byte(previous))

	c := prepare(t, Options{Source: checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32}), Type: quantize.F32})
	_, err := c.Execute(t.Context(), out, ExecuteOptions{Force: true})
	wantError(t, err, "needs", "are free")
	wantUntouched(t, out)

	c = prepare(t, Options{Source: small(t), Type: quantize.F32})
	tg, err := newTarget(out, true, false, nil, c.OutputBytes)
	if err != nil {
		t.Fatal(err)
	}
	f, err := tg.create()
	if err != nil {
		t.Fatal(err)
	}
	err = f.preallocate(9 << 20)
	f.discard(err)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("reserving more than there is: %v", err)
	}
	wantUntouched(t, out)
	if _, err := c.Execute(t.Context(), out, ExecuteOptions{Force: true}); err != nil {
		t.Errorf("what fits: %v", err)
	}
}
