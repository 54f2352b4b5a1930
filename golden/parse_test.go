package golden

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

const sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// smallInfo describes a run of one sample and one block of two latents.
func smallInfo() *Info {
	return &Info{
		Format: formatName, Version: Version, Exporter: "1", Contract: "exact", Device: "cpu", Attention: "naive", Level: "ops",
		Model: Model{DiT: json.RawMessage(`{}`), VAE: json.RawMessage(`{}`)},
		Run: Run{
			T: 1000, Steps: 2, Schedule: []float64{1000, 500, 0}, ScheduleUsed: []float64{1000, 500, 0},
			MaxNewTokens: 4, BatchSize: 1, Blocks: 1,
		},
		Samples: []Sample{{
			ID: "a", TokenIDs: []int32{5, 6, 7, 8}, Labels: []int{1, 1, 1, 3},
			PromptLatents: 3, PrefixLatents: 2, PinnedRows: 1, Trim: 1, Blocks: [][]int32{{1, 2}},
		}},
		Files: map[string]string{"taps-00001.safetensors": sum},
		Taps: []Tap{
			{Name: "noise/b00", Shape: tensor.Shape{1, 2, 2}, Type: dtype.F32, RunType: "f32", File: "taps-00001.safetensors", SHA256: sum},
			{Name: "b00/s00/cond/dit.blocks.0.msa.q", Shape: tensor.Shape{2, 2}, Type: dtype.BF16, RunType: "bf16", Rounded: true, File: "taps-00001.safetensors", SHA256: sum},
		},
	}
}

func marshal(t testing.TB, i *Info) []byte {
	t.Helper()
	raw, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestParseInfoReadsWhatIsWritten(t *testing.T) {
	info, err := ParseInfo(marshal(t, smallInfo()))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Taps[1]; got.Type != dtype.BF16 || !got.Shape.Equal(tensor.Shape{2, 2}) || !got.Rounded {
		t.Errorf("got %+v", got)
	}
}

// TestParseInfoRefuses breaks one rule at a time.
func TestParseInfoRefuses(t *testing.T) {
	negative, zero := -1, 0
	for _, c := range []struct {
		rule   string
		breaks func(*Info)
		says   string
	}{
		{"format", func(i *Info) { i.Format = "zip" }, `format is "zip"`},
		{"contract", func(i *Info) { i.Contract = "fast" }, `contract is "fast"`},
		{"attention", func(i *Info) { i.Attention = "flex" }, `attention is "flex"`},
		{"level", func(i *Info) { i.Level = "" }, `level is ""`},
		{"configs", func(i *Info) { i.Model.VAE = nil }, `found "null"`},
		{"steps", func(i *Info) { i.Run.Steps = 0 }, "steps is 0"},
		{"many steps", func(i *Info) { i.Run.Steps = 1 << 40 }, "steps is"},
		{"schedule", func(i *Info) { i.Run.Schedule = i.Run.Schedule[1:] }, "schedule has 2 values"},
		{"schedule used", func(i *Info) { i.Run.ScheduleUsed = nil }, "schedule_used 0"},
		{"T", func(i *Info) { i.Run.T = 0 }, "T is 0"},
		{"blocks", func(i *Info) { i.Run.Blocks = 0 }, "blocks is 0"},
		{"max_new_tokens", func(i *Info) { i.Run.MaxNewTokens = 0 }, "max_new_tokens is 0"},
		{"block limit", func(i *Info) { i.Run.BlockLimit = &negative }, "block_limit"},
		{"step limit", func(i *Info) { i.Run.StepLimit = &zero }, "step_limit"},
		{"batch", func(i *Info) { i.Run.BatchSize = 2 }, "1 samples, but batch_size is 2"},
		{"no samples", func(i *Info) { i.Samples, i.Run.BatchSize = nil, 0 }, "0 samples"},
		{"no tokens", func(i *Info) { i.Samples[0].TokenIDs = nil }, "sample 0: 0 token_ids"},
		{"labels", func(i *Info) { i.Samples[0].Labels = nil }, "0 labels"},
		{"latents", func(i *Info) { i.Samples[0].PinnedRows = 2 }, "3 prompt latents are not 2 of prefix and 2 pinned"},
		{"negative prefix", func(i *Info) { i.Samples[0].PrefixLatents, i.Samples[0].PinnedRows = -1, 4 }, "-1 of prefix"},
		{"too many latents", func(i *Info) { i.Samples[0].PromptLatents, i.Samples[0].PrefixLatents = 5, 4 }, "5 prompt latents of 4 tokens"},
		{"block count", func(i *Info) { i.Samples[0].Blocks = nil }, "ids of 0 blocks"},
		{"empty block", func(i *Info) { i.Samples[0].Blocks[0] = nil }, "block 0 has 0 ids"},
		{"trim", func(i *Info) { i.Samples[0].Trim = 3 }, "trim is 3 of 2"},
		{"file outside", func(i *Info) { i.Files["../x.safetensors"] = sum }, `file name "../x.safetensors"`},
		{"file elsewhere", func(i *Info) { i.Files["/etc/x.safetensors"] = sum }, "file name"},
		{"file kind", func(i *Info) { i.Files["x.bin"] = sum }, "file name"},
		{"file sum", func(i *Info) { i.Files["taps-00001.safetensors"] = "00" }, "no sha256"},
		{"twice", func(i *Info) { i.Taps = append(i.Taps, i.Taps[0]) }, "listed twice"},
		{"tap name", func(i *Info) { i.Taps[1].Name = "b00/s00/left/dit.velocity" }, "no name of a tap"},
		{"tap path", func(i *Info) { i.Taps[1].Name = "encode/../x" }, "no name of a tap"},
		{"shape", func(i *Info) { i.Taps[1].Shape = tensor.Shape{-1} }, "negative"},
		{"overflow", func(i *Info) { i.Taps[1].Shape = tensor.Shape{1 << 40, 1 << 40} }, "overflows"},
		{"tap file", func(i *Info) { i.Taps[1].File = "y.safetensors" }, "not listed in files"},
		{"tap sum", func(i *Info) { i.Taps[1].SHA256 = strings.ToUpper(sum) }, "no sha256"},
		{"run type", func(i *Info) { i.Taps[1].RunType = "f8" }, "run_type"},
		{"narrowed", func(i *Info) { i.Taps[1].RunType = "f32" }, "is stored as bf16"},
		{"no noise", func(i *Info) { i.Taps = i.Taps[1:] }, `no tap "noise/b00"`},
		{"noise shape", func(i *Info) { i.Taps[0].Shape = tensor.Shape{2, 2, 2} }, "wants f32 [1, block_size, channels]"},
	} {
		info := smallInfo()
		c.breaks(info)
		_, err := ParseInfo(marshal(t, info))
		if !errors.Is(err, tensor.ErrDamaged) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v; want one line of damage with %q", c.rule, err, c.says)
		}
	}
}

func TestParseInfoRefusesOtherText(t *testing.T) {
	good := string(marshal(t, smallInfo()))
	for _, text := range []string{"", "null", "[]", good[:len(good)-1], good + "{}", strings.Replace(good, `"bf16","run_type"`, `"b16","run_type"`, 1)} {
		if _, err := ParseInfo([]byte(text)); !errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("%.40q…: error %v; want damage", text, err)
		}
	}
}

// TestParseInfoRefusesOtherKeys misspells, adds and removes keys at every depth.
func TestParseInfoRefusesOtherKeys(t *testing.T) {
	info := smallInfo()
	info.Floors = map[string]Floor{"noise/b00": {RMS: 1, P999: 2}}
	good := string(marshal(t, info))
	for _, c := range []struct{ from, to, says string }{
		{`"rounded":true`, `"roundee":true`, `taps[1]: key "rounded" is missing`},
		{`"rounded":true`, `"rounded":true,"roundee":true`, `taps[1]: key "roundee" is unknown`},
		{`"rounded":true`, `"Rounded":true`, `taps[1]: key "rounded" is missing`},
		{`"guidance":0,`, ``, `run: key "guidance" is missing`},
		{`"pinned_rows"`, `"pinned_lines"`, `samples[0]: key "pinned_rows" is missing`},
		{`"sources":null`, `"sources":null,"source":{}`, `model: key "source" is unknown`},
		{`"exporter":"1",`, ``, `key "exporter" is missing`},
		{`"exporter":"1",`, `"exporter":"1","floor":{},`, `key "floor" is unknown`},
		{`"p999":2`, `"p99":2`, `floors["noise/b00"]: key "p999" is missing`},
	} {
		text := strings.Replace(good, c.from, c.to, 1)
		if text == good {
			t.Fatalf("%s is not in %s", c.from, good)
		}
		if _, err := ParseInfo([]byte(text)); !errors.Is(err, tensor.ErrDamaged) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v; want one line of damage with %q", c.to, err, c.says)
		}
	}
	if _, err := ParseInfo([]byte(good)); err != nil {
		t.Error(err)
	}
}

// TestUnknownVersion: another version is not damage, and the message says what to do.
func TestUnknownVersion(t *testing.T) {
	_, err := ParseInfo(fmt.Appendf(nil, `{"format":%q,"version":%d,"contract":7}`, formatName, Version+1))
	if err == nil || errors.Is(err, tensor.ErrDamaged) || !strings.Contains(err.Error(), "bundle version 2") {
		t.Errorf("error %v", err)
	}
}

func FuzzParseInfo(f *testing.F) {
	f.Add(marshal(f, smallInfo()))
	f.Add([]byte(`{"format":"cola-golden","version":1}`))
	f.Add([]byte(`{"format":"cola-golden","version":1,"taps":[{"shape":[99999999999,99999999999]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		info, err := ParseInfo(raw)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %v", err)
			}
			return
		}
		again, err := ParseInfo(marshal(t, &info))
		if err != nil || len(again.Taps) != len(info.Taps) {
			t.Errorf("what was accepted is refused when written again: %v", err)
		}
	})
}
