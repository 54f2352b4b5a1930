package main

import (
	"io"
	"os"

	"golang.org/x/term"

	"colakit/verify"
)

// textOptions fits a report to its reader: coloured and as wide as the terminal,
// plain, wrapped at 120 columns and never cut elsewhere.
func textOptions(out io.Writer, verbose bool) verify.TextOptions {
	o := verify.TextOptions{Width: 120, Everything: verbose}
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		o.Whole = true
		return o
	}
	if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
		o.Width = max(width, 60)
	}
	o.Colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return o
}
