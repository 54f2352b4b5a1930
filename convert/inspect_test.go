package convert

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/tensor"
)

var update = flag.Bool("update", false, "write the golden texts of inspections anew")

// goldenText compares texts with testdata/NAME. testdata is looked up before the test
// changes folders.
func goldenText(t *testing.T, testdata, name, got string) {
	t.Helper()
	path := filepath.Join(testdata, name)
	if *update {
		writeFile(t, path, []byte(got))
	}
	want, err := os.ReadFile(path)
	if diff := cmp.Diff(string(want), got); err != nil || diff != "" {
		t.Errorf("%s: %v; run the test with -update if this is meant (-want +got)\n%s", name, err, diff)
	}
}

// leave goes to a folder of the test's own and returns that of golden texts.
func leave(t *testing.T) (testdata string) {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	return filepath.Join(here, "testdata")
}

// both returns a report as text and as JSON, of which the plan and its figures,
// plain data of their own, are left out.
func both(t *testing.T, text func(*strings.Builder) error, v any) string {
	t.Helper()
	var b, js strings.Builder
	var fields any
	if err := errors.Join(text(&b), WriteJSON(&js, v)); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(js.String()), &fields); err != nil {
		t.Fatalf("%v:\n%s", err, js.String())
	}
	b.WriteString("\n")
	if err := WriteJSON(&b, withoutPlan(fields)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func withoutPlan(fields any) any {
	switch v := fields.(type) {
	case []any:
		for i := range v {
			v[i] = withoutPlan(v[i])
		}
	case map[string]any:
		for key := range v {
			if key == "plan" || key == "figures" || key == "provenance" {
				v[key] = "…"
			} else {
				v[key] = withoutPlan(v[key])
			}
		}
	}
	return fields
}

// TestInspectFormats holds what is said of every format, sound and damaged, to
// golden texts: people read the one half, programs the other.
func TestInspectFormats(t *testing.T) {
	testdata := leave(t)
	for name := range inEveryFormat(t) {
		i, err := Inspect(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := both(t, func(b *strings.Builder) error { return i.WriteText(b) }, i)
		if p := i.Provenance; p != nil { // counted in the words of conversions
			got = strings.Replace(got, p.Plan.counts(), "…", 1)
		}
		goldenText(t, testdata, "inspect-"+name+".txt", got)
	}
}

func TestInspectDamagedFormats(t *testing.T) {
	testdata := leave(t)
	inEveryFormat(t)
	truncate := func(name string, at int) string {
		data := readFile(t, name)
		if at < 0 {
			at += len(data)
		}
		writeFile(t, name, data[:at])
		return name
	}
	damaged := map[string]string{
		"cola":        truncate("f32.cola", -200),
		"gguf":        truncate("f16.gguf", -100),
		"safetensors": truncate("hf.safetensors", -5),
	}
	truncate("checkpoint/cola_dit/model.safetensors", 100)
	truncate("compressed/model.safetensors", 4)
	damaged["checkpoint"], damaged["folder"] = "checkpoint", "compressed"
	for name, path := range damaged {
		i, err := Inspect(path)
		if !errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if i.Damage == nil || i.Damage.Error != err.Error() {
			t.Errorf("%s: the report says %+v, the error %v", name, i.Damage, err)
		}
		goldenText(t, testdata, "damaged-"+name+".txt", both(t, func(b *strings.Builder) error { return i.WriteText(b) }, i))
	}
}

// TestExplainFormats: an artifact says what decided, others what they hold.
func TestExplainFormats(t *testing.T) {
	testdata := leave(t)
	inEveryFormat(t)
	for _, path := range []string{"bf16.cola", "int8.cola", "checkpoint", "compressed", "f16.gguf"} {
		e, err := Explain(path, sampleIn)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		goldenText(t, testdata, "explain-"+path+".txt", both(t, func(b *strings.Builder) error { return e.WriteText(b) }, e))
	}
	// By the name in the file, and what is not there.
	if e, err := Explain("checkpoint", "txt_in.proj.weight"); err != nil || e.Name != sampleIn {
		t.Errorf("%q, %v", e.Name, err)
	}
	_, err := Explain("f32.cola", "dit.txt_in.proj.wieght")
	wantError(t, err, `the nearest name is "dit.txt_in.proj.weight"`)
	if !errors.Is(err, tensor.ErrNotFound) {
		t.Error(err)
	}

	// Damaged data are described, and the error says that they are.
	data := readFile(t, "bf16.cola")
	data[130] ^= 1
	writeFile(t, "bf16.cola", data)
	e, err := Explain("bf16.cola", sampleIn)
	if !errors.Is(err, tensor.ErrDamaged) || e.Step == nil || e.Statistics == nil || e.Damage == "" {
		t.Errorf("damaged: %v, %+v", err, e)
	}
}

// TestInspectHostile: names and metadata of a file do not reach the terminal as
// they are, and no JSON of a file breaks ours.
func TestInspectHostile(t *testing.T) {
	t.Chdir(t.TempDir())
	header := `{"__metadata__":{"a":"\u001b[2J` + strings.Repeat("x", 1000) + `"},"\u001b[31m\n\tw":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
	file := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	writeFile(t, "x.safetensors", append(file, 0, 0, 0, 0))
	m := sampleMeta()
	m.DiTConfig, m.Generation = []byte("{\x1b[31m"), []byte("]")
	saveCola(t, "x.cola", sampleViews(), m)
	for _, path := range []string{"x.safetensors", "x.cola"} {
		i, err := Inspect(path)
		if err != nil {
			t.Fatal(err)
		}
		text := both(t, func(b *strings.Builder) error { return i.WriteText(b) }, i)
		if strings.ContainsAny(text, "\x1b\t") {
			t.Errorf("%s: %q", path, text)
		}
		for _, line := range i.Tensors {
			tt, err := InspectTensor(path, line.Name)
			if text := both(t, func(b *strings.Builder) error { return tt.WriteText(b) }, tt); err != nil || strings.ContainsAny(text, "\x1b\t") {
				t.Errorf("%s: %v, %q", path, err, text)
			}
		}
	}
}

// FuzzInspect: any file is described or refused, and nothing else.
func FuzzInspect(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "x")
	saveCola(f, path, sampleViews()[1:2], sampleMeta())
	f.Add(readFile(f, path))
	saveGGUF(f, path, sampleViews()[1:2], 0)
	f.Add(readFile(f, path))
	saveSafetensors(f, path, sampleViews()[1:2], func(name string) string { return name })
	f.Add(readFile(f, path))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x")
		writeFile(t, path, data)
		i, err := Inspect(path)
		if (err == nil) == (i.Damage != nil) && (err == nil || errors.Is(err, tensor.ErrDamaged)) {
			t.Fatalf("error %v, damage %v", err, i.Damage)
		}
		var b strings.Builder
		if err := errors.Join(i.WriteText(&b), WriteJSON(&b, i)); err != nil {
			t.Fatal(err)
		}
		for _, line := range i.Tensors {
			if n, err := line.Shape.Elements(); err != nil || n > 1<<16 {
				continue
			}
			e, err := Explain(path, line.Name)
			if err := errors.Join(e.WriteText(&b), WriteJSON(&b, e)); err != nil {
				t.Fatal(err)
			}
			if err != nil && !errors.Is(err, tensor.ErrDamaged) {
				t.Fatal(fmt.Errorf("tensor %q: %w", line.Name, err))
			}
		}
	})
}
