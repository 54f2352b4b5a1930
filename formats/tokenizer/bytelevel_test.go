package tokenizer

import "testing"

func TestAlphabetIsOneToOne(t *testing.T) {
	for b := range 256 {
		text, ok := tokenText(string(byteChars[b]))
		if !ok || text != string([]byte{byte(b)}) {
			t.Errorf("byte 0x%02x is written %q, which reads as %q", b, byteChars[b], text)
		}
	}
	for _, token := range []string{" ", "a b", "\u00a0", "\u00ad", "\u0144", "日", "\x00"} {
		if text, ok := tokenText(token); ok || text != token {
			t.Errorf("%q is outside the alphabet, but reads as %q", token, text)
		}
	}
}

func TestRepair(t *testing.T) {
	const bad = "\uFFFD"
	for _, tt := range []struct{ why, text, want string }{
		{"sound", "aé日😀", "aé日😀"},
		{"the character itself", bad, bad},
		{"lone continuation bytes", "\x80\xbf", bad + bad},
		{"overlong, Unicode table 3-8", "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82A", bad + bad + bad + bad + bad + bad + bad + bad + "A"},
		{"surrogates, table 3-9", "\xed\xa0\x80\xed\xbf\xbf\xed\xafA", bad + bad + bad + bad + bad + bad + bad + bad + "A"},
		{"other, table 3-10", "\xf4\x91\x92\x93\xffA\x80\xbfB", bad + bad + bad + bad + bad + "A" + bad + bad + "B"},
		{"cut short, table 3-11", "\xe1\x80\xe2\xf0\x91\x92\xf1\xbfA", bad + bad + bad + bad + "A"},
		{"cut short at the end", "a\xf0\x9f\x98", "a" + bad},
		{"first bytes alone", "\xc2\xe0\xf0", bad + bad + bad},
		{"bytes that begin nothing", "\xf5\x80\xfe", bad + bad + bad},
	} {
		if got := string(repair([]byte(tt.text))); got != tt.want {
			t.Errorf("%s: repair(%q) = %q, want %q", tt.why, tt.text, got, tt.want)
		}
	}
}
