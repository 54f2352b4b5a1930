package engine

import (
	"fmt"
	"runtime"
	"sync"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// beyondF16 is the smallest number that rounds to a float16 infinity.
const beyondF16 = 65520

// checkRange reads weights that are to become float16 numbers and refuses the first
// value that is beyond them.
func checkRange(src tensor.Source, names []string) error {
	for _, name := range names {
		view, err := src.Read(name)
		if err != nil {
			return err
		}
		at, err := firstBeyond(view)
		if err != nil {
			return err
		}
		if at >= 0 {
			size := view.Type.Size()
			var value [1]float32
			if err := dtype.Float32s(value[:], view.Data[at*size:(at+1)*size], view.Type); err != nil {
				return err
			}
			return fmt.Errorf("tensor %q: element %d is %g, which float16 does not hold, and under the exact contract the kernels multiply float16 numbers: %w; run under the released contract, or use the reference engine",
				name, at, value[0], ErrUnsupported)
		}
	}
	return nil
}

// scanned is the number of elements that are looked at together.
const scanned = 1 << 16

// firstBeyond returns the index of the first element that float16 does not hold, -1 for
// none. All processors look.
func firstBeyond(view tensor.View) (int, error) {
	size := view.Type.Size()
	n := len(view.Data) / size
	chunks := (n + scanned - 1) / scanned
	workers := min(runtime.GOMAXPROCS(0), chunks)
	found, errs := make([]int, workers), make([]error, workers)
	var all sync.WaitGroup
	for w := range workers {
		found[w] = -1
		all.Add(1)
		go func() {
			defer all.Done()
			values := make([]float32, scanned)
			for c := w; c < chunks && found[w] < 0 && errs[w] == nil; c += workers {
				from, to := c*scanned, min((c+1)*scanned, n)
				part := values[:to-from]
				if errs[w] = dtype.Float32s(part, view.Data[from*size:to*size], view.Type); errs[w] != nil {
					return
				}
				if i := beyond(part); i >= 0 {
					found[w] = from + i
				}
			}
		}()
	}
	all.Wait()
	first := -1
	for w, at := range found {
		if errs[w] != nil {
			return -1, errs[w]
		}
		if at >= 0 && (first < 0 || at < first) {
			first = at
		}
	}
	return first, nil
}

func beyond(values []float32) int {
	for i, v := range values {
		if v >= beyondF16 || v <= -beyondF16 {
			return i
		}
	}
	return -1
}
