package ops

import "colakit/kernels/device"

// Sampling says how tokens are chosen; see package reference/generate.
type Sampling struct {
	Each        int     // rows of a sample
	Seen        Vector  // U8, [samples, vocab]: 1 for ids of earlier blocks; none: nothing was seen
	Penalty     float32 // of seen ids; 1: none
	Round       Type    // of every result: the logits' type under the released contract, else F32
	Temperature float32 // the rest is for Draw alone
	TopK        int     // 0: all
	TopP        float32 // outside (0, 1): all
}

func (s Sampling) check(c *checker, ids Vector, logits Matrix) {
	c.matrix("logits", logits, logits.Rows, logits.Cols)
	c.vector("ids", ids, I32, logits.Rows)
	c.require(s.Each > 0, "%d rows of a sample", s.Each)
	c.optionalVector("seen", s.Seen, U8, ceil(logits.Rows, max(s.Each, 1))*logits.Cols)
	c.require(s.Round.float(), "rounding to %v", s.Round)
}

// Argmax chooses the most probable token of every row of logits [rows, vocab], the
// lowest id of equals, after NaN and infinities were replaced and seen ids weakened.
// broken [rows] (I32; none: nobody asks) says where they were, 1, and where not, 0.
func (o *Ops) Argmax(ids, broken Vector, logits Matrix, s Sampling) error {
	c := &checker{op: "argmax"}
	s.check(c, ids, logits)
	c.optionalVector("broken", broken, I32, logits.Rows)
	if c.err != nil || logits.Rows == 0 {
		return c.err
	}
	return o.launch("argmax_tokens", device.Launch{Grid: device.D(logits.Rows), Block: device.D(threads)},
		ids, logits, logits.Type, logits.Stride, logits.Cols, s.Seen, s.Each, s.Penalty, s.Round, broken)
}

// Draw chooses tokens at random: draws [rows, vocab] (F32, exponentially distributed)
// decide. work [rows, vocab] (F32) is overwritten.
func (o *Ops) Draw(ids Vector, work, logits, draws Matrix, s Sampling) error {
	c := &checker{op: "draw"}
	s.check(c, ids, logits)
	for _, m := range []Matrix{work, draws} {
		c.matrix("work or draws", m, logits.Rows, logits.Cols)
		c.require(m.Type == F32 && m.Stride == m.Cols, "work and draws are f32 without gaps")
	}
	c.require(s.Temperature > 0, "a temperature of %v", s.Temperature)
	if c.err != nil || logits.Rows == 0 {
		return c.err
	}
	return o.launch("draw_tokens", device.Launch{Grid: device.D(logits.Rows), Block: device.D(threads)},
		ids, work, logits, logits.Type, logits.Stride, logits.Cols, s.Seen, s.Each, s.Penalty,
		s.Temperature, s.TopK, s.TopP, draws, s.Round)
}

// MarkSeen notes the ids of a block, `each` for a sample, in seen [samples, vocab].
func (o *Ops) MarkSeen(seen, ids Vector, vocab, each int) error {
	c := &checker{op: "mark seen"}
	c.require(vocab > 0 && each > 0, "%d ids of a vocabulary of %d", each, vocab)
	samples := ids.N / max(each, 1)
	c.vector("ids", ids, I32, samples*each)
	c.vector("seen", seen, U8, samples*vocab)
	if c.err != nil || samples == 0 {
		return c.err
	}
	return o.launch("mark_seen", device.Launch{Grid: device.D(samples), Block: device.D(32)}, seen, ids, vocab, each)
}
