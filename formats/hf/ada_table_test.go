package hf

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

func elements(t *testing.T, tensors []Expected) (n int64) {
	t.Helper()
	for _, e := range tensors {
		k, err := e.Shape.Elements()
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	return n
}

// The table of the released shapes has a line of (24·6 + 2)·2048 modulations for
// each of 17 timesteps, in place of 0.62 billion parameters.
func TestTableInventory(t *testing.T) {
	c := Config{DiT: DefaultDiT(), VAE: DefaultVAE()}
	s := Schedule{T: 1000, Steps: 16, Contract: "released"}
	table := elements(t, c.DiT.AdaTable(s))
	if want := int64(17 + 17*(24*6+2)*2048); table != want || c.DiT.ModulationWidth() != (24*6+2)*2048 {
		t.Errorf("the table has %d elements, want %d", table, want)
	}
	full, rest := c.Inventory(), c.TableInventory(s)
	const d = 2048
	replaced := int64(d*256+d+2*(d*d+d)) + 24*(6*d*d+6*d) + 2*d*d + 2*d
	if got := elements(t, full) - (elements(t, rest) - table); got != replaced {
		t.Errorf("%d elements are replaced, want %d", got, replaced)
	}
	if got := len(full) - (len(rest) - 2); got != len(c.DiT.Replaced()) || got != 6+24*8+2 {
		t.Errorf("%d tensors are replaced", got)
	}
	width := 0
	for _, m := range c.DiT.Modulations() {
		width += m.Width
	}
	if width != c.DiT.ModulationWidth() {
		t.Errorf("the modules' widths sum up to %d, not %d", width, c.DiT.ModulationWidth())
	}
	for _, e := range rest {
		if e.Class == AdaLN || e.Class == TimestepEmbedding {
			t.Errorf("%s is still there", e.Name)
		}
	}
}

func TestScheduleBounds(t *testing.T) {
	for s, want := range map[Schedule]string{
		{1000, 16, "exact"}:                   "",
		{0, 1, "released"}:                    "",
		{1000, 16, "rounded"}:                 `contract "rounded"`,
		{1000, 0, "exact"}:                    "0 steps",
		{1000, maxScheduleSteps + 1, "exact"}: "4097 steps",
		{-1, 16, "exact"}:                     "T = -1",
		{maxScheduleT + 1, 16, "exact"}:       "T = 16777217",
	} {
		if err := s.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", s, err, want)
		}
	}
}

// views is a source of a few tensors.
type views []tensor.View

func (v views) Close() error { return nil }

func (v views) Descs() (all []tensor.Desc) {
	for _, x := range v {
		all = append(all, x.Desc)
	}
	return all
}

func (v views) Read(name string) (tensor.View, error) {
	for _, x := range v {
		if x.Name == name {
			return x, nil
		}
	}
	return tensor.View{}, fmt.Errorf("%w: %q", tensor.ErrNotFound, name)
}

func lines(t dtype.Type, shape ...int) tensor.View {
	d := tensor.Desc{Name: AdaModulations, Type: t, Shape: shape}
	n, _ := d.Bytes()
	return tensor.View{Desc: d, Data: make([]byte, n)}
}

func timesteps(at ...float32) tensor.View {
	return tensor.FromFloat32s(AdaTimesteps, tensor.Shape{len(at)}, at)
}

func TestFindSchedule(t *testing.T) {
	other := tensor.FromFloat32s("dit.txt_in.proj.bias", tensor.Shape{1}, []float32{1})
	for _, tt := range []struct {
		name string
		src  views
		want Schedule
		ok   bool
	}{
		{"none", views{other}, Schedule{}, false},
		{"exact", views{other, timesteps(1000, 500, 0), lines(dtype.F32, 3, 8)}, Schedule{1000, 2, "exact"}, true},
		{"released", views{timesteps(999, 0), lines(dtype.BF16, 2, 8), other}, Schedule{999, 1, "released"}, true},
	} {
		got, ok, err := FindSchedule(tt.src)
		if err != nil || ok != tt.ok || got != tt.want {
			t.Errorf("%s: %v, %v, %v", tt.name, got, ok, err)
		}
	}
	half := timesteps(1000, 0)
	half.Type = dtype.F16
	for name, src := range map[string]views{
		"no modulations":    {timesteps(1000, 0)},
		"no timesteps":      {lines(dtype.F32, 2, 8)},
		"a line too many":   {timesteps(1000, 0), lines(dtype.F32, 3, 8)},
		"no matrix":         {timesteps(1000, 0), lines(dtype.F32, 2)},
		"another type":      {timesteps(1000, 0), lines(dtype.F16, 2, 8)},
		"timesteps as f16":  {half, lines(dtype.F32, 2, 8)},
		"one timestep":      {timesteps(0), lines(dtype.F32, 1, 8)},
		"rising timesteps":  {timesteps(1000, 300, 600, 0), lines(dtype.F32, 4, 8)},
		"not down to 0":     {timesteps(1000, 1), lines(dtype.F32, 2, 8)},
		"T is no integer":   {timesteps(999.5, 0), lines(dtype.F32, 2, 8)},
		"timesteps below 0": {timesteps(-1, 0), lines(dtype.F32, 2, 8)},
	} {
		if _, ok, err := FindSchedule(src); ok || !errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if diff := cmp.Diff("T = 1000 in 2 steps under the exact contract", Schedule{1000, 2, "exact"}.String()); diff != "" {
		t.Error(diff)
	}
}
