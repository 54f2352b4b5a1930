package export

import (
	"path/filepath"

	"colakit/formats/hf"
	"colakit/formats/safetensors"
)

// checkFolder reads a folder as a loader does: both configurations, and each
// model's weights through the index where there is one.
func (r *run) checkFolder() error {
	if len(r.Files) == 0 {
		return nil
	}
	at := hf.Checkpoint{DiTDir: filepath.Join(r.target.temp, "cola_dit"), VAEDir: filepath.Join(r.target.temp, "cola_vae")}
	if r.Format == SafeTensors {
		if _, _, err := at.ReadConfig(); err != nil {
			return err
		}
	}
	for _, dir := range []string{at.DiTDir, at.VAEDir} {
		f, err := safetensors.OpenDir(dir)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
