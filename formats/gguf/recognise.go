package gguf

import "strings"

// Recognise reports whether a file that begins with head is of this format.
func Recognise(head []byte) bool { return strings.HasPrefix(string(head), magic) }
