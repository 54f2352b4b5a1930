// Package page draws reports as one HTML file: no network, no framework, styles,
// script and pictures inline, readable on a phone and on paper. The same suite gives
// the same bytes.
//
// Everything that is drawn stands in tables, too; without script and without colour
// nothing is lost but the tips under the pointer, sorting and filtering.
package page
