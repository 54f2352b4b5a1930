package progress

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// reporter returns one with a clock that tick advances.
func reporter(t *testing.T, mode string) (r *Reporter, out *strings.Builder, tick func(time.Duration)) {
	t.Helper()
	out = &strings.Builder{}
	r, err := New(out, "convert", mode)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1000, 0)
	r.now, r.start = func() time.Time { return now }, now
	return r, out, func(d time.Duration) { now = now.Add(d) }
}

func TestBar(t *testing.T) {
	r, out, tick := reporter(t, "bar")
	tick(time.Second)
	r.Update("dit.blocks.0.msa.proj_qkv.weight", 1e9, 4e9)
	r.Update("too soon to be drawn", 2e9, 4e9)
	tick(time.Second)
	r.Update("vae.encoder.wte.weight", 3e9, 4e9)
	r.End()
	r.End()
	want := "\r\x1b[Kconvert ██······  25%  1.00 GB/4.00 GB  1.00 GB/s  ETA 0:03  …proj_qkv.weight" +
		"\r\x1b[Kconvert ██████··  75%  3.00 GB/4.00 GB  1.50 GB/s  ETA 0:01  …oder.wte.weight" +
		"\r\x1b[K"
	if got := out.String(); got != want {
		t.Errorf("drawn\n%q, want\n%q", got, want)
	}
}

func TestCount(t *testing.T) {
	r, out, tick := reporter(t, "bar")
	r.Count("prompts")
	tick(time.Second)
	r.Update("", 3, 20)
	if want := "\r\x1b[Kconvert ██▍·············  15%  3/20 prompts  ETA 0:06"; out.String() != want {
		t.Errorf("drawn %q, want %q", out, want)
	}
}

func TestLines(t *testing.T) {
	r, out, tick := reporter(t, "json")
	for i := range int64(5) {
		r.Update("a", i, 4)
		tick(60 * time.Millisecond)
	}
	r.End()
	var events []Event
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		events = append(events, e)
	}
	last := events[len(events)-1]
	if len(events) != 4 || events[0].Event != "progress" || last != (Event{Event: "end", Label: "a", Done: 4, Total: 4, Seconds: 0.3}) {
		t.Errorf("events %+v", events)
	}
}

func TestSilent(t *testing.T) {
	for _, mode := range []string{"none", "auto"} { // a buffer is no terminal
		r, out, _ := reporter(t, mode)
		r.Update("a", 1, 1)
		r.End()
		if out.Len() > 0 {
			t.Errorf("%s writes %q", mode, out)
		}
	}
	if _, err := New(nil, "", "loud"); err == nil || !strings.Contains(err.Error(), "auto, bar, json, none") {
		t.Errorf("an unknown mode: %v", err)
	}
}

// TestNothingReported leaves a terminal alone on which nothing was drawn.
func TestNothingReported(t *testing.T) {
	r, out, _ := reporter(t, "bar")
	if r.End(); out.Len() > 0 {
		t.Errorf("written %q", out)
	}
}

func TestBarFits(t *testing.T) {
	for _, e := range []Event{{}, {Done: 5, Total: 0}, {Done: 7, Total: 5, Seconds: 9, Label: "x"}, {Label: strings.Repeat("längst", 50), Done: 1 << 60, Total: 1<<63 - 1, Seconds: 1}} {
		for width := -3; width < 150; width++ {
			if got := utf8.RuneCountInString(barText(e, width)); got > max(0, width) {
				t.Errorf("%+v takes %d columns of %d", e, got, width)
			}
		}
	}
}

func TestClock(t *testing.T) {
	for s, want := range map[float64]string{0: "0:00", 0.4: "0:01", 61: "1:01", 3600: "1:00:00", 1e18: "99:59:59"} {
		if got := clock(s); got != want {
			t.Errorf("%v seconds are %s, want %s", s, got, want)
		}
	}
}
