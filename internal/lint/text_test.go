package lint

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// passesOn names the lines that hand on a panic which is not theirs.
var passesOn = map[string]bool{
	"internal/mmap/guard.go: panic(r)": true,
}

// TestNoFatalInLibraries rejects what ends the process outside cmd.
func TestNoFatalInLibraries(t *testing.T) {
	ends := regexp.MustCompile(`\b(log\.(Fatal|Panic)\w*|os\.Exit|panic)\(`)
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "cmd"+string(filepath.Separator)) {
			continue
		}
		for i, line := range lines(t, file) {
			code, _, _ := strings.Cut(line, "//")
			if ends.MatchString(code) && !passesOn[file+": "+strings.TrimSpace(code)] {
				t.Errorf("%s:%d ends the process: %s", file, i+1, strings.TrimSpace(line))
			}
		}
	}
}

// TestFilesStayReadable keeps hand-written files below a size that can be read.
func TestFilesStayReadable(t *testing.T) {
	const limit = 400
	for _, file := range goFiles(t) {
		text := lines(t, file)
		if len(text) > 0 && strings.HasPrefix(text[0], "// Code generated") {
			continue
		}
		if len(text) > limit {
			t.Errorf("%s has %d lines; split it below %d", file, len(text), limit)
		}
	}
}

func lines(t *testing.T, file string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(raw), "\n")
}
