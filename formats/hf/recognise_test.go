package hf

import "testing"

// TestRecognise: every name of an inventory is recognised as a checkpoint, the
// public package's own class prefix and an artifact write it; others are not.
func TestRecognise(t *testing.T) {
	for _, e := range (Config{DefaultDiT(), DefaultVAE()}).Inventory() {
		class := "dit."
		if e.Model == VAE {
			class = "text_vae."
		}
		for _, name := range []string{e.Source, class + e.Source, e.Name} {
			if native, ok := Recognise(name); native != e.Name || !ok {
				t.Errorf("%q is recognised as %q, %v; want %q", name, native, ok, e.Name)
			}
		}
	}
	for _, name := range []string{"", "dit.", "vae", "blk.0.attn_q.weight", "encoder", "text_vae.weight", "txt_inner.weight", "dit.vae.encoder.wte.weight"} {
		if native, ok := Recognise(name); native != name || ok {
			t.Errorf("%q is recognised as %q, %v", name, native, ok)
		}
	}
}
