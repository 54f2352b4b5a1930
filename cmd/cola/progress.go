package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// progress tells how many prompts are done.
type progress struct {
	out    io.Writer
	format string // with the numbers done and total; "" for silence
	total  int
}

func newProgress(mode string, out io.Writer, total int) (*progress, error) {
	formats := map[string]string{
		"none": "",
		"bar":  "\r%d of %d prompts",
		"json": "{\"done\": %d, \"total\": %d}\n",
	}
	if mode == "auto" {
		mode = "none"
		if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
			mode = "bar"
		}
	}
	format, ok := formats[mode]
	if !ok {
		return nil, fmt.Errorf("unknown progress %q; known are auto, bar, json and none", mode)
	}
	return &progress{out, format, total}, nil
}

func (p *progress) done(n int) {
	if p.format != "" {
		fmt.Fprintf(p.out, p.format, n, p.total)
	}
}

// close ends the bar's line.
func (p *progress) close() {
	if p.format != "" && p.format[0] == '\r' {
		fmt.Fprintln(p.out)
	}
}
