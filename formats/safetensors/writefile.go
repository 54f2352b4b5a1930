package safetensors

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"

	"colakit/formats/tensor"
)

// WriteFile writes a whole file, or none: the bytes go to a temporary file in
// the same folder, which takes the place of path when it is complete and on
// disk. The views may be those of the file that is replaced.
func WriteFile(path string, metadata map[string]string, views []tensor.View) error {
	temp := fmt.Sprintf("%s.tmp-%08x", path, rand.Uint32())
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	err = Write(file, metadata, views)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
		return fmt.Errorf("%s: %w", path, err)
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a rename in dir durable.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders can't be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
