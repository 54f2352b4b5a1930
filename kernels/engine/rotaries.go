package engine

import (
	"slices"

	"colakit/kernels/ops"
)

// sharedRopes gives blocks of the same frequencies the same tables.
type sharedRopes struct {
	frequencies [][]float32
	made        []*rotary
}

func (s *sharedRopes) of(l *loader, frequencies []float32) *rotary {
	for i, known := range s.frequencies {
		if slices.Equal(known, frequencies) {
			return s.made[i]
		}
	}
	r := &rotary{frequency: l.floats(frequencies), pairs: len(frequencies), step: ops.F32, interleaved: true}
	s.frequencies, s.made = append(s.frequencies, frequencies), append(s.made, r)
	l.engine.ropes = append(l.engine.ropes, r)
	return r
}
