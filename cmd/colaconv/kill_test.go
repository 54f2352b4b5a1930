package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"colakit/convert"
	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/internal/command"
	"colakit/internal/synth"
)

// itself makes this test binary the program, as it is.
const itself = "COLACONV_TEST_ITSELF"

// start starts the program as a process of its own.
func start(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), itself+"=1")
	cmd.Stdout, cmd.Stderr = &bytes.Buffer{}, &bytes.Buffer{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd
}

// wide writes a checkpoint with matrices of several tiles.
func wide(t *testing.T) string {
	t.Helper()
	config, err := hf.ParseConfig([]byte(`{"txt_dim": 64, "emb_dim": 64, "heads": 2, "head_dim": 32, "num_layers": 4, "rope_dim": 16}`),
		[]byte(`{"vocab_size": 60000, "dim": 128, "ffn_dim": 128, "num_heads": 2, "encoder_num_blocks": 2, "decoder_num_blocks": 2}`))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := synth.WriteCheckpoint(t.Context(), dir, config, synth.Options{Type: dtype.F32}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestKilledAtRandom kills conversions with SIGKILL at random moments and resumes
// them, until they end: the bytes are those of one that was left alone.
func TestKilledAtRandom(t *testing.T) {
	src := wide(t)
	args := []string{"convert", src, "--no-tokenizer", "--type", "int8", "--rule", `(wte|final_layer)\.weight$=int8-g32`, "--sha256", "-o"}
	alone := filepath.Join(t.TempDir(), "alone.cola")
	begin := time.Now()
	if err := start(t, append(args, alone)...).Wait(); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	want, err := os.ReadFile(alone)
	if err != nil {
		t.Fatal(err)
	}
	kills := 0
	for range 5 {
		out := filepath.Join(t.TempDir(), "out.cola")
		for attempt := 1; ; attempt++ {
			cmd := start(t, append(args, out, "--resume")...)
			killed := time.AfterFunc(time.Duration(rand.Int64N(int64(took)*int64(5+attempt)/8)), func() { cmd.Process.Kill() })
			cmd.Wait()
			killed.Stop()
			if _, err := os.Stat(out); err == nil {
				break // complete, perhaps killed right after
			}
			if code := cmd.ProcessState.ExitCode(); code >= 0 {
				t.Fatalf("exit code %d: %s", code, cmd.Stderr)
			}
			kills++
		}
		if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d other bytes after resuming, %v", len(got), err)
		}
		os.Remove(out + ".journal") // of one killed between its last two steps
		if names, _ := filepath.Glob(out + "?*"); len(names) > 0 {
			t.Errorf("left behind: %q", names)
		}
	}
	t.Logf("%d kills", kills)
}

// TestInterruptedResumable keeps the journal on a signal, and nothing else of a
// conversion that is resumed to its end.
func TestInterruptedResumable(t *testing.T) {
	src := checkpoint(t)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		out := outputs(t)
		cmd := startSlowly(t, src, out, "--resume")
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != command.Interrupted {
			t.Errorf("%v: exit code %d, want %d", s, code, command.Interrupted)
		}
		for _, name := range []string{out + ".journal", out + ".partial"} {
			if _, err := os.Stat(name); err != nil {
				t.Errorf("%v: %v", s, err)
			}
		}
		leftovers(t, out)
		code, stdout, stderr := colaconv(t, "convert", src, "-o", out, "--force", "--resume")
		if code != 0 || !strings.Contains(stdout, "written before") {
			t.Errorf("%v: resuming: code %d, %q, %q", s, code, stdout, stderr)
		}
		if entries, err := os.ReadDir(filepath.Dir(out)); err != nil || len(entries) != 1 {
			t.Errorf("%v: the folder holds %v, %v; want the artifact alone", s, entries, err)
		}
	}
}

// TestPeakMemory compares the memory that was planned with what the kernel saw, in
// processes of their own.
func TestPeakMemory(t *testing.T) {
	if runtime.GOOS != "linux" || raceDetector {
		t.Skip("not run: needs Linux's VmHWM, of a program as it is shipped: without the race detector")
	}
	src := wide(t)
	for _, args := range [][]string{
		{"--jobs", "1"}, {"--jobs", "16"}, {"--jobs", "4", "--type", "int8", "--clip", "mse", "--rule", `wte.weight$=int8-g32-mse`},
		{"--jobs", "16", "--max-rss", "40MB"}, {"--type", "f16", "--overflow", "f32", "--max-rss", "30MB"},
	} {
		out := filepath.Join(t.TempDir(), "out.cola")
		cmd := start(t, append([]string{"convert", src, "--no-tokenizer", "--json", "-o", out}, args...)...)
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%q: %v, %s", args, err, cmd.Stderr)
		}
		var s convert.Summary
		if err := json.Unmarshal(cmd.Stdout.(*bytes.Buffer).Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		// A test's program is larger than the one that is shipped.
		const testing = 8 << 20
		if s.PeakMemory == 0 || s.PeakMemory > s.Memory.Peak+testing || s.PeakMemory < s.Memory.Peak/3 {
			t.Errorf("%q: %d bytes at the peak, %d were planned", args, s.PeakMemory, s.Memory.Peak)
		}
		t.Logf("%q: %.1f MB at the peak, %.1f MB planned", args, float64(s.PeakMemory)/1e6, float64(s.Memory.Peak)/1e6)
	}
}
