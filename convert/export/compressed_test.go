package export

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/quantize"
)

var int8Row = tensor.Quantization{Scale: dtype.F32}

// compressedConfig is what a reader needs of quantization_config.
type compressedConfig struct {
	Quantization struct {
		Method string `json:"quant_method"`
		Format string `json:"format"`
		Groups map[string]struct {
			Format  string   `json:"format"`
			Targets []string `json:"targets"`
			Weights struct {
				Strategy string `json:"strategy"`
				Group    *int   `json:"group_size"`
				Bits     int    `json:"num_bits"`
			} `json:"weights"`
		} `json:"config_groups"`
		Ignore []string `json:"ignore"`
	} `json:"quantization_config"`
	Dtype string `json:"dtype"`
}

func readConfig(t *testing.T, text string) (c compressedConfig) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCompressed: codes and scales have the layout that is described, decode to
// within scale/2 of the source, and are the artifact's own where it has them.
func TestCompressed(t *testing.T) {
	const module = "blocks.1.mlp.proj_out" // [128, 384] in the embedded model
	source := openCola(t, artifact(t, quantize.F32))
	want, err := source.Read("dit." + module + ".weight")
	if err != nil {
		t.Fatal(err)
	}
	x, err := want.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from     quantize.Scheme
		typ      string
		groups   int // of a row
		strategy string
		group    int
	}{
		{quantize.F32, "int8", 1, "channel", 0},
		{quantize.F32, "int8-g32", 12, "group", 32},
		{quantize.BF16, "int8-g128", 3, "group", 128},
		{quantize.Int8, "", 1, "channel", 0},
		{quantize.Int8G64, "", 6, "group", 64},
		{quantize.Int8G64, "int8", 6, "group", 64}, // codes stay what they are
	} {
		from := artifact(t, c.from)
		_, out := exported(t, from, Options{Format: CompressedTensors, Type: c.typ, Fallback: "f16"}) // of rows shorter than a group
		folder := open(t, filepath.Join(out, "cola_dit"))
		codes, err := folder.Read(module + ".weight")
		if err != nil {
			t.Fatal(err)
		}
		scales, err := folder.Read(module + ".weight_scale")
		if err != nil {
			t.Fatal(err)
		}
		if codes.Type != dtype.I8 || scales.Type != dtype.F32 || !scales.Shape.Equal(tensor.Shape{128, c.groups}) {
			t.Errorf("%v to %q: codes of %v, scales %v of %v", c.from, c.typ, codes.Type, scales.Shape, scales.Type)
		}
		compareCodes(t, from, module, codes, scales)
		q := tensor.Quantization{Group: c.group, Scale: dtype.F32}
		y := make([]float32, len(x))
		q.Dequantize(y, codes.Data, scales.Data, 384)
		for i := range x {
			s := q.At(scales.Data, i/384*c.groups+i%384/q.Width(384))
			slack := max(x[i], -x[i]) * 0x1p-8 // a bf16 source is rounded before
			if c.from == quantize.F32 {
				slack = 0
			}
			if d := x[i] - y[i]; !(max(d, -d) <= s/2*(1+0x1p-10)+slack) {
				t.Fatalf("%v to %q: element %d is %v, want %v within %v", c.from, c.typ, i, y[i], x[i], s/2)
			}
		}
		config := readConfig(t, contents(t, out)["cola_dit/config.json"])
		q0 := config.Quantization
		group := q0.Groups["group_0"]
		size := 0
		if group.Weights.Group != nil {
			size = *group.Weights.Group
		}
		if q0.Method != "compressed-tensors" || q0.Format != "int-quantized" || group.Format != q0.Format || len(q0.Groups) != 1 ||
			group.Weights.Strategy != c.strategy || size != c.group || group.Weights.Bits != 8 || config.Dtype != "float32" {
			t.Errorf("%v to %q: %+v", c.from, c.typ, config)
		}
		if diff := cmp.Diff([]string{"Linear"}, group.Targets); diff != "" || slices.Contains(q0.Ignore, module) || !slices.Contains(q0.Ignore, "txt_in.proj") {
			t.Errorf("%v to %q: targets %s, ignored %q", c.from, c.typ, diff, q0.Ignore)
		}
	}
}

// compareCodes: the codes and scales of an int8 artifact are copied.
func compareCodes(t *testing.T, artifact, module string, codes, scales tensor.View) {
	t.Helper()
	v, err := openCola(t, artifact).Read("dit." + module + ".weight")
	if err != nil {
		t.Fatal(err)
	}
	if v.Quantization == nil {
		return
	}
	want, err := v.ScaleFloat32s()
	if err != nil {
		t.Fatal(err)
	}
	got, err := scales.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(v.Data, codes.Data) || !slices.Equal(want, got) {
		t.Errorf("%s: codes or scales are not those of the artifact", module)
	}
}

// TestQuantizationConfig: modules are named where there are several kinds of codes,
// or an embedding with codes.
func TestQuantizationConfig(t *testing.T) {
	coded := func(name, class string, group int) *step {
		s := &step{Item: Item{Name: name + ".weight", Class: class, Shape: tensor.Shape{8, 64}}, codec: codes{}}
		c := codes{}
		c.Group = group
		s.codec = c
		return s
	}
	plain := &step{Item: Item{Name: "c.weight", Class: "head", Shape: tensor.Shape{8, 64}}, codec: floats{dtype.F16}}
	raw, err := json.Marshal(map[string]any{"quantization_config": quantizationConfig([]*step{
		coded("a", "dit-projection", 0), coded("b", "dit-projection", 32), coded("wte", "embedding", 0), plain,
	})})
	if err != nil {
		t.Fatal(err)
	}
	q := readConfig(t, string(raw)).Quantization
	if diff := cmp.Diff([]string{"a", "wte"}, q.Groups["group_0"].Targets); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"b"}, q.Groups["group_1"].Targets); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"c"}, q.Ignore); diff != "" {
		t.Error(diff)
	}
}
