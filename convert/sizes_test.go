package convert

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/quantize"
)

// sparse writes a checkpoint of the released shapes without values: files with holes,
// which take no space.
func sparse(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	d, v := hf.DefaultDiT(), hf.DefaultVAE()
	for _, m := range []struct {
		name    string
		config  any
		tensors []hf.Expected
	}{{"cola_dit", d, d.Inventory()}, {"cola_vae", v, v.Inventory()}} {
		folder := filepath.Join(dir, "cola_dlm", m.name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(m.config)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(folder, "config.json"), raw)
		var descs []tensor.Desc
		size := int64(0)
		for _, e := range m.tensors {
			if e.Optional {
				continue
			}
			desc := tensor.Desc{Name: e.Source, Type: dtype.F32, Shape: e.Shape}
			n, err := desc.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			descs, size = append(descs, desc), size+n
		}
		var header bytes.Buffer
		if _, err := safetensors.NewWriter(&header, nil, descs); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, "model.safetensors")
		writeFile(t, path, header.Bytes())
		if err := os.Truncate(path, int64(header.Len())+size); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The variants of the released shapes have the sizes that are promised, in GB.
func TestReleasedSizes(t *testing.T) {
	src := sparse(t)
	wide := func(o *Options) {
		for _, text := range []string{`^vae\.encoder\.wte\.weight=int8`, `^vae\.decoder\.final_layer\.weight=int8`} {
			rule, err := quantize.ParseRule(text)
			if err != nil {
				t.Fatal(err)
			}
			o.Rules = append(o.Rules, rule)
		}
	}
	for _, c := range []struct {
		name   string
		scheme quantize.Scheme
		table  bool
		change func(*Options)
		want   float64
	}{
		{"fp32", quantize.F32, false, nil, 9.33},
		{"f16", quantize.F16, false, nil, 4.66},
		{"int8 trunk", quantize.Int8, false, nil, 3.27},
		{"f16 and table", quantize.F16, true, nil, 3.45},
		{"int8 trunk and table", quantize.Int8, true, nil, 2.05},
		{"int8 trunk, embedding and head, and table", quantize.Int8, true, wide, 1.74},
	} {
		o := Options{Source: src, Type: c.scheme, NoTokenizer: true}
		if c.table {
			o.AdaTable, o.Modulations = &released16, modulations
		}
		if c.change != nil {
			c.change(&o)
		}
		p := prepare(t, o)
		if got := float64(p.OutputBytes) / 1e9; math.Abs(got-c.want) > 0.01*c.want {
			t.Errorf("%s: %.4f GB, want %.2f ± 1 %%", c.name, got, c.want)
		} else {
			t.Logf("%s: %.4f GB", c.name, got)
		}
		if m, err := p.Memory(0, 0); err != nil || m.Peak > m.Tables+maxAnonymous {
			t.Errorf("%s: memory %v, %v", c.name, m, err)
		}
	}
}
