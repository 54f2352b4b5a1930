package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func put(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func link(t *testing.T, make func(from, to string) error, from, to string) string {
	t.Helper()
	if err := make(from, to); err != nil {
		t.Skip("not run: ", err)
	}
	return to
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	model := put(t, filepath.Join(dir, "model.cola"), "m")
	other := put(t, filepath.Join(dir, "other"), "o")
	in := Input{model, "the model"}
	for name, c := range map[string]struct{ path, wrong string }{
		"a new file":           {filepath.Join(dir, "new"), ""},
		"a file to replace":    {other, ""},
		"an input":             {model, "is the model, which would be lost"},
		"its relative name":    {"./model.cola", "./model.cola is the model (" + model + ")"},
		"a link to it":         {link(t, os.Symlink, model, filepath.Join(dir, "soft")), "is the model"},
		"its second name":      {link(t, os.Link, model, filepath.Join(dir, "hard")), "is the model"},
		"a folder":             {dir, "is a folder"},
		"a missing folder":     {filepath.Join(dir, "none", "x"), "does not exist: create it first"},
		"a file for a folder":  {filepath.Join(other, "x"), "not a directory"},
		"a device":             {os.DevNull, "not a regular file"},
		"no name":              {"", "empty"},
		"a link into no place": {link(t, os.Symlink, "gone", filepath.Join(dir, "dangling")), ""},
	} {
		err := Check(c.path, Input{"", "--input"}, Input{filepath.Join(dir, "missing"), "--tokenizer"}, in)
		if (err == nil) != (c.wrong == "") || err != nil && (!strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: error %v, want %q", name, err, c.wrong)
		}
	}
}

func TestCheckFolderThatTakesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	if f, err := os.Create(filepath.Join(dir, "probe")); err == nil {
		f.Close()
		t.Skip("not run: this user may write everywhere")
	}
	if err := Check(filepath.Join(dir, "x")); err == nil || !strings.Contains(err.Error(), "can't be written to") {
		t.Errorf("error %v", err)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := put(t, filepath.Join(dir, "out"), "old")
	soft := link(t, os.Symlink, path, filepath.Join(dir, "soft"))
	err := Write(soft, func(w io.Writer) error {
		_, err := io.WriteString(w, "new")
		if got, _ := os.ReadFile(path); string(got) != "old" {
			t.Errorf("%q before the end", got)
		}
		return err
	})
	got, _ := os.ReadFile(path)
	info, statErr := os.Stat(path)
	if err != nil || string(got) != "new" || statErr != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%q, %v, mode %v, %v", got, err, info.Mode(), statErr)
	}
	if kind, err := os.Lstat(soft); err != nil || kind.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced and not what it points to")
	}
}

// TestFullDisk: neither half a file nor a temporary one, and the old one as it was.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	path := put(t, filepath.Join(dir, "out"), "old")
	err := Write(path, func(w io.Writer) error {
		if _, err := io.WriteString(w, "ne"); err != nil {
			return err
		}
		return &os.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
	})
	left, _ := os.ReadDir(dir)
	if got, _ := os.ReadFile(path); !errors.Is(err, syscall.ENOSPC) || string(got) != "old" || len(left) != 1 {
		t.Errorf("%v; %q is there, among %d files", err, got, len(left))
	}
}

// TestErrorsNameTheOutput: nobody knows the temporary file.
func TestErrorsNameTheOutput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	err := Write(path, func(w io.Writer) error {
		w.(io.Closer).Close()
		_, err := io.WriteString(w, "x")
		return err
	})
	if err == nil || !strings.Contains(err.Error(), path+":") || strings.Contains(err.Error(), tempInfix) {
		t.Errorf("error %v", err)
	}
}

func TestDiscardAfterCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	f, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	f.Discard()
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
