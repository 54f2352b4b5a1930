package int8

import "golang.org/x/sys/cpu"

//go:generate go -C asm run . -out ../loops_amd64.s -stubs ../loops_generated.go -pkg int8

// kernels lists those that this processor can run, the fastest first.
func kernels() []kernel {
	var list []kernel
	avx2 := cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasPOPCNT
	if avx2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL {
		list = append(list, loops{"AVX-512", peaksAVX512, encodeAVX512, trialAVX512, decodeAVX512}.kernel())
	}
	if avx2 {
		list = append(list, loops{"AVX2", peaksAVX2, encodeAVX2, trialAVX2, decodeAVX2}.kernel())
	}
	return append(list, plain)
}

// loops are those of a kernel for n elements, a multiple of step, in groups of
// width, a multiple of step or no less than n.
type loops struct {
	name   string
	peaks  func(dst *uint32, x *float32, n, width int)
	encode func(codes *byte, x *float32, n int, scales *float32, width int, squares, errors *[lanes]float64, worst, low, high *[lanes]float32) (clipped, zeros int)
	trial  func(x *float32, n int, inverses, sums *[trials]float32)
	decode func(dst *float32, codes *byte, n int, scales *float32, width int)
}

// kernel returns the kernel that leaves the elements beyond the last whole step
// to plain Go.
func (l loops) kernel() kernel {
	return kernel{l.name, l.rowPeaks, l.encodeRow, l.trialRow, l.decodeRow}
}

func (l loops) rowPeaks(dst []uint32, x []float32, width int) {
	n := len(x) &^ (step - 1)
	if n > 0 {
		l.peaks(&dst[0], &x[0], n, width)
	}
	if rest := x[n:]; len(rest) > 0 {
		group, peak := n/width, [1]uint32{}
		plainPeaks(peak[:], rest, step)
		if group*width < n {
			peak[0] = max(peak[0], dst[group])
		}
		dst[group] = peak[0]
	}
}

func (l loops) encodeRow(codes []byte, x, scales []float32, width int, s *sums) {
	n := len(x) &^ (step - 1)
	if n > 0 {
		clipped, zeros := l.encode(&codes[0], &x[0], n, &scales[0], width, &s.squares, &s.errors, &s.worst, &s.low, &s.high)
		s.clipped += int64(clipped)
		s.zeros += int64(zeros)
	}
	if n < len(x) {
		plainEncode(codes[n:], x[n:], scales[n/width:], step, s)
	}
}

func (l loops) trialRow(x []float32, inverses *[trials]float32) (sums [trials]float32) {
	n := len(x) &^ (step - 1)
	if n > 0 {
		l.trial(&x[0], n, inverses, &sums)
	}
	addTrials(&sums, x[n:], inverses)
	return sums
}

func (l loops) decodeRow(dst []float32, codes []byte, scales []float32, width int) {
	n := len(codes) &^ (step - 1)
	if n > 0 {
		l.decode(&dst[0], &codes[0], n, &scales[0], width)
	}
	if n < len(codes) {
		plainDecode(dst[n:], codes[n:], scales[n/width:], step)
	}
}
