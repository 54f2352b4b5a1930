package convert

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"colakit/formats/dtype"
	"colakit/internal/synth"
	"colakit/quantize"
)

// sharded returns a checkpoint of several files.
func sharded(t *testing.T) string {
	return checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32, ShardSize: 9 << 20})
}

// interrupt executes until so many reports of progress were made, and returns the error.
func interrupt(t *testing.T, o Options, out string, reports int) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := prepare(t, o).Execute(ctx, out, ExecuteOptions{Jobs: 3, Resume: true, Progress: func(Progress) {
		if reports--; reports <= 0 {
			cancel()
		}
	}})
	return err
}

// interrupted leaves a conversion half done, and returns its path.
func interrupted(t *testing.T, o Options) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.cola")
	if err := interrupt(t, o, out, 60); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	wantOnly(t, filepath.Dir(out), "out.cola.journal", "out.cola.partial")
	return out
}

// TestResume interrupts at random moments, again and again: the bytes are the same.
func TestResume(t *testing.T) {
	src := sharded(t)
	r := rand.New(rand.NewPCG(1, 2))
	for _, scheme := range []quantize.Scheme{quantize.F16, quantize.Int8G32} {
		o := Options{Source: src, Type: scheme, SHA256: true}
		want := readFile(t, convertWith(t, o))
		for range 4 {
			out := filepath.Join(t.TempDir(), "out.cola")
			for errors.Is(interrupt(t, o, out, 1+r.IntN(40)), context.Canceled) {
				if _, err := os.Stat(out); err == nil {
					t.Fatal("interrupted, and complete")
				}
			}
			if !bytes.Equal(readFile(t, out), want) {
				t.Errorf("%v: other bytes after resuming", scheme)
			}
			wantOnly(t, filepath.Dir(out), "out.cola")
		}
	}
}

func convertWith(t *testing.T, o Options) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.cola")
	if _, err := prepare(t, o).Execute(t.Context(), out, ExecuteOptions{}); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestResumeSkips reads nothing of what is complete.
func TestResumeSkips(t *testing.T) {
	o := Options{Source: sharded(t), Type: quantize.F16}
	out := interrupted(t, o)
	var first Progress
	s, err := prepare(t, o).Execute(t.Context(), out, ExecuteOptions{Resume: true, Progress: func(p Progress) {
		if first.Total == 0 {
			first = p
		}
	}})
	if err != nil || s.Resumed < 30 || first.Done == 0 {
		t.Errorf("%d tensors taken over, the first report is %+v, %v", s.Resumed, first, err)
	}
}

// TestResumeRefuses does not go on with another source, plan or program.
func TestResumeRefuses(t *testing.T) {
	for want, change := range map[string]func(o *Options, out string){
		"of another plan":   func(o *Options, _ string) { o.Type = quantize.BF16 },
		"of another source": func(o *Options, _ string) { o.NoTokenizer = true },
		"vae/config.json changed since": func(o *Options, _ string) {
			path := filepath.Join(o.Source, "cola_dlm", "cola_vae", "config.json")
			writeFile(t, path, append(readFile(t, path), '\n'))
		},
		"safetensors changed since": func(o *Options, _ string) {
			names, _ := filepath.Glob(filepath.Join(o.Source, "cola_dlm", "cola_dit", "*.safetensors"))
			info, err := os.Stat(names[0])
			if err != nil {
				t.Fatal(err)
			}
			data := readFile(t, names[0])
			data[len(data)-1] ^= 1
			writeFile(t, names[0], data)
			if err := os.Chtimes(names[0], time.Time{}, info.ModTime()); err != nil { // as if nothing had happened
				t.Fatal(err)
			}
		},
		"is damaged": func(_ *Options, out string) {
			data := readFile(t, out+".journal")
			data[50] ^= 1
			writeFile(t, out+".journal", data)
		},
		"was written by": func(_ *Options, out string) {
			head, entries, _, err := readJournal(out + ".journal")
			if err != nil {
				t.Fatal(err)
			}
			head.Tool = "another program"
			j, err := startJournal(out+".journal", head, entries)
			if err != nil {
				t.Fatal(err)
			}
			j.file.Close()
		},
	} {
		o := Options{Source: sharded(t), Type: quantize.F16}
		out := interrupted(t, o)
		change(&o, out)
		_, err := prepare(t, o).Execute(t.Context(), out, ExecuteOptions{Resume: true})
		wantError(t, err, "can't resume", out+".journal", want, "start anew")
		wantOnly(t, filepath.Dir(out), "out.cola.journal", "out.cola.partial")
	}
}

// TestResumeRedoes converts again what is not in the file as the journal says.
func TestResumeRedoes(t *testing.T) {
	o := Options{Source: sharded(t), Type: quantize.Int8}
	want := readFile(t, convertWith(t, o))
	for name, change := range map[string]func(partial, journal string){
		"a bit of the data":    func(partial, _ string) { flip(t, partial, 200) },
		"data lost":            func(partial, _ string) { os.Truncate(partial, 5000) },
		"the artifact lost":    func(partial, _ string) { os.Remove(partial) },
		"a bit of the journal": func(_, journal string) { flip(t, journal, len(readFile(t, journal))*2/3) },
		"a line cut short":     func(_, journal string) { os.Truncate(journal, int64(len(readFile(t, journal))-7)) },
		"nothing noted":        func(_, journal string) { os.Truncate(journal, 0) },
		"the first line cut":   func(_, journal string) { os.Truncate(journal, 20) },
		"entries of nothing": func(_, journal string) {
			head, entries, _, _ := readJournal(journal)
			for i := range entries {
				entries[i].Step += 3
				entries[i].Parts = append(entries[i].Parts, journalPart{File: 99}, journalPart{Part: -1})
			}
			entries = append(entries, journalEntry{Step: -1}, journalEntry{Step: 1 << 30})
			j, err := startJournal(journal, head, entries)
			if err != nil {
				t.Fatal(err)
			}
			j.file.Close()
		},
	} {
		out := interrupted(t, o)
		change(out+".partial", out+".journal")
		if _, err := prepare(t, o).Execute(t.Context(), out, ExecuteOptions{Resume: true}); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !bytes.Equal(readFile(t, out), want) {
			t.Errorf("%s: other bytes", name)
		}
	}
}

func flip(t *testing.T, path string, at int) {
	t.Helper()
	data := readFile(t, path)
	data[at] ^= 1
	writeFile(t, path, data)
}

// TestLeftBehind does not destroy what could be resumed unless it is told to.
func TestLeftBehind(t *testing.T) {
	o := Options{Source: sharded(t), Type: quantize.F16}
	out := interrupted(t, o)
	_, err := prepare(t, o).Execute(t.Context(), out, ExecuteOptions{})
	wantError(t, err, out+".journal", "go on with --resume, or start anew with --force")
	wantOnly(t, filepath.Dir(out), "out.cola.journal", "out.cola.partial")
	if _, err := prepare(t, o).Execute(t.Context(), out, ExecuteOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, filepath.Dir(out), "out.cola")

	// Killed between the renaming and the removal of the journal.
	writeFile(t, out+".journal", []byte("x"))
	if _, err := prepare(t, o).Execute(t.Context(), out, ExecuteOptions{Resume: true}); !errors.Is(err, ErrExists) {
		t.Errorf("an output that is there: %v", err)
	}
	wantOnly(t, filepath.Dir(out), "out.cola")
}

// TestResumeHeld leaves a conversion alone that is at work.
func TestResumeHeld(t *testing.T) {
	if !canLock {
		t.Skip("not run: no locks on this system")
	}
	o := Options{Source: sharded(t), Type: quantize.F16}
	out := interrupted(t, o)
	f, err := os.Open(out + ".partial")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !lock(f) {
		t.Fatal("can't lock")
	}
	_, err = prepare(t, o).Execute(t.Context(), out, ExecuteOptions{Resume: true})
	wantError(t, err, "is being written by another conversion")
}

// TestKept keeps what is written after failures that pass, and not after others.
func TestKept(t *testing.T) {
	src := sharded(t)
	for cause, kept := range map[error]bool{syscall.EIO: true, syscall.ENOSPC: true, fs.ErrInvalid: false} {
		out := filepath.Join(t.TempDir(), "out.cola")
		c := prepare(t, Options{Source: src, Type: quantize.F16})
		c.open = func(path string) (reader, error) {
			f, err := os.Open(path)
			return &faulty{f, 5 << 20, cause}, err
		}
		if _, err := c.Execute(t.Context(), out, ExecuteOptions{Resume: true}); !errors.Is(err, cause) {
			t.Errorf("%v: %v", cause, err)
		}
		names := []string{}
		if kept {
			names = []string{"out.cola.journal", "out.cola.partial"}
		}
		wantOnly(t, filepath.Dir(out), names...)
	}
}

// FuzzJournal reads journals of any content.
func FuzzJournal(f *testing.F) {
	line, err := encodeLine(journalHead{Version: journalVersion})
	if err != nil {
		f.Fatal(err)
	}
	entry, err := encodeLine(journalEntry{Step: 3})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add(line)
	f.Add(append(line, entry...))
	f.Add(append(append(line, entry...), entry[:20]...))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "j")
		writeFile(t, path, data)
		_, entries, ok, err := readJournal(path)
		if len(entries) > 0 && (!ok || err != nil) {
			t.Errorf("%d entries of no journal: %v", len(entries), err)
		}
	})
}
