package lint

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestReadmeCommands executes every ```sh block of README.md in order, in a copy
// of the tree, and expects success. The test command itself is left to the
// caller of this test.
func TestReadmeCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("not run: builds the programs; left out with -short")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("not run: no bash to run the README's commands")
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := shellBlock.FindAllSubmatch(readme, -1)
	if len(blocks) < 3 {
		t.Fatalf("README.md has %d blocks of commands", len(blocks))
	}
	tree := copyTree(t)
	for _, block := range blocks {
		script := string(block[1])
		if strings.TrimSpace(script) == "go test ./..." {
			continue
		}
		output := runScript(t, tree, script)
		if strings.Contains(script, "colaverify") && !strings.Contains(output, "PASS") {
			t.Errorf("no PASS in the output of\n%s\n%s", script, output)
		}
	}
}

func runScript(t *testing.T, dir, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euc", script)
	cmd.Dir = dir
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		t.Errorf("%s\nfailed: %v\n%s", script, err, output.String())
	}
	return output.String()
}

// copyTree returns a copy of what the commands need, so that they leave nothing
// in the tree.
func copyTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || e.Name() == "bin" {
			continue
		}
		from, to := filepath.Join(root, e.Name()), filepath.Join(dir, e.Name())
		if e.IsDir() {
			err = os.CopyFS(to, os.DirFS(from))
		} else {
			err = copyFile(from, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}
