package engine

import (
	"errors"

	"colakit/kernels/device"
)

// A recording is the launches of a pass of one shape, recorded once and replayed for
// every pass of that shape. What changes from pass to pass lies in device memory.
type recording struct {
	key   any // what the launches depend on, addresses included; nil: nothing was launched yet
	graph device.Graph
}

// replay launches a pass. The first one of a shape is not recorded, for it takes memory,
// which can't be; the second is recorded.
func (e *engine) replay(r *recording, key func() any, launches func() error) error {
	known := r.key != nil && r.key == key()
	if known && r.graph == nil {
		graph, err := e.device.Capture(launches)
		if err != nil {
			return err
		}
		r.graph = graph
	}
	if known {
		return r.graph.Launch()
	}
	if err := r.close(); err != nil {
		return err
	}
	if err := launches(); err != nil {
		return err // what it lacked it may still lack
	}
	r.key = key()
	return nil
}

func (r *recording) close() error {
	graph := r.graph
	*r = recording{}
	if graph == nil {
		return nil
	}
	return graph.Close()
}

// moves counts what changes the addresses of launches.
type moves struct {
	prior, decoder, arena, lines, ropes int
}

func (e *engine) moves() moves {
	m := moves{e.dit.cache.grown, e.decoder.cache.grown, e.scratch.grown(), e.dit.cond.grown, 0}
	for _, r := range e.ropes {
		m.ropes += r.grown
	}
	return m
}

// closeAll closes recordings.
func closeAll(all ...*recording) error {
	var errs []error
	for _, r := range all {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}
