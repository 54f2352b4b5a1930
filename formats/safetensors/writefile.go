package safetensors

import (
	"fmt"
	"io"

	"colakit/formats/tensor"
	"colakit/internal/atomicfile"
)

// WriteFile writes a whole file, or none: the bytes go to a temporary file in
// the same folder, which takes the place of path when it is complete and on
// disk. The views may be those of the file that is replaced.
func WriteFile(path string, metadata map[string]string, views []tensor.View) error {
	err := atomicfile.Write(path, func(w io.Writer) error { return Write(w, metadata, views) })
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
