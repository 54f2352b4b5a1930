package selftest

import (
	"fmt"
	"strings"

	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference/generate"
)

// alone leaves one sample of a recorded batch: its rows and keys of every tap.
func alone(sample int) func(*Recording) error {
	return func(r *Recording) error {
		for _, tap := range r.Info.Taps {
			v := r.Views[tap.Name]
			cut, err := r.part(v, sample)
			if err != nil {
				return fmt.Errorf("%s: %w", tap.Name, err)
			}
			r.Views[tap.Name] = cut
		}
		r.Keep(func(tap string) bool { return r.Views[tap].Shape[0] > 0 })
		r.Info.Samples = r.Info.Samples[sample : sample+1]
		r.Info.Run.BatchSize, r.Info.Floors, r.Info.LogitRows = 1, nil, nil
		return nil
	}
}

// span is a part of a dimension.
type span struct{ from, n, whole int }

// spanOf adds up what the samples have, up to one of them.
func spanOf(samples []golden.Sample, sample int, size func(golden.Sample) int) (s span) {
	for i, each := range samples {
		n := size(each)
		if i < sample {
			s.from += n
		}
		if i == sample {
			s.n = n
		}
		s.whole += n
	}
	return s
}

// part cuts one sample out of a tap: scores [h, rows, keys], rotated keys [keys, …],
// all else [rows, …].
func (r *Recording) part(v tensor.View, sample int) (tensor.View, error) {
	if strings.HasPrefix(v.Name, "noise/") {
		return cutDimension(v, 0, span{sample, 1, len(r.Info.Samples)})
	}
	site, err := generate.ParseSite(v.Name)
	if err != nil {
		return v, err
	}
	rows := spanOf(r.Info.Samples, sample, func(s golden.Sample) int { return rowsOf(site, s) })
	keys := spanOf(r.Info.Samples, sample, func(s golden.Sample) int { return keysOf(site, s) })
	switch {
	case strings.HasSuffix(site.Path, ".scores"):
		if v, err = cutDimension(v, 1, rows); err != nil {
			return v, err
		}
		return cutDimension(v, 2, keys)
	case strings.HasSuffix(site.Path, "_rot") && v.Shape[0] == keys.whole, strings.HasSuffix(site.Path, ".attn.k"):
		return cutDimension(v, 0, keys)
	}
	return cutDimension(v, 0, rows)
}

// block is the embedded model's block_size; its patch_size is 1.
const block = 4

func rowsOf(s generate.Site, sample golden.Sample) int {
	switch s.Stage {
	case generate.Encode:
		return len(sample.TokenIDs)
	case generate.Prefill:
		return sample.PrefixLatents
	}
	return block
}

func keysOf(s generate.Site, sample golden.Sample) int {
	if s.Stage <= generate.Prefill || s.Branch == generate.Uncond {
		return rowsOf(s, sample)
	}
	return sample.PrefixLatents + (s.Block+1)*block
}

// cutDimension keeps a part of one dimension.
func cutDimension(v tensor.View, dim int, s span) (tensor.View, error) {
	if v.Shape[dim] != s.whole {
		return v, fmt.Errorf("dimension %d of %v is not %d", dim, v.Shape, s.whole)
	}
	before, behind := 1, v.Type.Size()
	for i, n := range v.Shape {
		if i < dim {
			before *= n
		}
		if i > dim {
			behind *= n
		}
	}
	var data []byte
	for i := range before {
		at := (i*s.whole + s.from) * behind
		data = append(data, v.Data[at:at+s.n*behind]...)
	}
	v.Shape, v.Data = append(tensor.Shape(nil), v.Shape...), data
	v.Shape[dim] = s.n
	return v, nil
}
