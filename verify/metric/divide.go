package metric

import (
	"context"
	"runtime"
	"sync"
)

// A tensor is divided into parts by its shape alone, so that sums are the same for
// any number of processors: parts of at least partElements, at most mostParts, and
// fewer where the sums by column would take more memory than partColumns of them.
const (
	partElements = 1 << 17
	mostParts    = 16
	partColumns  = 1 << 20
)

func partCount(n, cols int) int {
	return max(1, min(n/partElements, mostParts, partColumns/max(cols, 1)))
}

// divide calls do for every part from…to of n elements and returns the results in
// order. Large tensors are divided among the processors.
func divide[T any](ctx context.Context, n, cols int, do func(ctx context.Context, from, to int) (T, error)) ([]T, error) {
	parts := partCount(n, cols)
	results, errs := make([]T, parts), make([]error, parts)
	part := func(i int) { results[i], errs[i] = do(ctx, boundary(n, i, parts), boundary(n, i+1, parts)) }
	if workers := min(parts, runtime.GOMAXPROCS(0)); workers > 1 {
		spread(parts, workers, part)
	} else {
		for i := range parts {
			part(i)
		}
	}
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}

// boundary is the first element of part i, a multiple of chunk but for the end.
func boundary(n, i, parts int) int {
	if i == parts {
		return n
	}
	return n / chunk * i / parts * chunk
}

// spread calls do(0) … do(n−1) on so many goroutines.
func spread(n, workers int, do func(int)) {
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	running.Wait()
}
