package torch

import "math"

// One lane of the vector functions that torch's normal kernel calls: the single
// precision polynomials of the Cephes library (S. L. Moshier) in the arrangement of
// avx_mathfun (J. Pommier, G. Garberoglio). The compiler of torch fuses their
// products and sums; fma marks where.

// fma is a·b + c in float32 with one rounding. The product is exact in float64; the
// sum is rounded there to odd, which the second rounding cannot spoil.
func fma(a, b, c float32) float32 {
	product, addend := float64(a)*float64(b), float64(c)
	sum := product + addend
	back := sum - product
	lost := (product - (sum - back)) + (addend - back)
	bits := math.Float64bits(sum)
	if lost != 0 && bits&1 == 0 {
		if (lost > 0) == (sum > 0) {
			bits++
		} else {
			bits--
		}
	}
	return float32(math.Float64frombits(bits))
}

// logLane is ln(x) for normal x > 0.
func logLane(x float32) float32 {
	bits := math.Float32bits(x)
	e := float32(int32(bits>>23)-127) + 1
	x = math.Float32frombits(bits&^0x7f800000 | 0x3f000000) // mantissa in [0.5, 1)
	if x < 0.707106781186547524 {
		e--
		x = (x - 1) + x
	} else {
		x--
	}
	z := float32(x * x)
	y := float32(7.0376836292e-2)
	for _, c := range [...]float32{
		-1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
		-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
	} {
		y = fma(y, x, c)
	}
	y = float32(y * x)
	y = fma(y, z, float32(e*-2.12194440e-4))
	y = fma(-z, 0.5, y)
	return fma(e, 0.693359375, x+y)
}

// sincosLane is sin(x) and cos(x) for x in [0, 2π].
func sincosLane(x float32) (sin, cos float32) {
	octant := (int32(float32(x*(4/math.Pi))) + 1) &^ 1
	y := float32(octant)
	x = fma(y, -0.78515625, x) // x − y·π/4, in three parts
	x = fma(y, -2.4187564849853515625e-4, x)
	x = fma(y, -3.77489497744594108e-8, x)
	z := float32(x * x)

	cos = fma(2.443315711809948e-5, z, -1.388731625493765e-3)
	cos = fma(cos, z, 4.166664568298827e-2)
	cos = float32(cos * z)
	cos = fma(cos, z, float32(z*-0.5)) + 1

	sin = fma(-1.9515295891e-4, z, 8.3321608736e-3)
	sin = fma(sin, z, -1.6666654611e-1)
	sin = float32(sin * z)
	sin = fma(sin, x, x)

	if octant&2 != 0 {
		sin, cos = cos, sin
	}
	if octant&4 != 0 {
		sin = -sin
	}
	if (octant-2)&4 == 0 {
		cos = -cos
	}
	return sin, cos
}
