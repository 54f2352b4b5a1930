package golden

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"

	"colakit/formats/tensor"
)

// InfoName is the file of a bundle that describes the others.
const InfoName = "bundle.json"

// maxInfo bounds the bytes of a bundle.json; a tap takes about 250.
const maxInfo = 512 << 20

// readInfo returns the bytes of bundle.json, whose size is checked first.
func readInfo(fsys fs.FS) ([]byte, error) {
	stat, err := fs.Stat(fsys, InfoName)
	if err != nil {
		return nil, err
	}
	if stat.Size() > maxInfo {
		return nil, tensor.Damagedf("%s has %d bytes; at most %d are read", InfoName, stat.Size(), maxInfo)
	}
	return fs.ReadFile(fsys, InfoName)
}

// verifyFiles compares the sums of whole files, headers included.
func (b *Bundle) verifyFiles(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(b.Info.Files)) {
		sum, err := fileSum(ctx, b.fsys, name)
		if err != nil {
			return err
		}
		if sum != b.Info.Files[name] {
			return tensor.Damagedf("%s: the file does not have its recorded sha256; copy or export the bundle again", b.path(name))
		}
	}
	return nil
}

func fileSum(ctx context.Context, fsys fs.FS, name string) (sum string, err error) {
	file, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	digest := sha256.New()
	if _, err := io.Copy(digest, &contextReader{ctx, file}); err != nil {
		return "", err
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

// contextReader ends reading when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
