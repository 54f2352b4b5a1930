package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"colakit/internal/command"
)

// slowly makes this test binary the program itself, slowed down.
const slowly = "COLACONV_TEST_SLOWLY"

func TestMain(m *testing.M) {
	if os.Getenv(itself) != "" {
		os.Exit(program().Main())
	}
	if os.Getenv(slowly) != "" {
		os.Exit(slowProgram())
	}
	os.Exit(m.Run())
}

// slowProgram is main, with a stderr on which a report of progress takes a while.
func slowProgram() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return program().Run(ctx, command.Streams{In: os.Stdin, Out: os.Stdout, Err: slowWriter{}}, os.Args[1:])
}

// slowWriter passes lines on to stdout, and takes its time.
type slowWriter struct{}

func (slowWriter) Write(p []byte) (int, error) {
	fmt.Printf("%s", p)
	time.Sleep(150 * time.Millisecond)
	return len(p), nil
}

// startSlowly starts a conversion of the embedded model that takes seconds, and
// returns when it is under way.
func startSlowly(t *testing.T, src, out string, flags ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"convert", src, "-o", out, "--force", "--progress", "json"}, flags...)...)
	cmd.Env = append(os.Environ(), slowly+"=1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(stdout)
	for range 2 {
		if !lines.Scan() {
			t.Fatal("the conversion reports nothing")
		}
	}
	go io.Copy(io.Discard, stdout)
	return cmd
}

const previous = "the previous artifact"

func outputs(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.cola")
	if err := os.WriteFile(out, []byte(previous), 0o644); err != nil {
		t.Fatal(err)
	}
	return out
}

// leftovers returns the temporary files beside the output, after checking that the
// previous one is still there.
func leftovers(t *testing.T, out string) int {
	t.Helper()
	if data, err := os.ReadFile(out); err != nil || string(data) != previous {
		t.Errorf("the previous output is gone: %v", err)
	}
	names, err := filepath.Glob(out + ".tmp-*")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// TestInterrupted interrupts a conversion half way: code 130, the previous output
// is still there, and nothing else.
func TestInterrupted(t *testing.T) {
	src := checkpoint(t)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		out := outputs(t)
		cmd := startSlowly(t, src, out)
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != command.Interrupted {
			t.Errorf("%v: exit code %d, want %d", s, code, command.Interrupted)
		}
		if n := leftovers(t, out); n != 0 {
			t.Errorf("%v: %d temporary files left", s, n)
		}
	}
}

// TestKilled kills a conversion half way: the previous output is still there, and
// the next conversion clears away what was left.
func TestKilled(t *testing.T) {
	src, out := checkpoint(t), outputs(t)
	cmd := startSlowly(t, src, out)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if n := leftovers(t, out); n != 1 {
		t.Errorf("%d temporary files left, want 1", n)
	}
	if code, _, errs := colaconv(t, "convert", src, "-o", out, "--force"); code != 0 {
		t.Errorf("the next conversion: code %d, %s", code, errs)
	}
	entries, err := os.ReadDir(filepath.Dir(out))
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v; want the artifact alone", entries, err)
	}
}
