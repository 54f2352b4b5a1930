// Package browsertest clicks through a report's page in a real browser. It is a
// module of its own, so that programs need no driver of a browser.
//
// The tests are left out where no Chromium is found. With PAGE_SHOTS=DIR they leave
// screenshots of both widths and colour schemes there; with PAGE=FILE those are of
// that page.
package browsertest
