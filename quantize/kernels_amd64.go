package quantize

import "golang.org/x/sys/cpu"

//go:generate go -C asm run . -out ../measure_amd64.s -stubs ../measure_generated.go -pkg quantize

const (
	avx512 kernel = "AVX-512"
	avx2   kernel = "AVX2"
)

// kernels lists those that this processor can run, the fastest first.
func kernels() []kernel {
	var list []kernel
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasPOPCNT {
		list = append(list, avx512)
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasPOPCNT {
		list = append(list, avx2)
	}
	return append(list, plain)
}

// add adds elements, whole steps of lanes: x as in the source, y as stored.
func (d *differences) add(x, y []float32) {
	n := len(x)
	if n == 0 || fastest == plain {
		d.plainAdd(x, y)
		return
	}
	p, q, lost := &x[0], &y[:n][0], 0
	if fastest == avx512 {
		lost = measureAVX512(p, q, n, &d.squares, &d.errors, &d.worst, &d.peaks)
	} else {
		lost = measureAVX2(p, q, n, &d.squares, &d.errors, &d.worst, &d.peaks)
	}
	d.underflow += int64(lost)
}

// scanStep is what the scanning loops take at a time, in bytes.
const scanStep = 128

// scan is plainScan.
func (m laneMasks) scan(data []byte) (carries, any uint64) {
	whole := len(data) &^ (scanStep - 1)
	if whole == 0 || fastest == plain {
		return m.plainScan(data)
	}
	var sums, words [4]uint64
	scanFloatsAVX2(&data[0], whole, m.exponent, m.step, &sums, &words)
	carries, any = m.plainScan(data[whole:])
	return carries | or(sums), any | or(words)
}

// scanCodes is plainScanCodes.
func scanCodes(data []byte) (lowest, any uint64) {
	whole := len(data) &^ (scanStep - 1)
	if whole == 0 || fastest == plain {
		return plainScanCodes(data)
	}
	var marks, words [4]uint64
	scanCodesAVX2(&data[0], whole, codeRests, &marks, &words)
	lowest, any = plainScanCodes(data[whole:])
	return lowest | or(marks), any | or(words)
}

func or(words [4]uint64) uint64 { return words[0] | words[1] | words[2] | words[3] }
