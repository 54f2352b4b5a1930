// Package progress reports the progress of long work on a stream: a bar on a
// terminal, JSON lines for programs, or nothing.
package progress

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// Modes are the ways of reporting. Auto is a bar on a terminal, else nothing.
var Modes = []string{"auto", "bar", "json", "none"}

// interval is the time between two reports.
const interval = 100 * time.Millisecond

// Reporter reports on one piece of work. It is for one goroutine.
type Reporter struct {
	out    io.Writer
	verb   string
	unit   string      // "" for bytes
	draw   func(Event) // nil: silent
	width  func() int
	start  time.Time
	last   time.Time
	drawn  bool
	latest Event
	now    func() time.Time
}

// Event is a state of the work.
type Event struct {
	Event   string  `json:"event"`           // "progress", and "end" for the last
	Label   string  `json:"doing,omitempty"` // what is worked on
	Done    int64   `json:"done"`
	Total   int64   `json:"total"`
	Unit    string  `json:"unit,omitempty"` // of done and total; bytes where missing
	Seconds float64 `json:"seconds"`        // since the start
}

// New returns a reporter of the given mode. The verb stands before the bar.
func New(out io.Writer, verb, mode string) (*Reporter, error) {
	r := &Reporter{out: out, verb: verb, now: time.Now, width: func() int { return 80 }}
	file, ok := out.(*os.File)
	terminal := ok && term.IsTerminal(int(file.Fd()))
	if terminal {
		r.width = func() int {
			if w, _, err := term.GetSize(int(file.Fd())); err == nil && w > 0 {
				return w
			}
			return 80
		}
	}
	switch {
	case mode == "bar" || mode == "auto" && terminal:
		r.draw = r.bar
	case mode == "json":
		r.draw = r.line
	case mode != "none" && mode != "auto":
		return nil, fmt.Errorf("unknown progress %q; known are auto, bar, json, none", mode)
	}
	r.start = r.now()
	return r, nil
}

// Count makes the reporter count something else than bytes, such as "prompts".
func (r *Reporter) Count(unit string) { r.unit = unit }

// Update reports that done of total bytes are worked off, and on what.
func (r *Reporter) Update(label string, done, total int64) {
	if r.draw == nil {
		return
	}
	now := r.now()
	r.latest = Event{"progress", label, done, total, r.unit, now.Sub(r.start).Seconds()}
	if now.Sub(r.last) >= interval || done == total {
		r.last, r.drawn = now, true
		r.draw(r.latest)
	}
}

// End removes the bar, or reports the last state.
func (r *Reporter) End() {
	switch {
	case r.draw == nil || !r.drawn:
	case r.latest.Event == "progress":
		r.latest.Event = "end"
		r.latest.Seconds = r.now().Sub(r.start).Seconds()
		r.draw(r.latest)
	}
}

func (r *Reporter) line(e Event) {
	text, err := json.Marshal(e)
	if err == nil {
		fmt.Fprintf(r.out, "%s\n", text)
	}
}

// bar draws over the line that is there; "end" leaves it empty.
func (r *Reporter) bar(e Event) {
	const clear = "\r\x1b[K"
	if e.Event == "end" {
		fmt.Fprint(r.out, clear)
		return
	}
	const margin = 4 // for what a terminal echoes, such as ^C
	fmt.Fprint(r.out, clear, r.verb, " ", barText(e, r.width()-len(r.verb)-margin))
}
