//go:build !amd64

package dtype

// kernels lists those that this processor can run, the fastest first.
func kernels() []kernel { return []kernel{plain} }

func widenF16(dst []float32, src []byte)   { plainWidenF16(dst, src) }
func widenBF16(dst []float32, src []byte)  { plainWidenBF16(dst, src) }
func narrowF16(dst []byte, src []float32)  { plainNarrowF16(dst, src) }
func narrowBF16(dst []byte, src []float32) { plainNarrowBF16(dst, src) }

func widen64(dst []float64, src []byte, t Type) int { return 0 }
