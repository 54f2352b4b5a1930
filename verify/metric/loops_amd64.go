package metric

import (
	"math"
	"slices"

	"golang.org/x/sys/cpu"

	"colakit/formats/dtype"
)

//go:generate go -C asm run . -out ../loops_amd64.s -stubs ../loops_generated.go -pkg metric

const avx2 kernel = "AVX2"

// kernels lists those that this processor can run, the fastest first.
func kernels() []kernel {
	if cpu.X86.HasAVX2 && cpu.X86.HasPOPCNT {
		return []kernel{avx2, plain}
	}
	return []kernel{plain}
}

// vectorised returns how many of n elements the vector code takes; the rest, which
// begins with lane 0, is left to plain Go.
func vectorised(n int) int {
	if fastest == plain {
		return 0
	}
	return n &^ (lanes - 1)
}

func squares(e []float64, sums *perLane) {
	n := vectorised(len(e))
	if n > 0 {
		squaresAVX2(&e[0], n, &sums[0])
	}
	plainSquares(e[n:], sums)
}

func subtract(a, e, d []float64, sums *[pairSums]perLane) (differing int) {
	n := vectorised(len(e))
	if n > 0 {
		differing = subtractAVX2(&a[:n][0], &e[0], &d[:n][0], n, &sums[0][0])
	}
	return differing + plainSubtract(a[n:], e[n:], d[n:], sums)
}

func classify(e []float64, bound float64, classes []uint32, top *perLane) (small int) {
	n := vectorised(len(e))
	if n > 0 {
		small = classifyAVX2(&e[0], n, bound, &classes[:n][0], &top[0])
	}
	return small + plainClassify(e[n:], bound, classes[n:], top)
}

// count counts elements, the largest of which have the class last.
func (m *magnitudes) count(classes []uint32, last uint32) {
	n := vectorised(len(classes))
	if n > 0 {
		var found [lanes][lanes]uint32 // by class, from first on
		first, all := max(last, lanes-1)-(lanes-1), 0
		countClassesAVX2(&classes[0], n, first, &found[0][0])
		for i, f := range found {
			of := int(f[0] + f[1] + f[2] + f[3] + f[4] + f[5] + f[6] + f[7])
			m.counts[0][first+uint32(i)] += int64(of)
			all += of
		}
		for i := 0; all < n; i++ {
			if c := classes[i]; c < first {
				m.counts[0][c]++
				all++
			}
		}
	}
	m.plainCount(classes[n:])
}

func addErrors(a, e, x []float64, sums *[errorSumsOfLane]perLane) {
	n := vectorised(len(x))
	if n > 0 {
		addErrorsAVX2(&a[:n][0], &e[:n][0], &x[0], n, &sums[0][0])
	}
	plainAddErrors(a[n:], e[n:], x[n:], sums)
}

// compareGroups is compareEach for whole groups of lanes from the first element on,
// in units that vector code knows; it returns how many elements it has seen to.
func (acc *accumulator) compareGroups(got, want []float64, differing int) int {
	n := vectorised(len(want))
	if n == 0 {
		return 0
	}
	a, e, far := &got[:n][0], &want[0], &acc.distances[0]
	for _, rest := range acc.diffs[n:len(want)] {
		if rest != 0 {
			differing--
		}
	}
	var apart, small int
	var farthest [lanes]uint32
	switch acc.o.Unit {
	case dtype.F32:
		apart, small = distances32AVX2(a, e, n, acc.small, far, &farthest[0])
	case dtype.BF16:
		apart, small = distances16AVX2(a, e, n, acc.small, far, &farthest[0])
	default:
		return 0
	}
	var most [2]perLane
	if acc.extremes(n, want, differing, &most) {
		acc.findRecords(got[:n], want[:n])
	}
	acc.findFarthest(got[:n], want[:n], most[0].max())
	acc.sum.SmallMax = max(acc.sum.SmallMax, most[1].max())
	acc.sum.Differing += int64(apart)
	acc.ulps.addAll(acc.distances[:n], small, slices.Max(farthest[:]))
	acc.sizes.addErrors(acc.classes[:n], acc.diffs[:n])
	acc.cols.each(acc.at, n, func(from, slot, n int) { acc.cols.addGroups(acc.diffs[from:], acc.distances[from:], slot, n) })
	return n
}

// extremes holds n elements, so many of which differ, against the band, and reports
// whether there may be records among them.
func (acc *accumulator) extremes(n int, want []float64, differing int, most *[2]perLane) bool {
	o, b, d, e := &acc.sum.Outside, acc.o.Band, &acc.diffs[0], &want[0]
	if b == (Band{}) { // which all are outside of that differ
		o.Count += int64(differing)
		return recordsAVX2(d, e, n, o.LeastRtol, acc.small, &most[0][0]) > 0 || o.Used.At < 0 || most[0].max() > o.LeastAtol
	}
	outside, records := exceedAVX2(d, e, n, b.Atol, b.Rtol, o.Used.Value, o.LeastAtol, o.LeastRtol, acc.small, &most[0][0])
	o.Count += int64(outside)
	return records > 0 || o.Used.At < 0
}

// addGroups adds the differences and distances of n elements to slots that follow
// each other.
func (c *columns) addGroups(d []float64, distances []uint32, slot, n int) {
	whole := n &^ (lanes - 1)
	if whole > 0 {
		addColumnsAVX2(&d[0], &distances[0], whole, &c.diff[slot : slot+whole][0], &c.err2[slot], &c.distant[slot : slot+whole][0])
	}
	for i := whole; i < n; i++ {
		c.diff[slot+i] += d[i]
		c.err2[slot+i] += float64(d[i] * d[i])
		if distances[i]-2 <= farthest-2 {
			c.distant[slot+i]++
		}
	}
}

// findRecords keeps the extremes of elements among which there are new ones.
func (acc *accumulator) findRecords(got, want []float64) {
	for i, d := range acc.diffs[:len(want)] {
		if d != 0 {
			acc.sum.Outside.record(acc.o.Band, got[i], want[i], math.Abs(d), math.Abs(want[i]), acc.at+int64(i))
		}
	}
}

// findFarthest keeps the first element that is off by most, if that is a record.
func (acc *accumulator) findFarthest(got, want []float64, most float64) {
	if !(most > acc.sum.MaxAbs.Value) {
		return
	}
	for i, d := range acc.diffs[:len(want)] {
		if math.Abs(d) == most {
			acc.sum.MaxAbs = Extreme{most, acc.at + int64(i), got[i], want[i]}
			return
		}
	}
}
