package verify_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/golden"
	"colakit/verify"
)

// embedded opens an embedded bundle.
func embedded(t *testing.T, name string) *golden.Bundle {
	t.Helper()
	at := slices.IndexFunc(golden.TinyBundles(), func(e golden.Embedded) bool { return e.Name == name })
	b, err := golden.OpenFS(golden.TinyBundles()[at].Files)
	check(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

// rewritten copies a bundle with another value for each tap that change knows, which
// may leave it out, and with other facts.
func rewritten(t *testing.T, b *golden.Bundle, change func(name string, data []byte) (keep bool), facts func(*golden.Info)) *golden.Bundle {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bundle")
	w, err := golden.Create(dir)
	check(t, err)
	for _, tap := range b.Info.Taps {
		v, err := b.Read(tap.Name)
		check(t, err)
		v.Data = bytes.Clone(v.Data)
		if change != nil && !change(tap.Name, v.Data) {
			continue
		}
		run, err := dtype.Parse(tap.RunType)
		check(t, err)
		check(t, w.Add(tap.Name, v, run))
	}
	info := b.Info
	info.Samples = slices.Clone(info.Samples)
	if facts != nil {
		facts(&info)
	}
	check(t, w.Finish(info))
	moved, err := golden.Open(dir)
	check(t, err)
	t.Cleanup(func() { moved.Close() })
	return moved
}

// add moves the first float32 element of one tap.
func add(tap string, by float32) func(string, []byte) bool {
	return func(name string, data []byte) bool {
		if name == tap {
			v := math.Float32frombits(binary.LittleEndian.Uint32(data)) + by
			binary.LittleEndian.PutUint32(data, math.Float32bits(v))
		}
		return true
	}
}

// TestBundles: what moved is found in the right place, and judged.
func TestBundles(t *testing.T) {
	a := embedded(t, "exact-ops")
	one := 1
	const inner, last = "b00/s00/cond/dit.blocks.1.mlp.out", "b01/s01/z_next"
	tests := []struct {
		name    string
		change  func(string, []byte) bool
		facts   func(*golden.Info)
		verdict verify.Verdict
		first   string // tap that is not bit-equal
		says    string
	}{
		{"nothing", nil, nil, verify.Pass, "", "each within its tolerance"},
		{"the last bits", add(inner, 1e-6), nil, verify.Pass, inner, ""},
		{"an output", add(inner, 1), nil, verify.Fail, inner, inner},
		{"the latents of a block", add(last, 1), nil, verify.Fail, last, last},
		{"latents before the last step, which are shown", add("b01/s00/z_next", 1), nil, verify.Pass, "b01/s00/z_next", ""},
		{"noise", add("noise/b00", 1), nil, verify.Fail, "", "noise"},
		{"NaN", add(inner, float32(math.NaN())), nil, verify.Fail, inner, "NaN"},
		{"a missing tap", func(name string, _ []byte) bool { return name != inner }, nil, verify.Fail, "", inner},
		{"fewer taps", func(name string, _ []byte) bool { return !strings.HasPrefix(name, "b01/s01/") }, func(i *golden.Info) { i.Run.StepLimit = &one }, verify.Pass, "", ""},
		{"tokens", nil, func(i *golden.Info) { i.Samples[0].Blocks = other(i.Samples[0].Blocks) }, verify.Fail, "", "tokens"},
		{"a text", nil, func(i *golden.Info) { i.Samples[1].Text += "!" }, verify.Fail, "", "tokenizer"},
		{"the contract", nil, func(i *golden.Info) { i.Contract = "released" }, verify.Incomplete, "", "not judged"},
	}
	for _, tt := range tests {
		b := rewritten(t, a, tt.change, tt.facts)
		r, err := verify.Bundles(context.Background(), a, b, "a", "b")
		check(t, err)
		if r.Verdict != tt.verdict || r.Recordings.First != tt.first || !strings.Contains(r.Reason, tt.says) {
			t.Errorf("%s: %s, first difference %q: %s", tt.name, r.Verdict, r.Recordings.First, r.Reason)
		}
		if equal := tt.first == ""; equal != (r.Recordings.BitEqual == r.Recordings.Taps) || r.Recordings.Taps == 0 {
			t.Errorf("%s: %d of %d taps are bit-equal", tt.name, r.Recordings.BitEqual, r.Recordings.Taps)
		}
		var text strings.Builder
		check(t, r.WriteText(&text, verify.TextOptions{}))
		if !strings.Contains(text.String(), "Two recordings of one run") || !strings.Contains(text.String(), tt.first) {
			t.Errorf("%s: %s", tt.name, text.String())
		}
	}
}

func other(blocks [][]int32) [][]int32 {
	changed := slices.Clone(blocks)
	changed[0] = slices.Clone(changed[0])
	changed[0][len(changed[0])-1] ^= 64
	return changed
}

// TestBundlesEnvironment: what two bundles were recorded in is listed where it differs.
func TestBundlesEnvironment(t *testing.T) {
	a := embedded(t, "exact-layers")
	b := rewritten(t, a, nil, func(i *golden.Info) {
		i.Device, i.Environment = "cuda:H100", map[string]any{"torch": "9.0"}
	})
	r, err := verify.Bundles(context.Background(), a, b, "a", "b")
	check(t, err)
	found := map[string]string{}
	for _, s := range r.Recordings.Environment {
		found[s.Name] = s.Golden + " " + s.Other
	}
	if found["device"] != `"cpu" "cuda:H100"` || !strings.HasSuffix(found["torch"], `" "9.0"`) || found["contract"] != "" {
		t.Errorf("%v", found)
	}
}

// TestBundlesOfOtherRuns: only recordings of one run are compared.
func TestBundlesOfOtherRuns(t *testing.T) {
	a := embedded(t, "exact-layers")
	for says, facts := range map[string]func(*golden.Info){
		"guidance":     func(i *golden.Info) { i.Run.Guidance = 3 },
		"other tokens": func(i *golden.Info) { i.Samples[0].TokenIDs = flipped(i.Samples[0].TokenIDs) },
		"clip_qkv": func(i *golden.Info) {
			i.Model.VAE = bytes.Replace(i.Model.VAE, []byte(`"clip_qkv":null`), []byte(`"clip_qkv":3.5`), 1)
		},
	} {
		_, err := verify.Bundles(context.Background(), a, rewritten(t, a, nil, facts), "a", "b")
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v", says, err)
		}
	}
}

func flipped(ids []int32) []int32 {
	ids = slices.Clone(ids)
	ids[0] ^= 1
	return ids
}
