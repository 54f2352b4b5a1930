package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"colakit/formats/tokenizer"
	"colakit/reference/generate"
)

func tinyTokenizer(t *testing.T) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Parse(tinyTokenizerFile(t))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func resolved(t *testing.T, args ...string) (specialIDs, generate.Options, error) {
	t.Helper()
	var s specialIDs
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	s.declare(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	o := generate.Defaults()
	err := s.resolve(tinyTokenizer(t), &o)
	return s, o, err
}

// The tiny tokenizer has <|endoftext|> 765, <|im_end|> 766 and <|pad|> 767.
func TestSpecialIDs(t *testing.T) {
	s, o, err := resolved(t)
	if err != nil {
		t.Fatal(err)
	}
	if o.PadTokenID != 767 || o.EOSTokenID != nil || o.IMEndTokenID != nil {
		t.Errorf("pad %d, eos %v, im_end %v; want the tokenizer's <|pad|> and no stop tokens", o.PadTokenID, o.EOSTokenID, o.IMEndTokenID)
	}
	if diff := cmp.Diff([]int32{765, 766}, s.ends); diff != "" {
		t.Error(diff)
	}
	s, o, err = resolved(t, "--pad-token-id", "0", "--eos-token-id=13", "--im-end-token-id=14")
	if err != nil {
		t.Fatal(err)
	}
	if o.PadTokenID != 0 || *o.EOSTokenID != 13 || *o.IMEndTokenID != 14 || !slices.Contains(s.ends, 13) || !slices.Contains(s.ends, 14) {
		t.Errorf("pad %d, eos %d, im_end %d, ends %v", o.PadTokenID, *o.EOSTokenID, *o.IMEndTokenID, s.ends)
	}
}

func TestSpecialIDsRefuseText(t *testing.T) {
	for _, text := range []string{"x", "-1", "1.5", "4294967296", ""} {
		if err := new(optionalID).Set(text); err == nil {
			t.Errorf("%q is taken for a token id", text)
		}
	}
}

func TestChat(t *testing.T) {
	_, _, err := resolved(t, "--sft")
	if err == nil || !strings.Contains(err.Error(), `"<|im_start|>"`) || !strings.Contains(err.Error(), "--im-start-token-id") {
		t.Errorf("error %v; the tiny tokenizer has no <|im_start|>", err)
	}
	s, o, err := resolved(t, "--sft", "--im-start-token-id=1", "--user-token-id=2", "--assistant-token-id=3", "--newline-token-id=4")
	if err != nil {
		t.Fatal(err)
	}
	if *o.IMEndTokenID != 766 {
		t.Errorf("im_end %d does not stop", *o.IMEndTokenID)
	}
	tok := tinyTokenizer(t)
	want := slices.Concat([]int32{1, 2, 4}, tok.Encode("Max had"), []int32{766, 4, 1, 3, 4})
	if diff := cmp.Diff(want, s.tokens(tok, "Max had")); diff != "" {
		t.Error(diff)
	}
}

// TestWarning says how many tokens came of logits that are no numbers.
func TestWarning(t *testing.T) {
	var out strings.Builder
	(&request{model: "m.cola"}).warn(&out)
	if out.Len() > 0 {
		t.Errorf("a warning about nothing: %q", out.String())
	}
	(&request{model: "m.cola", nonFinite: 3}).warn(&out)
	if !strings.Contains(out.String(), "3 tokens chosen") || !strings.Contains(out.String(), "m.cola") {
		t.Errorf("%q", out.String())
	}
}
