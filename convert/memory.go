package convert

import (
	"fmt"
	"runtime"

	"colakit/formats/cola"
	"colakit/internal/blake3"
	"colakit/internal/units"
)

// Memory says how many workers and tiles share how much memory. All sizes are in
// bytes of resident memory.
type Memory struct {
	Peak    int64 `json:"peak"`    // Program + Tables + the larger one of Jobs × Worker + Tiles × Tile and Modulations
	Program int64 `json:"program"` // text, runtime, stacks, garbage
	Tables  int64 `json:"tables"`  // what both files hold, and the files that are held as a whole
	Jobs    int   `json:"jobs"`    // workers
	Worker  int64 `json:"worker"`  // what one has read, and what it needs to convert it
	Tiles   int   `json:"tiles"`   // in work at once: converted, or waiting for their turn
	Tile    int64 `json:"tile"`
	Limit   int64 `json:"limit"` // of Peak
	// Modulations is what computing the AdaLN table takes, before there are workers.
	Modulations int64 `json:"modulations,omitempty"`
}

// What was measured on linux/amd64, and rounded up.
const (
	programBytes = 20 << 20
	tensorBytes  = 6 << 10 // of tables, for each tensor
	partBytes    = 128     // of what is noted of each part of the source
)

// The largest number of tiles, and so of workers, and the largest memory above the
// tables where no limit is asked for.
const (
	maxTiles     = 20
	maxAnonymous = 300e6
)

// need returns the memory of one worker with one tile.
func (c *Conversion) need() Memory {
	m := Memory{
		Program: programBytes, Tile: c.tileBytes(),
		Tables: int64(len(c.Steps))*tensorBytes + c.SourceBytes/blake3.PartSize*partBytes,
		Worker: blake3.PartSize + 64<<10,
	}
	for _, f := range c.source.files {
		m.Tables += 4 * int64(len(f.data)) // as they are, parsed, and in the artifact
	}
	table, computing := c.tableMemory()
	m.Tables, m.Modulations = m.Tables+table, computing
	rows := int64(0)
	for _, s := range c.Steps {
		if s.To.Quantized() {
			rows = max(rows, 24*int64(s.Shape[1]), 512<<10) // floats that wait, and their codes
		}
	}
	m.Worker += rows
	return m.with(1, 1)
}

// with returns the same for so many workers and tiles.
func (m Memory) with(jobs, tiles int) Memory {
	m.Jobs, m.Tiles = jobs, tiles
	m.Peak = m.Program + m.Tables + max(int64(jobs)*m.Worker+int64(tiles)*m.Tile, m.Modulations)
	return m
}

// tileBytes returns the largest size of a tile with its scales.
func (c *Conversion) tileBytes() int64 {
	largest := int64(cola.ChunkBytes)
	for _, e := range c.layout {
		if n := e.DataChunks(); e.Scales != nil && n > 0 {
			largest = max(largest, e.ChunkBytes(0)+e.ChunkBytes(n))
		}
	}
	return largest
}

// Memory decides how many of the jobs that are asked for (0: one per processor)
// and how many tiles fit into a limit (0: 300 MB above the
// tables). More tiles than jobs let workers
// go on while one is waited for. It is an error if one worker with one tile does
// not fit.
func (c *Conversion) Memory(jobs int, limit int64) (Memory, error) {
	m := c.need()
	if limit == 0 {
		limit = m.Tables + maxAnonymous
	}
	m.Limit = limit
	if m.Peak > limit {
		return m, fmt.Errorf("this conversion takes %s of memory at least, more than the limit of %s: raise --max-rss", units.Bytes(m.Peak), units.Bytes(limit))
	}
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	for m.Jobs < min(jobs, maxTiles) && m.with(m.Jobs+1, m.Jobs+1).Peak <= limit {
		m = m.with(m.Jobs+1, m.Jobs+1)
	}
	for most := min(m.Jobs+4, maxTiles); m.Tiles < most && m.with(m.Jobs, m.Tiles+1).Peak <= limit; {
		m = m.with(m.Jobs, m.Tiles+1)
	}
	return m, nil
}
