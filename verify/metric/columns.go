package metric

import "math"

// columns are the running figures by place along the last axis. Where rows are
// short several of them have slots of their own, so that a piece meets few ends of
// rows: element i of the tensor has slot i mod len(diff).
type columns struct {
	n                      int       // columns
	diff, err2             []float64 // Σ(a−e), Σ(a−e)²
	broken, small, distant []uint32  // not finite on either side; in the small-value domain; outside it and off by more than 1 ULP
}

// newColumns makes room for the n columns of a tensor.
func newColumns(elements, n int) columns {
	rows := max(1, min(chunk/n+1, elements/n))
	sums, counts := make([]float64, 2*rows*n), make([]uint32, 3*rows*n)
	end := rows * n
	return columns{n, sums[:end], sums[end:], counts[:end], counts[end : 2*end], counts[2*end:]}
}

// slot is that of an element.
func (c *columns) slot(at int64) int { return int(at % int64(len(c.diff))) }

// each calls do for the runs of slots that n elements have: elements from…from+n of
// them have the slots slot…slot+n.
func (c *columns) each(at int64, n int, do func(from, slot, n int)) {
	slot := c.slot(at)
	for from := 0; from < n; {
		run := min(n-from, len(c.diff)-slot)
		do(from, slot, run)
		from, slot = from+run, 0
	}
}

func (c *columns) merge(d *columns) {
	for i := range c.diff {
		c.diff[i] += d.diff[i]
		c.err2[i] += d.err2[i]
		c.broken[i] += d.broken[i]
		c.small[i] += d.small[i]
		c.distant[i] += d.distant[i]
	}
}

// column is what all slots of a column hold.
type column struct {
	diff, err2             float64
	broken, small, distant int64
}

func (c *columns) column(i int) (all column) {
	for ; i < len(c.diff); i += c.n {
		all.diff += c.diff[i]
		all.err2 += c.err2[i]
		all.broken += int64(c.broken[i])
		all.small += int64(c.small[i])
		all.distant += int64(c.distant[i])
	}
	return all
}

// worst looks for the column that stands out in a tensor.
func (c *columns) worst(elements int64) Column {
	worst, rows := Column{Index: -1, SteadyAt: -1}, elements/int64(c.n)
	total := 0.0
	for _, err2 := range c.err2 {
		total += err2
	}
	for i := range c.n {
		this := c.column(i)
		seen := rows - this.broken
		if share := this.err2 / total; total > 0 && share > worst.Share {
			worst.Index, worst.Share = i, share
			worst.Offset = math.Abs(this.diff) / math.Sqrt(float64(seen)*this.err2)
		}
		measured := seen - this.small
		if measured < steadyRows {
			continue
		}
		if steady := float64(this.distant) / float64(measured); steady > worst.Steady {
			worst.SteadyAt, worst.Steady = i, steady
		}
	}
	return worst
}

// steadyRows is the least number of elements that make a column's steadiness say
// anything.
const steadyRows = 4
