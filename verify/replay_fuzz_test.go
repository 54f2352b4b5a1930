package verify

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/internal/synth"
	"colakit/reference/generate"
	"colakit/verify/operation"
)

// smallReplay is one operation of a made-up model: the rotation of a pass's keys, which
// reads weights, a cache and another operation's value.
func smallReplay(t testing.TB) *Replay {
	t.Helper()
	cfg, err := hf.ParseConfig(
		[]byte(`{"txt_in_channels":4,"txt_out_channels":4,"txt_dim":8,"emb_dim":8,"heads":2,"head_dim":4,"expand_ratio":2,"num_layers":1,"rope_dim":4,"block_size":2}`),
		[]byte(`{"vocab_size":20,"encoder_num_blocks":1,"decoder_num_blocks":1,"dim":8,"ffn_dim":8,"latent_dim":4,"num_heads":2,"block_size":2}`))
	if err != nil {
		t.Fatal(err)
	}
	run := &operation.Run{Config: cfg, T: 1000, Steps: 2, Guidance: 7, Samples: []operation.Sample{{IDs: make([]int32, 4), Prefix: 2, Pinned: 1}}}
	site := generate.Site{Stage: generate.Denoise, Block: 1, Branch: generate.Cond, Path: "dit.blocks.0.msa.k_rot"}
	call, err := operation.NewCall(run, site, synth.NewSource(cfg, dtype.F32, 1), func(name string) (operation.Input, bool, error) {
		at, err := generate.ParseSite(name)
		if err != nil || strings.HasSuffix(name, "msa.k") && at.Stage == generate.Denoise {
			return operation.Input{}, false, nil
		}
		shape := tensor.Shape{2, 2, 4}
		if strings.HasSuffix(name, "qkv") {
			shape = tensor.Shape{2, 24}
		}
		n, _ := shape.Elements()
		return operation.Input{View: tensor.FromFloat32s(name, shape, make([]float32, n)), Run: dtype.F32}, true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := operation.Evaluate(call, operation.Alternative{})
	if err != nil {
		t.Fatal(err)
	}
	got := v.AsRun("x")
	got.Data[3] = 0x41
	return &Replay{Call: call, Expected: v.AsRun("x"), Got: got, Facts: Facts{Mode: Isolated, Type: dtype.F32, Artifact: dtype.F32}}
}

// headed returns the bytes of a replay file whose head is the given text.
func headed(t testing.TB, head []byte, views []tensor.View) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := safetensors.Write(&b, map[string]string{replayKey: string(head), sumKey: replaySum(head, views)}, views); err != nil {
		t.Skip(err)
	}
	return b.Bytes()
}

// FuzzReplay replays files whose head says anything: it may be refused, and nothing
// else may go wrong.
func FuzzReplay(f *testing.F) {
	head, views, err := smallReplay(f).parts()
	if err != nil {
		f.Fatal(err)
	}
	text, err := json.Marshal(head)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	for _, edit := range []struct{ from, to string }{
		{`"prefix":2`, `"prefix":9000000`}, {`"prefix":2`, `"prefix":-1`}, {`b01/s00`, `b99999999/s00`}, {`msa.k_rot`, `msa.scores`}, {`msa.k_rot`, `mlp.out`},
		{`\"head_dim\":4`, `\"head_dim\":64`}, {`"head_dim":4`, `"head_dim":64`}, {`"steps":2`, `"steps":1000000`}, {`"T":1000`, `"T":-5`}, {`"tabled":false`, `"tabled":true`},
		{`"ids":[0,0,0,0]`, `"ids":[]`}, {`"exact"`, `"released"`}, {`cond`, `uncond`}, {`"float"`, `"int8"`},
	} {
		f.Add(bytes.ReplaceAll(text, []byte(edit.from), []byte(edit.to)))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		r, err := ParseReplay(headed(t, head, views))
		if err != nil {
			return
		}
		if _, err := r.Run(t.Context(), nil); err == nil && len(r.Call.Parts()) == 0 {
			t.Error("nothing was computed")
		}
	})
}

// TestReplayRoundTrip: what is written is what is read.
func TestReplayRoundTrip(t *testing.T) {
	r := smallReplay(t)
	head, views, err := r.parts()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseReplay(headed(t, text, views))
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := again.parts()
	if err != nil {
		t.Fatal(err)
	}
	other, err := json.Marshal(second)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, other) {
		t.Errorf("wrote %s\nthen %s", text, other)
	}
	out, err := again.Run(t.Context(), nil)
	if err != nil || out.Verdict != Fail || out.Diagnosis.Origin != OfEngine {
		t.Errorf("%+v, %v", out, err)
	}
}
