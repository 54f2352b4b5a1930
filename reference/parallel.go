package reference

import "sync"

// worthwhile is the number of elementary operations below which starting a
// goroutine costs more than it saves.
const worthwhile = 1 << 15

// spread calls fn with consecutive ranges that cover 0…n−1, at the same time on
// up to workers goroutines, and returns when all have. cost is the rough number
// of elementary operations for each of the n. What fn computes for one index must
// not depend on the range it comes in.
func spread(workers, n, cost int, fn func(from, to int)) {
	parts := min(workers, n, 1+n*cost/worthwhile)
	if parts <= 1 {
		fn(0, n)
		return
	}
	var done sync.WaitGroup
	for i := range parts {
		done.Go(func() { fn(i*n/parts, (i+1)*n/parts) })
	}
	done.Wait()
}
