package verify

import (
	"bytes"
	"strings"
	"testing"

	"colakit/golden"
)

func newInfo() *golden.Info {
	i := &golden.Info{}
	i.Run.RepetitionPenalty = 1.25
	return i
}

func TestInkCutsAndWraps(t *testing.T) {
	var b bytes.Buffer
	k := &ink{w: &b, width: 20, colour: true}
	k.line("%s", k.paint(red, "0123456789")+"0123456789abc")
	k.wrapped("  a: ", "     ", "some words that take more than one line")
	want := "\x1b[31m0123456789\x1b[0m012345678…\n  a: some words that\n     take more than\n     one line\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestInkWithoutColour(t *testing.T) {
	var b bytes.Buffer
	k := &ink{w: &b, width: 80}
	k.line("%s %s %s", k.verdict(Fail), k.share(20), k.bar(2))
	if strings.Contains(b.String(), "\x1b") {
		t.Errorf("escape sequences in %q", b.String())
	}
}

func TestTableLeavesOutOptionalColumns(t *testing.T) {
	build := func(width int) string {
		var b bytes.Buffer
		k := &ink{w: &b, width: width}
		table := newTable("name", ">n", "?note", "last", "?>x")
		table.row("a", "1", "a long remark", "z", "5")
		table.row("bc", "23", "", "y", "67")
		table.write(k)
		return b.String()
	}
	if got, want := build(80), "  name   n  note           last   x\n  a      1  a long remark  z      5\n  bc    23                 y     67\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got, want := build(24), "  name   n  last\n  a      1  z\n  bc    23  y\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTableInParts(t *testing.T) {
	var b bytes.Buffer
	table := newWideTable("name", ">first", ">second", "third")
	table.row("a", "1", "2", "3")
	table.write(&ink{w: &b, width: 16})
	if got, want := b.String(), "  name  first\n  a         1\n\n  name  second\n  a          2\n\n  name  third\n  a     3\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTableShortensNames(t *testing.T) {
	var b bytes.Buffer
	table := newTable(">n", "~tap", "figure")
	table.row("1", "b01/s01/uncond/dit.blocks.2.msa.out", "last")
	table.write(&ink{w: &b, width: 32})
	if got, want := b.String(), "  n  tap                 figure\n  1  b01/s0…ks.2.msa.out  last\n"; strings.Split(got, "\n")[1] != strings.Split(want, "\n")[1] {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := shorten("ünïcödé", 5); got != "ü…ödé" {
		t.Errorf("shortened to %q", got)
	}
}

func TestFaintTextIsReset(t *testing.T) {
	var b bytes.Buffer
	k := &ink{w: &b, width: 12, colour: true}
	k.faint("  ", "some words on lines")
	for _, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		if visible(line) > 12 {
			t.Errorf("%q is wider than 12", line)
		}
	}
	if strings.Count(b.String(), "\x1b[0m") != 1 || !strings.HasSuffix(b.String(), "\x1b[0m\n") {
		t.Errorf("the colour does not end with the text: %q", b.String())
	}
}

func TestBarAndSpark(t *testing.T) {
	k := &ink{}
	for share, want := range map[float64]string{0: "········", 0.5: "████····", 0.28: "██▎·····", 1: "████████", 7: "████████"} {
		if got := k.bar(share); got != want {
			t.Errorf("bar(%v) = %q, want %q", share, got, want)
		}
	}
	for share, want := range map[float64]string{0: "0 %", 0.284: "28 %", 3.14: "3.1×", 123: "123×", 328815: "3e+05×", mostShare: "∞"} {
		if got := k.share(share); got != want {
			t.Errorf("share(%v) = %q, want %q", share, got, want)
		}
	}
	if got := spark([]float64{0, 1e-9, 1e-3, 1e-2, 1}); got != "▁▁▁▃█" {
		t.Errorf("spark %q", got)
	}
	if got := spark(nil); got != "" {
		t.Errorf("spark of nothing: %q", got)
	}
}

func TestSuiteVerdict(t *testing.T) {
	of := func(vs ...Verdict) Verdict {
		var rs []*Report
		for _, v := range vs {
			rs = append(rs, &Report{Verdict: v})
		}
		return NewSuite(rs...).Verdict
	}
	for _, tt := range []struct {
		in   []Verdict
		want Verdict
	}{
		{[]Verdict{Pass, Pass}, Pass}, {[]Verdict{Pass, Incomplete}, Incomplete}, {[]Verdict{Incomplete, Fail, Pass}, Fail}, {nil, Incomplete},
	} {
		if got := of(tt.in...); got != tt.want {
			t.Errorf("%v make %s, want %s", tt.in, got, tt.want)
		}
	}
}
