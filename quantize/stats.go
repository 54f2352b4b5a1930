package quantize

import (
	"fmt"
	"math"

	"colakit/formats/dtype"
)

// Statistics describe the elements of a tensor. Min to RMS are of the finite
// ones, and 0 where there are none.
type Statistics struct {
	Elements int64   `json:"elements"`
	NaN      int64   `json:"nan"`
	Inf      int64   `json:"inf"`
	FirstBad int64   `json:"first_bad"` // row-major index of the first NaN or Inf; −1: none
	Zero     int64   `json:"zero"`
	Min      float64 `json:"min"`
	Max      float64 `json:"max"`
	Mean     float64 `json:"mean"` // Σxᵢ/n
	RMS      float64 `json:"rms"`  // √(Σxᵢ²/n)
}

// Describe returns the statistics of data, elements of the float type t.
func Describe(data []byte, t dtype.Type) (Statistics, error) {
	if !t.Float() || len(data)%t.Size() != 0 {
		return Statistics{}, fmt.Errorf("%d bytes are no elements of type %v", len(data), t)
	}
	o := observation{Statistics: Statistics{FirstBad: -1, Min: math.Inf(1), Max: math.Inf(-1)}}
	var values [blockElements]float64
	for size := t.Size(); len(data) > 0; {
		n := min(blockElements, len(data)/size)
		if err := dtype.Float64s(values[:n], data[:n*size], t); err != nil {
			return Statistics{}, err
		}
		o.see(values[:n])
		data = data[n*size:]
	}
	return o.settle(), nil
}

type observation struct {
	Statistics
	sum, squares float64
}

func (o *observation) see(x []float64) {
	for i, v := range x {
		if v-v != 0 { // NaN and Inf
			o.seeBad(v, o.Elements+int64(i))
			continue
		}
		if v == 0 {
			o.Zero++
		}
		o.Min, o.Max = math.Min(o.Min, v), math.Max(o.Max, v)
		o.sum += v
		o.squares += float64(v * v)
	}
	o.Elements += int64(len(x))
}

func (o *observation) seeBad(v float64, index int64) {
	if o.FirstBad < 0 {
		o.FirstBad = index
	}
	if math.IsNaN(v) {
		o.NaN++
	} else {
		o.Inf++
	}
}

func (o *observation) settle() Statistics {
	n := float64(o.Elements - o.NaN - o.Inf)
	if n == 0 {
		o.Min, o.Max = 0, 0
		return o.Statistics
	}
	o.Mean, o.RMS = o.sum/n, math.Sqrt(o.squares/n)
	return o.Statistics
}
