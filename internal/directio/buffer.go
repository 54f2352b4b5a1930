package directio

import "unsafe"

// Buffer returns n bytes to be written directly: they start at a multiple of Align.
func Buffer(n int) []byte {
	align := Align
	if n >= hugePage {
		align = hugePage
	}
	raw := make([]byte, n+align-1) // those in front are never touched, and take no memory
	skip := -misaligned(raw, align) & (align - 1)
	p := raw[skip : skip+n : skip+n]
	adviseHuge(p)
	return p
}

// misaligned returns by how many bytes p starts after a multiple of align.
func misaligned(p []byte, align int) int {
	return int(uintptr(unsafe.Pointer(unsafe.SliceData(p))) % uintptr(align))
}
