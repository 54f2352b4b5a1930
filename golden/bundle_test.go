package golden

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"colakit/formats/dtype"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
)

const shard = "taps-00001.safetensors"

// smallBundle returns the files of the bundle that smallInfo describes.
func smallBundle(t *testing.T) map[string][]byte {
	t.Helper()
	views := []tensor.View{
		{Desc: tensor.Desc{Name: "noise/b00", Type: dtype.F32, Shape: tensor.Shape{1, 2, 2}}, Data: []byte("0123456789abcdef")},
		{Desc: tensor.Desc{Name: "b00/s00/cond/dit.blocks.0.msa.q", Type: dtype.BF16, Shape: tensor.Shape{2, 2}}, Data: []byte("ABCDEFGH")},
	}
	var file bytes.Buffer
	if err := safetensors.Write(&file, nil, views); err != nil {
		t.Fatal(err)
	}
	info := smallInfo()
	for i, v := range views {
		info.Taps[i].SHA256 = hexSum(v.Data)
	}
	info.Files[shard] = hexSum(file.Bytes())
	return map[string][]byte{InfoName: marshal(t, info), shard: file.Bytes()}
}

func hexSum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// written puts the files into a folder.
func written(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mapFS(files map[string][]byte) fs.FS {
	tree := fstest.MapFS{}
	for name, data := range files {
		tree[name] = &fstest.MapFile{Data: data}
	}
	return tree
}

// bothWays runs a test on a bundle in a folder and on one in an fs.FS.
func bothWays(t *testing.T, files map[string][]byte, test func(*testing.T, func() (*Bundle, error))) {
	t.Run("folder", func(t *testing.T) { test(t, func() (*Bundle, error) { return Open(written(t, files)) }) })
	t.Run("fs", func(t *testing.T) { test(t, func() (*Bundle, error) { return OpenFS(mapFS(files)) }) })
}

func TestReadAndVerify(t *testing.T) {
	bothWays(t, smallBundle(t), func(t *testing.T, open func() (*Bundle, error)) {
		b, err := open()
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if err := b.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		v, err := b.Read("noise/b00")
		if err != nil || string(v.Data) != "0123456789abcdef" || !v.Shape.Equal(tensor.Shape{1, 2, 2}) {
			t.Errorf("got %+v, %v", v, err)
		}
		if d := b.Descs(); len(d) != 2 || d[1].Name != "b00/s00/cond/dit.blocks.0.msa.q" {
			t.Errorf("descs %v", d)
		}
		if _, err := b.Read("b00/s00/z"); !errors.Is(err, tensor.ErrNotFound) {
			t.Errorf("unknown tap: %v", err)
		}
	})
}

func TestFlippedByteNamesTheTap(t *testing.T) {
	files := smallBundle(t)
	files[shard][len(files[shard])-1] ^= 1 // the last byte of the BF16 tap
	bothWays(t, files, func(t *testing.T, open func() (*Bundle, error)) {
		b, err := open()
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		for _, err := range []error{b.Verify(t.Context()), readError(b, "b00/s00/cond/dit.blocks.0.msa.q")} {
			if !errors.Is(err, tensor.ErrDamaged) || !strings.Contains(err.Error(), `tap "b00/s00/cond/dit.blocks.0.msa.q"`) {
				t.Errorf("error %v; want damage that names the tap", err)
			}
		}
		if err := readError(b, "noise/b00"); err != nil {
			t.Errorf("the other tap is sound, but: %v", err)
		}
	})
}

func readError(b *Bundle, name string) error {
	_, err := b.Read(name)
	return err
}

// TestFileSum: the taps' bytes are sound, so only the sum of the whole file tells.
func TestFileSum(t *testing.T) {
	files := smallBundle(t)
	replace(files, InfoName, hexSum(files[shard]), sum)
	b := opened(t, mapFS(files))
	if err := b.Verify(t.Context()); !errors.Is(err, tensor.ErrDamaged) || !strings.Contains(err.Error(), shard) {
		t.Errorf("error %v; want damage that names the file", err)
	}
}

func TestOpenRefusesDamage(t *testing.T) {
	for _, c := range []struct {
		what   string
		breaks func(files map[string][]byte)
		says   string
	}{
		{"truncated shard", func(f map[string][]byte) { f[shard] = f[shard][:len(f[shard])-3] }, shard},
		{"empty shard", func(f map[string][]byte) { f[shard] = nil }, shard},
		{"missing shard", func(f map[string][]byte) { delete(f, shard) }, "file " + shard + " is missing"},
		{"truncated info", func(f map[string][]byte) { f[InfoName] = f[InfoName][:100] }, InfoName},
		{"other shape", func(f map[string][]byte) { replace(f, InfoName, `[2,2]`, `[4,1]`) }, "bundle.json says bf16 [4, 1]"},
		{"other type", func(f map[string][]byte) {
			replace(f, InfoName, `"shape":[2,2],"type":"bf16","run_type":"bf16"`, `"shape":[2,2],"type":"f16","run_type":"f16"`)
		}, "bundle.json says f16"},
		{"tap not in file", func(f map[string][]byte) { replace(f, InfoName, `0.msa.q"`, `0.msa.k"`) }, "does not place there"},
		{"tap without data", func(f map[string][]byte) {
			replace(f, InfoName, `"taps":[`, `"taps":[{"name":"encode/vae.latents","shape":[1],"type":"f32","run_type":"f32","rounded":false,"file":"`+shard+`","sha256":"`+sum+`"},`)
		}, `tap "encode/vae.latents" is not in the file`},
	} {
		t.Run(c.what, func(t *testing.T) {
			files := smallBundle(t)
			c.breaks(files)
			bothWays(t, files, func(t *testing.T, open func() (*Bundle, error)) {
				b, err := open()
				if b != nil || !errors.Is(err, tensor.ErrDamaged) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
					t.Errorf("error %v; want one line of damage with %q", err, c.says)
				}
			})
		})
	}
}

func replace(files map[string][]byte, name, old, new string) {
	if !bytes.Contains(files[name], []byte(old)) {
		panic("the test replaces nothing: " + old)
	}
	files[name] = bytes.Replace(files[name], []byte(old), []byte(new), 1)
}

// TestOpenElsewhere: a folder that is no bundle is a wrong argument, not damage.
func TestOpenElsewhere(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if _, err := Open(dir); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, tensor.ErrDamaged) || !strings.Contains(err.Error(), dir) {
			t.Errorf("error %v; want fs.ErrNotExist and the folder's name", err)
		}
	}
}

func TestVerifyStops(t *testing.T) {
	b := opened(t, mapFS(smallBundle(t)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Verify(ctx); !errors.Is(err, ctx.Err()) {
		t.Errorf("error %v; want that of the context", err)
	}
}
