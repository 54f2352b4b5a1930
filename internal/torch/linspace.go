package torch

// Linspace is torch.linspace(start, end, n, dtype=torch.float32): n points from start
// to end, both included. The first half counts from start and the rest back from
// end, each with one rounding.
func Linspace(start, end float32, n int) []float32 {
	points := make([]float32, n)
	if n == 1 {
		points[0] = start
		return points
	}
	step := (end - start) / float32(n-1)
	for i := range points {
		if i < n/2 {
			points[i] = fma(step, float32(i), start)
		} else {
			points[i] = fma(-step, float32(n-1-i), end)
		}
	}
	return points
}
