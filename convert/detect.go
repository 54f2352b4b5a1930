package convert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"colakit/formats/cola"
	"colakit/formats/gguf"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
)

// detect recognises a format by content. The name decides only about a file that
// begins like none, and so how it is refused and described.
func detect(path string) (Format, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case info.IsDir():
		return detectFolder(path)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is neither a regular file nor a folder", path)
	}
	head, err := readHead(path)
	switch {
	case err != nil:
		return "", err
	case cola.Recognise(head):
		return FormatCola, nil
	case gguf.Recognise(head):
		return FormatGGUF, nil
	case safetensors.Recognise(head):
		return FormatSafetensors, nil
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".safetensors":
		return FormatSafetensors, nil
	case ".gguf":
		return FormatGGUF, nil
	}
	return FormatCola, nil
}

// headBytes are enough to recognise every format.
const headBytes = 16

// readHead returns the first bytes of a file, fewer if it is shorter.
func readHead(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, headBytes)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return head[:n], nil
}

// detectFolder tells one model's folder from a checkpoint.
func detectFolder(path string) (Format, error) {
	if len(weightFiles(path)) > 0 {
		return FormatFolder, nil
	}
	if _, err := hf.Locate(path); err != nil {
		return "", fmt.Errorf("%w, and no weights lie in it", err)
	}
	return FormatCheckpoint, nil
}

// weightFiles lists the files of a folder that hold weights or say where they are.
func weightFiles(dir string) []string {
	var all []string
	for _, pattern := range []string{"*.safetensors", "*.safetensors.index.json"} {
		names, _ := filepath.Glob(filepath.Join(escapeGlob(dir), pattern)) // the pattern is in order
		all = append(all, names...)
	}
	return all
}
