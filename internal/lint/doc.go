// Package lint holds the tests of the source tree itself: the direction of
// imports, the README's commands, what may not stand in a committed file.
package lint
