// Package listing writes reports for other programs to read: as comma-separated
// values for spreadsheets, and as the XML of JUnit for systems that show test
// results. The same report gives the same bytes.
package listing
