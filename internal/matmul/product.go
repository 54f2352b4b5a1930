package matmul

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// A tile is the block of the product that is computed in one go: tileRows rows
// of x by tileCols rows of w.
const (
	tileRows = 4
	tileCols = 6
)

type tile[T element] [tileRows * tileCols]T

// kernel computes out[r·tileCols+c] = x[r]·w[c] for the first rows of x and all
// of w, in the package's order of summation. All rows are of the same length.
type kernel[T element] func(out *tile[T], x *[tileRows][]T, w *[tileCols][]T, rows int)

// named is a float32 kernel and the instructions that it is made of.
type named struct {
	name string
	kernel[float32]
}

// fast is the float32 kernel in use, nil where there is only the portable one.
var fast = func() kernel[float32] {
	if kernels := fastKernels(); len(kernels) > 0 {
		return kernels[0].kernel
	}
	return nil
}()

func choose[T element]() kernel[T] {
	if k, ok := any(fast).(kernel[T]); ok && k != nil {
		return k
	}
	return portable[T]
}

// scratch is a worker's own memory.
type scratch[T element] struct {
	out tile[T]
	x   [tileRows][]T
	w   [tileCols][]T
}

const (
	panelBytes = 256 << 10 // of x, to stay in the second-level cache
	blockCols  = 8 * tileCols
	// minTask is the least number of multiplications that is worth a goroutine.
	minTask = 1 << 16
)

// product is one multiplication, cut into tasks: panels of rows of x by blocks
// of rows of w. Within a task a tile's rows of w meet all rows of the panel
// while they are in the cache.
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
	p.panelRows = max(panelBytes/rowBytes/tileRows, 2) * tileRows
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

// work does tasks until none is left. Blocks of w go by in order, so that
// workers share what they read.
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

// task computes the part of dst that begins at row and col. Where a tile sticks
// out of it, its last row of x or w stands in for those that are not there.
func (p *product[T]) task(s *scratch[T], row, col int) {
	rowEnd, colEnd := min(row+p.panelRows, p.rows), min(col+blockCols, p.n)
	for c := col; c < colEnd; c += tileCols {
		for i := range s.w {
			s.w[i] = p.w.row(min(c+i, colEnd-1))
		}
		for r := row; r < rowEnd; r += tileRows {
			rows := min(tileRows, rowEnd-r)
			for i := range s.x {
				s.x[i] = p.x.row(min(r+i, rowEnd-1))
			}
			p.kernel(&s.out, &s.x, &s.w, rows)
			for i := range rows {
				copy(p.dst.row(r + i)[c:colEnd], s.out[i*tileCols:(i+1)*tileCols])
			}
		}
	}
}
