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
	o := NewObserver()
	var values [blockElements]float64
	for size := t.Size(); len(data) > 0; {
		n := min(blockElements, len(data)/size)
		if err := dtype.Float64s(values[:n], data[:n*size], t); err != nil {
			return Statistics{}, err
		}
		o.See(values[:n])
		data = data[n*size:]
	}
	return o.Statistics(), nil
}

// Observer collects the statistics of a tensor's elements, which it is shown in
// order, some at a time.
type Observer struct {
	seen         Statistics
	sum, squares float64
}

// NewObserver returns an Observer that has seen nothing.
func NewObserver() *Observer {
	return &Observer{seen: Statistics{FirstBad: -1, Min: math.Inf(1), Max: math.Inf(-1)}}
}

// See adds the elements that follow.
func (o *Observer) See(x []float64) {
	s := &o.seen
	for i, v := range x {
		if v-v != 0 { // NaN and Inf
			o.seeBad(v, s.Elements+int64(i))
			continue
		}
		if v == 0 {
			s.Zero++
		}
		s.Min, s.Max = math.Min(s.Min, v), math.Max(s.Max, v)
		o.sum += v
		o.squares += float64(v * v)
	}
	s.Elements += int64(len(x))
}

func (o *Observer) seeBad(v float64, index int64) {
	if o.seen.FirstBad < 0 {
		o.seen.FirstBad = index
	}
	if math.IsNaN(v) {
		o.seen.NaN++
	} else {
		o.seen.Inf++
	}
}

// Statistics returns those of all elements that were seen.
func (o *Observer) Statistics() Statistics {
	s := o.seen
	n := float64(s.Elements - s.NaN - s.Inf)
	if n == 0 {
		s.Min, s.Max = 0, 0
		return s
	}
	s.Mean, s.RMS = o.sum/n, math.Sqrt(o.squares/n)
	return s
}
