package export

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// forEach calls work for 0…n−1 on several workers, in order. It returns the error
// of the first number that failed, or the context's; after one, no more are begun.
func forEach(ctx context.Context, jobs, n int, work func(i int, b *buffers) error) error {
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var next atomic.Int64
	var workers sync.WaitGroup
	var mu sync.Mutex
	first, failed := n, error(nil)
	for range min(jobs, n, maxJobs) {
		workers.Go(func() {
			b := &buffers{}
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := work(i, b); err != nil {
					mu.Lock()
					if i < first {
						first, failed = i, err
					}
					mu.Unlock()
					cancel()
				}
			}
		})
	}
	workers.Wait()
	if failed != nil {
		return failed
	}
	return context.Cause(ctx)
}

// maxJobs bounds the workers, and so the memory: about 16 MiB for each.
const maxJobs = 16
