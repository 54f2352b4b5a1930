package convert

import (
	"context"
	"io/fs"
	"os"
)

// FS converts the checkpoint that an fs.FS holds, such as the embedded model, to
// the file out, which it may replace. The options' Source is not used.
func FS(ctx context.Context, fsys fs.FS, out string, o Options) (Summary, error) {
	dir, err := os.MkdirTemp("", "cola-checkpoint-")
	if err != nil {
		return Summary{}, err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, fsys); err != nil {
		return Summary{}, err
	}
	o.Source = dir
	c, err := Prepare(o)
	if err != nil {
		return Summary{}, err
	}
	defer c.Close()
	return c.Execute(ctx, out, ExecuteOptions{Force: true})
}
