package verify_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference"
	"colakit/verify"
)

// derive writes an embedded bundle again: without the taps that keep rejects, with
// values that change may edit, and with other info.
func derive(t *testing.T, name string, keep func(tap string) bool, change func(*golden.Info, map[string]tensor.View)) *golden.Bundle {
	t.Helper()
	b := bundle(t, name)
	info := b.Info
	views := map[string]tensor.View{}
	info.Taps = slices.DeleteFunc(slices.Clone(info.Taps), func(tap golden.Tap) bool { return !keep(tap.Name) })
	for _, tap := range info.Taps {
		v, err := b.Read(tap.Name)
		check(t, err)
		v.Data = slices.Clone(v.Data)
		views[tap.Name] = v
	}
	if change != nil {
		change(&info, views)
	}
	var written []tensor.View
	for i, tap := range info.Taps {
		v := views[tap.Name]
		info.Taps[i].SHA256, info.Taps[i].File = sum(v.Data), "taps.safetensors"
		written = append(written, v)
	}
	var file bytes.Buffer
	check(t, safetensors.Write(&file, nil, written))
	info.Files = map[string]string{"taps.safetensors": sum(file.Bytes())}
	raw, err := json.Marshal(info)
	check(t, err)
	derived, err := golden.OpenFS(fstest.MapFS{"bundle.json": {Data: raw}, "taps.safetensors": {Data: file.Bytes()}})
	check(t, err)
	return derived
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

func all(string) bool { return true }

func TestATapOnOneSideOnlyFails(t *testing.T) {
	const lost = "b01/s00/uncond/dit.blocks.2.mlp.act"
	r := tiny(t).against(t, derive(t, "exact-ops", func(tap string) bool { return tap != lost }, nil), "lost", nil, reference.Options{})
	if r.Verdict != verify.Fail || !slices.Equal(r.Coverage.Extra, []string{lost}) || r.Findings[0].Phase != "names" {
		t.Errorf("%s: %s; %+v", r.Verdict, r.Reason, r.Coverage.Extra)
	}
	const invented = "b01/s00/uncond/dit.blocks.2.mlp.gate"
	r = tiny(t).against(t, derive(t, "exact-ops", all, func(i *golden.Info, views map[string]tensor.View) {
		i.Taps = append(slices.Clone(i.Taps), i.Taps[9])
		last := &i.Taps[len(i.Taps)-1]
		v := views[last.Name]
		last.Name, v.Name = invented, invented
		views[invented] = v
	}), "invented", nil, reference.Options{})
	if r.Verdict != verify.Fail || !slices.Equal(r.Coverage.Missing, []string{invented}) {
		t.Errorf("%s: %s; %+v", r.Verdict, r.Reason, r.Coverage.Missing)
	}
}

// TestGoldenWithNaN has a golden that is not finite where the engine is: masks are
// compared before figures.
func TestGoldenWithNaN(t *testing.T) {
	const tap = "b00/s01/cond/dit.blocks.3.mlp.out"
	r := tiny(t).against(t, derive(t, "exact-layers", all, func(_ *golden.Info, views map[string]tensor.View) {
		copy(views[tap].Data[4*130:], []byte{0, 0, 0xc0, 0x7f})
	}), "nan", nil, reference.Options{})
	if r.Verdict != verify.Fail || r.Divergence.Name != tap || r.Findings[0].Phase != "NaN and infinity" || !slices.Equal(r.Divergence.Index, []int{1, 2}) {
		t.Errorf("%s: %s; %+v", r.Verdict, r.Reason, r.Divergence)
	}
}

// TestOtherTokens has a golden whose ids are not what its own logits say.
func TestOtherTokens(t *testing.T) {
	r := tiny(t).against(t, derive(t, "exact-layers", all, func(i *golden.Info, _ map[string]tensor.View) {
		i.Samples = slices.Clone(i.Samples)
		i.Samples[0].Blocks = [][]int32{slices.Clone(i.Samples[0].Blocks[0]), i.Samples[0].Blocks[1], slices.Clone(i.Samples[0].Blocks[2])}
		i.Samples[0].Blocks[0][3]++
		i.Samples[0].Blocks[2][1]++
	}), "tokens", nil, reference.Options{})
	if r.Verdict != verify.Fail || r.Tokens.Wrong != 1 || r.Tokens.Unknown != 1 || r.Findings[0].Subject != "generated tokens" {
		t.Errorf("%s: %s; %+v", r.Verdict, r.Reason, r.Tokens)
	}
	if fault := r.Tokens.First[0]; fault.Sample != 0 || fault.Block != 0 || fault.Position != 3 || fault.Kind != "wrong" {
		t.Errorf("got %+v", fault)
	}
}

func TestTokensOfUnrecordedLogitsLeaveItOpen(t *testing.T) {
	r := tiny(t).against(t, derive(t, "exact-layers", all, func(i *golden.Info, _ map[string]tensor.View) {
		i.Samples = slices.Clone(i.Samples)
		i.Samples[0].Blocks = [][]int32{i.Samples[0].Blocks[0], i.Samples[0].Blocks[1], slices.Clone(i.Samples[0].Blocks[2])}
		i.Samples[0].Blocks[2][1]++
	}), "open", nil, reference.Options{})
	if r.Verdict != verify.Incomplete || r.Tokens.Unknown != 1 {
		t.Errorf("%s: %s; %+v", r.Verdict, r.Reason, r.Tokens)
	}
}

func TestDamagedBundleIsAnError(t *testing.T) {
	b := bundle(t, "exact-layers")
	b.Info.Taps[40].SHA256 = strings.Repeat("0", 64)
	m := tiny(t)
	engine, err := reference.New(m, m.cfg, reference.Options{})
	check(t, err)
	defer engine.Close()
	_, err = verify.Run(context.Background(), engine, b, verify.Options{Name: "damaged", Artifact: m.artifact()})
	if !errors.Is(err, tensor.ErrDamaged) || !strings.Contains(err.Error(), b.Info.Taps[40].Name) {
		t.Errorf("got %v", err)
	}
}

func TestOtherModelIsAnError(t *testing.T) {
	m := tiny(t)
	engine, err := reference.New(m, m.cfg, reference.Options{})
	check(t, err)
	defer engine.Close()
	a := m.artifact()
	a.DiT = bytes.Replace(a.DiT, []byte(`"rope_dim": 24`), []byte(`"rope_dim": 16`), 1)
	for name, tt := range map[string]struct {
		bundle   string
		artifact verify.Artifact
		message  string
	}{
		"configuration": {"exact-ops", a, "dit.rope_dim 16, not 24"},
		"contract":      {"released-ops", m.artifact(), "no rule for that pair"},
	} {
		_, err := verify.Run(context.Background(), engine, bundle(t, tt.bundle), verify.Options{Name: tt.bundle, Artifact: tt.artifact})
		if err == nil || !strings.Contains(err.Error(), tt.message) {
			t.Errorf("%s: got %v, want %q", name, err, tt.message)
		}
	}
}
