package verify

import "math"

// This file continues the policy: what chance adds to a limit.

// granted adds to a share p what chance adds on n elements: three standard errors,
// one element at least.
func granted(p, n float64) float64 {
	return p + math.Max(3*math.Sqrt(p*(1-p)/math.Max(n, 1)), 1/math.Max(n, 1))
}

// few widens a limit of five times the error to be expected for n elements that are
// all small by chance. A sum of n squares of a normal is below q·n with a probability
// of at most (q·e^(1−q))^(n/2) < (q·e)^(n/2); for 10⁻⁴ of that q is 10^(−8/n)/e.
func few(n int64) float64 {
	if n == 0 {
		return 1
	}
	return math.Max(1, math.Sqrt(math.E)*math.Pow(10, 4/float64(n))/5)
}
