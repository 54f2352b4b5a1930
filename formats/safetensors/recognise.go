package safetensors

import "encoding/binary"

// Recognise reports whether a file that begins with head, 9 bytes or more, can be
// of this format: a possible length and the beginning of a JSON object.
func Recognise(head []byte) bool {
	return len(head) > prefix && head[prefix] == '{' && binary.LittleEndian.Uint64(head) <= maxHeader
}
