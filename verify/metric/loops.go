package metric

import "math"

// kernel is one implementation of the loops over many elements. All give the same
// bits.
type kernel string

// plain is in Go.
const plain kernel = "plain"

// fastest is the kernel in use.
var fastest = kernels()[0]

// lanes is the number of sums that take turns: element i of a piece is added to
// the sum i mod lanes. So vectors of any length add in the same order.
const lanes = 8

// perLane is a running value of each lane.
type perLane [lanes]float64

func (l *perLane) sum() float64 {
	return ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]))
}

func (l *perLane) max() float64 {
	return max(l[0], l[1], l[2], l[3], l[4], l[5], l[6], l[7])
}

// plainSquares adds up squares.
func plainSquares(e []float64, sums *perLane) {
	for i, v := range e {
		sums[i%lanes] += float64(v * v)
	}
}

// The sums of plainSubtract.
const (
	sumErr2 = iota // (a−e)²
	sumRef2        // e²
	sumGot2        // a²
	sumDot         // a·e
	sumDiff        // a−e
	pairSums
)

// plainSubtract fills d with a−e, adds up what is made of both sides and counts
// the differences that are not 0.
func plainSubtract(a, e, d []float64, sums *[pairSums]perLane) (differing int) {
	a, d = a[:len(e)], d[:len(e)]
	for i, v := range e {
		u, lane := a[i], i%lanes
		diff := u - v
		d[i] = diff
		sums[sumErr2][lane] += float64(diff * diff)
		sums[sumRef2][lane] += float64(v * v)
		sums[sumGot2][lane] += float64(u * u)
		sums[sumDot][lane] += float64(u * v)
		sums[sumDiff][lane] += diff
		if diff != 0 {
			differing++
		}
	}
	return differing
}

// plainClassify stores the class of every |e|, which is finite, and returns the
// number of those below bound. top holds the largest.
func plainClassify(e []float64, bound float64, classes []uint32, top *perLane) (small int) {
	classes = classes[:len(e)]
	most, limit := uint64(0), math.Float64bits(bound)
	for i, v := range e {
		bits := magnitudeBits(v)
		most = max(most, bits)
		classes[i] = classOf(bits)
		if bits < limit {
			small++
		}
	}
	top[0] = max(top[0], math.Float64frombits(most))
	return small
}

// magnitudeBits are in the order of |v|.
func magnitudeBits(v float64) uint64 { return math.Float64bits(v) &^ (1 << 63) }

// The sums and maxima of plainAddErrors.
const (
	sumGolden       = iota // (e−x)²
	sumCandidate           // (a−x)²
	sumExact               // x²
	sumChanges             // ((a−x)² − (e−x)²)²
	maxGolden              // |e−x|
	maxCandidate           // |a−x|
	errorSumsOfLane        // how many
)

// plainAddErrors adds up the errors of both sides; all elements are finite.
func plainAddErrors(a, e, x []float64, sums *[errorSumsOfLane]perLane) {
	a, e = a[:len(x)], e[:len(x)]
	for i, v := range x {
		da, de, lane := a[i]-v, e[i]-v, i%lanes
		a2, e2 := float64(da*da), float64(de*de)
		c := a2 - e2
		sums[sumGolden][lane] += e2
		sums[sumCandidate][lane] += a2
		sums[sumExact][lane] += float64(v * v)
		sums[sumChanges][lane] += float64(c * c)
		sums[maxGolden][lane] = max(sums[maxGolden][lane], math.Abs(de))
		sums[maxCandidate][lane] = max(sums[maxCandidate][lane], math.Abs(da))
	}
}
