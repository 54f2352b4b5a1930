package hf

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
)

// tolerated are the configurations that the public package fails on by accident
// of Python and that are accepted here all the same.
var tolerated = map[string]string{
	`vae {"rope_theta": 100000000000000000000000}`: "as an integer it does not fit into 64 bits, as 1e23 it runs",
}

// baseDiT and baseVAE are the configurations that testdata/gen.py changes.
var (
	baseDiT = object(`{"model_type":"cola_dit","txt_in_channels":4,"txt_out_channels":4,"txt_dim":32,"emb_dim":32,
		"heads":2,"head_dim":16,"expand_ratio":2,"num_layers":2,"rope_dim":8,"block_size":4}`)
	baseVAE = object(`{"model_type":"cola_text_vae","vocab_size":40,"encoder_num_blocks":1,"decoder_num_blocks":1,
		"dim":32,"ffn_dim":64,"latent_dim":4,"num_heads":2,"rope_theta":10000}`)
)

// deviations are the configurations that the public package runs by accident of
// Python and that are refused here all the same.
var deviations = map[string]string{
	`dit {"num_layers": -1}`:                          "a negative count is read as none",
	`dit {"num_layers": true}`:                        "true counts as 1",
	`dit {"heads": 0}`:                                "attention without heads",
	`dit {"expand_ratio": 0}`:                         "an MLP without hidden values",
	`dit {"txt_out_channels": 1}`:                     "the one velocity is broadcast to all channels",
	`dit {"norm_eps": -1e-05}`:                        "NaN where a variance is smaller",
	`vae {"layer_norm_eps": -1e-06}`:                  "the same",
	`dit {"qk_bias": "yes"}`:                          "a string that is not empty is true, \"false\" too",
	`vae {"bias": "no"}`:                              "the same",
	`vae {"encoder_num_blocks": -1}`:                  "a negative count is read as none",
	`vae {"ffn_dim": 0}`:                              "an FFN without hidden values",
	`vae {"ffn_dim": 0, "act": "silu"}`:               "the same",
	`vae {"clip_qkv": false}`:                         "false counts as 0",
	`vae {"clip_qkv": true}`:                          "true counts as 1",
	`vae {"rope_theta": true}`:                        "the same",
	`vae {"scaling_factor": true}`:                    "the same",
	`vae {"block_size": -4}`:                          "blocks counted backwards",
	`vae {"block_size": 2.5}`:                         "blocks of uneven length",
	`vae {"block_size": null, "block_causal": false}`: "null is no integer",
}

func TestVerdictsOfThePublicPackage(t *testing.T) {
	var cases []struct {
		Model   string
		Change  json.RawMessage
		Verdict string
	}
	readTestdata(t, "verdicts.json", &cases)
	if len(cases) < 150 {
		t.Fatalf("only %d cases", len(cases))
	}
	exceptions := maps.Clone(deviations)
	maps.Copy(exceptions, tolerated)
	stale := maps.Clone(exceptions)
	for _, c := range cases {
		name := c.Model + " " + string(c.Change)
		err := parseChanged(c.Model, c.Change)
		runs := c.Verdict == "runs"
		want := runs
		if _, ok := exceptions[name]; ok {
			want = !runs
		}
		delete(stale, name)
		if want != (err == nil) {
			t.Errorf("%s: package: %s, here: %v, want accepted: %v (%s)", name, c.Verdict, err, want, exceptions[name])
		}
	}
	for name := range stale {
		t.Errorf("exception %s is not among the cases", name)
	}
}

// parseChanged parses both base configurations after changing one.
func parseChanged(model string, change json.RawMessage) error {
	dit, vae := baseDiT, baseVAE
	if model == "dit" {
		dit = changed(dit, change)
	} else {
		vae = changed(vae, change)
	}
	_, err := ParseConfig(marshal(dit), marshal(vae))
	return err
}

func changed(base map[string]json.RawMessage, change json.RawMessage) map[string]json.RawMessage {
	all := maps.Clone(base)
	maps.Copy(all, object(string(change)))
	return all
}

func object(raw string) (o map[string]json.RawMessage) {
	if err := json.Unmarshal([]byte(raw), &o); err != nil {
		panic(fmt.Sprintf("%s: %v", raw, err))
	}
	return o
}

func marshal(o map[string]json.RawMessage) []byte {
	raw, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return raw
}

func readTestdata(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
