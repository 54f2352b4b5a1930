package safetensors

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// shard is a file with U8 tensors of one element.
func shard(t testing.TB, names ...string) []byte {
	t.Helper()
	var views []tensor.View
	for _, name := range names {
		desc := tensor.Desc{Name: name, Type: dtype.U8, Shape: tensor.Shape{1}}
		views = append(views, tensor.View{Desc: desc, Data: []byte(name[:1])})
	}
	var b bytes.Buffer
	if err := Write(&b, nil, views); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const goodIndex = `{"metadata":{"total_size":3,"x":[[],{},[1,{"y":null}],"s",-1.5e3,true,false]},
	"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors","c":"m-1.safetensors"}} `

func shards(t testing.TB) map[string][]byte {
	return map[string][]byte{indexName: []byte(goodIndex), "m-1.safetensors": shard(t, "a", "c"), "m-2.safetensors": shard(t, "b")}
}

// openBoth opens the files as a folder on disk and as an fs.FS, and expects the
// same of both.
func openBoth(t *testing.T, files map[string][]byte, use func(t *testing.T, f *Folder, err error)) {
	t.Helper()
	dir, fsys := t.TempDir(), fstest.MapFS{}
	for name, raw := range files {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		fsys["model/"+name] = &fstest.MapFile{Data: raw}
	}
	for where, open := range map[string]func() (*Folder, error){
		"disk":   func() (*Folder, error) { return OpenDir(dir) },
		"memory": func() (*Folder, error) { return OpenFS(fsys, "model") },
	} {
		t.Run(where, func(t *testing.T) {
			f, err := open()
			use(t, f, err)
			if err == nil {
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func expect(t *testing.T, f *Folder, names string) {
	t.Helper()
	var got strings.Builder
	for _, d := range f.Descs() {
		v, err := f.Read(d.Name)
		if err != nil {
			t.Error(err)
		}
		got.Write(v.Data)
		if file, ok := f.File(d.Name); !ok || file.Path() == "" {
			t.Errorf("tensor %q is in no file", d.Name)
		}
		if stored, ok := f.StoredType(d.Name); stored != "U8" || !ok {
			t.Errorf("tensor %q is stored as %q", d.Name, stored)
		}
		if err := f.Forget(v.Data); err != nil {
			t.Error(err)
		}
	}
	if got.String() != names {
		t.Errorf("read %q, want %q", got.String(), names)
	}
	if _, err := f.Read("z"); !errors.Is(err, tensor.ErrNotFound) {
		t.Errorf("unknown name: %v", err)
	}
}

func TestShards(t *testing.T) {
	openBoth(t, shards(t), func(t *testing.T, f *Folder, err error) {
		if err != nil {
			t.Fatal(err)
		}
		expect(t, f, "acb")
		if len(f.Files()) != 2 {
			t.Errorf("%d files", len(f.Files()))
		}
	})
}

func TestASingleFileComesBeforeAnIndex(t *testing.T) {
	files := shards(t)
	files[singleName] = shard(t, "s")
	openBoth(t, files, func(t *testing.T, f *Folder, err error) {
		if err != nil {
			t.Fatal(err)
		}
		expect(t, f, "s")
	})
}

func TestABrokenSingleFileIsNotPassedOver(t *testing.T) {
	files := shards(t)
	files[singleName] = []byte("broken")
	openBoth(t, files, func(t *testing.T, _ *Folder, err error) {
		if !errors.Is(err, ErrHeaderLength) {
			t.Errorf("got %v", err)
		}
	})
}

func TestNoWeights(t *testing.T) {
	openBoth(t, map[string][]byte{"pytorch_model.bin": nil}, func(t *testing.T, _ *Folder, err error) {
		if !errors.Is(err, ErrNoWeights) || !errors.Is(err, fs.ErrNotExist) || errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("got %v", err)
		}
	})
	if _, err := OpenDir(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, ErrNoWeights) {
		t.Errorf("absent folder: %v", err)
	}
	if _, err := OpenFS(fstest.MapFS{}, "../up"); err == nil {
		t.Error("a path out of the file system was opened")
	}
}

func TestBrokenFolders(t *testing.T) {
	onlyIndex := func(text string) map[string][]byte { return map[string][]byte{indexName: []byte(text)} }
	change := func(name string, raw []byte) map[string][]byte {
		files := shards(t)
		if files[name] = raw; raw == nil {
			delete(files, name)
		}
		return files
	}
	place := func(file string) map[string][]byte { return onlyIndex(`{"weight_map":{"a":"` + file + `"}}`) }
	for _, tt := range []struct {
		reason string
		files  map[string][]byte
		want   error
		names  string // what the message must contain
	}{
		{"shard missing", change("m-2.safetensors", nil), ErrShardMissing, "m-2.safetensors"},
		{"shard empty", change("m-2.safetensors", []byte{}), ErrHeaderLength, "m-2.safetensors"},
		{"listed tensor missing", change("m-1.safetensors", shard(t, "a")), ErrNotInShard, `"c"`},
		{"tensor not listed", change("m-2.safetensors", shard(t, "b", "d")), ErrNotInIndex, `"d"`},
		{"tensor in two shards", change("m-2.safetensors", shard(t, "a", "b")), ErrNotInIndex, `"a"`},
		{"empty text", onlyIndex(""), ErrSyntax, indexName},
		{"no JSON", onlyIndex("weights"), ErrSyntax, indexName},
		{"cut short", onlyIndex(goodIndex[:len(goodIndex)-3]), ErrSyntax, indexName},
		{"text after it", onlyIndex(goodIndex + "]"), ErrSyntax, indexName},
		{"invalid UTF-8", onlyIndex("{\"\xff\":1}"), ErrUTF8, indexName},
		{"deep nesting", onlyIndex(`{"x":` + strings.Repeat("[", 1e6)), ErrSyntax, "nested"},
		{"bad number", onlyIndex(`{"x":1-2,"weight_map":{"a":"b"}}`), ErrSyntax, "value"},
		{"bad word", onlyIndex(`{"x":tru,"weight_map":{"a":"b"}}`), ErrSyntax, "value"},
		{"mixed brackets", onlyIndex(`{"x":[1},"weight_map":{"a":"b"}}`), ErrSyntax, "]"},
		{"array with a key", onlyIndex(`{"x":["a":1]}`), ErrSyntax, "]"},
		{"object without a key", onlyIndex(`{"x":{1}}`), ErrSyntax, "string"},
		{"object without a colon", onlyIndex(`{"x":{"a"}}`), ErrSyntax, ":"},
		{"no weight_map", onlyIndex(`{"metadata":{}}`), ErrIndex, "no tensor"},
		{"empty weight_map", onlyIndex(`{"weight_map":{}}`), ErrIndex, "no tensor"},
		{"weight_map is an array", onlyIndex(`{"weight_map":[]}`), ErrIndex, "object"},
		{"file name is a number", onlyIndex(`{"weight_map":{"a":1}}`), ErrIndex, `"a"`},
		{"weight_map twice", onlyIndex(`{"weight_map":{"a":"b"},"weight_map":{}}`), ErrDuplicate, "weight_map"},
		{"tensor listed twice", onlyIndex(`{"weight_map":{"a":"b","a":"c"}}`), ErrDuplicate, `"a"`},
		{"path upwards", place("../m.safetensors"), ErrIndex, "../m"},
		{"path downwards", place("sub/m.safetensors"), ErrIndex, "sub/m"},
		{"absolute path", place("/etc/passwd"), ErrIndex, "/etc"},
		{"windows path", place(`..\\m`), ErrIndex, "folder"},
		{"drive", place("c:m"), ErrIndex, "c:m"},
		{"no file name", place(""), ErrIndex, "folder"},
		{"the folder itself", place("."), ErrIndex, "folder"},
		{"the folder above", place(".."), ErrIndex, "folder"},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			openBoth(t, tt.files, func(t *testing.T, _ *Folder, err error) {
				if !errors.Is(err, tt.want) || !errors.Is(err, tensor.ErrDamaged) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				if !strings.Contains(err.Error(), tt.names) || strings.Contains(err.Error(), "\n") {
					t.Errorf("message %q does not name %s in one line", err, tt.names)
				}
			})
		})
	}
}

// FuzzParseIndex accepts any outcome but a panic or a file outside the folder.
func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(goodIndex))
	f.Add([]byte(`{"weight_map":{"a":"..\\b"}}`))
	f.Add([]byte(`{"x":[[[{"y":[]}]]],"weight_map":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		places, err := parseIndex(text)
		if err != nil {
			if !errors.Is(err, tensor.ErrDamaged) {
				t.Fatalf("not called damage: %v", err)
			}
			return
		}
		for _, file := range places.files() {
			if !fs.ValidPath(file) || strings.ContainsAny(file, `/\`) {
				t.Fatalf("file name %q", file)
			}
		}
	})
}
