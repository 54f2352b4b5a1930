package main

import (
	"runtime/debug"

	"colakit/convert"
)

// mappedBytes is what is resident and not the runtime's, the program's text, and what the
// runtime overdraws.
const mappedBytes = 10 << 20

// keepBelow makes the runtime collect garbage often enough for the memory to stay
// what it was planned to be.
func keepBelow(m convert.Memory) { debug.SetMemoryLimit(m.Peak - mappedBytes) }
