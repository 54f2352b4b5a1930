//go:build !amd64

package metric

// kernels lists those that this processor can run, the fastest first.
func kernels() []kernel { return []kernel{plain} }

func squares(e []float64, sums *perLane) { plainSquares(e, sums) }

func subtract(a, e, d []float64, sums *[pairSums]perLane) int { return plainSubtract(a, e, d, sums) }

func classify(e []float64, bound float64, classes []uint32, top *perLane) int {
	return plainClassify(e, bound, classes, top)
}

func addErrors(a, e, x []float64, sums *[errorSumsOfLane]perLane) { plainAddErrors(a, e, x, sums) }

func (acc *accumulator) compareGroups(got, want []float64, differing int) int { return 0 }

func (m *magnitudes) count(classes []uint32, last uint32) { m.plainCount(classes) }
