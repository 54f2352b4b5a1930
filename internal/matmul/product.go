package matmul

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// The product is cut so that what is used again stays in a cache (sizes of
// server processors; smaller caches only cost time): a tile's piece of w in the
// first level while it meets all rows of a panel of x, the panel in the second.
const (
	pieceLength = 2048 // elements of a row; a multiple of lanes
	panelBytes  = 1 << 20
	panelRows   = 64
	blockCols   = 16 * tileCols

	// minTask is the least number of multiplications that is worth a goroutine.
	minTask = 1 << 16
)

// product is one multiplication, cut into tasks: panels of rows of x by blocks
// of rows of w.
type product[T element] struct {
	dst, x, w      matrix[T]
	rows, n, k     int
	panelRows      int
	panels, blocks int
	kernel         kernel[T]
	next           atomic.Int64
}

func (p *product[T]) plan(rows, n, k int) {
	p.rows, p.n, p.k = rows, n, k
	rowBytes := max(k, 1) * int(unsafe.Sizeof(p.dst.data[0]))
	p.panelRows = min(max(panelBytes/rowBytes/tileRows, 2)*tileRows, panelRows)
	p.panels = (rows + p.panelRows - 1) / p.panelRows
	p.blocks = (n + blockCols - 1) / blockCols
	p.kernel = choose[T]()
}

// run does all tasks on at most workers goroutines, the caller's among them.
func (p *product[T]) run(workers int) {
	tasks := p.panels * p.blocks
	worth := p.rows * p.n / (minTask/max(p.k, 1) + 1)
	workers = min(workers, tasks, worth)
	var group sync.WaitGroup
	for range workers - 1 {
		group.Go(func() { p.work(tasks) })
	}
	p.work(tasks)
	group.Wait()
}

// work does tasks until none is left. The panels of a block of w follow each
// other, so that workers share what they read.
func (p *product[T]) work(tasks int) {
	var s scratch[T]
	for {
		t := int(p.next.Add(1)) - 1
		if t >= tasks {
			return
		}
		p.task(&s, t%p.panels*p.panelRows, t/p.panels*blockCols)
	}
}
