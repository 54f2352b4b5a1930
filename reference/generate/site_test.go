package generate

import "testing"

func TestSiteNames(t *testing.T) {
	for name, want := range map[string]Site{
		"encode/vae.encoder.wte":            {Stage: Encode, Path: "vae.encoder.wte"},
		"prefill/dit.blocks.0.msa.k":        {Stage: Prefill, Path: "dit.blocks.0.msa.k"},
		"b00/s03/cond/dit.blocks.1.msa.out": {Stage: Denoise, Step: 3, Branch: Cond, Path: "dit.blocks.1.msa.out"},
		"b12/s103/uncond/dit.velocity":      {Stage: Denoise, Block: 12, Step: 103, Branch: Uncond, Path: "dit.velocity"},
		"b00/s03/velocity":                  {Stage: Denoise, Step: 3, Path: "velocity"},
		"b100/decode/vae.decoder.logits":    {Stage: Decode, Block: 100, Path: "vae.decoder.logits"},
		"b00/commit/dit.blocks.3.mlp.out":   {Stage: Commit, Path: "dit.blocks.3.mlp.out"},
	} {
		got, err := ParseSite(name)
		if err != nil || got != want || got.String() != name {
			t.Errorf("%s: %+v (%s), %v", name, got, got, err)
		}
	}
	for _, name := range []string{"", "z", "encode/", "decode/x", "b00/z", "b0x/s00/z", "b00/s00/", "b00/s00/both/z", "b00/s00/cond/a/b", "b-1/s00/z", "bbb/s00/z"} {
		if s, err := ParseSite(name); err == nil {
			t.Errorf("%q parses as %+v", name, s)
		}
	}
}

func FuzzParseSite(f *testing.F) {
	f.Add("b00/s03/cond/dit.blocks.1.msa.out")
	f.Add("prefill/x")
	f.Fuzz(func(t *testing.T, name string) {
		s, err := ParseSite(name)
		if err != nil {
			return
		}
		if again, err := ParseSite(s.String()); err != nil || again != s {
			t.Errorf("%q: %+v, then %+v, %v", name, s, again, err)
		}
	})
}
