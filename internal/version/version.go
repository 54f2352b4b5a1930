// Package version names the programs' release.
package version

// Name is the project's name and Number its release. Together they stand in what
// is written: a change of either changes the bytes of artifacts.
const (
	Name   = "colakit"
	Number = "0.1"
)

// String is "colakit 0.1".
const String = Name + " " + Number
