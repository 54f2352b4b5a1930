//go:build cuda && cgo

package driver

import (
	"unsafe"

	"gorgonia.org/cu"
)

// stagingBytes is the size of a piece of a copy. Two of them: the host fills one
// while the device reads the other.
const stagingBytes = 4 << 20

// staging is pinned host memory through which copies go.
type staging struct {
	pieces [2]struct {
		memory []byte
		done   cu.Event // of the last copy from or to it
		used   bool
	}
	next int
}

func newStaging() (*staging, error) {
	s := &staging{}
	for i := range s.pieces {
		p := &s.pieces[i]
		var err error
		if p.memory, err = allocatePinned(stagingBytes); err == nil {
			p.done, err = cu.MakeEvent(cu.DisableTiming)
			err = checked("cuEventCreate", err)
		}
		if err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// upload enqueues a copy of src; src can be changed as soon as it returns.
func (s *staging) upload(to cu.DevicePtr, src []byte, on cu.Stream) error {
	for len(src) > 0 {
		p := &s.pieces[s.next]
		s.next ^= 1
		if p.used {
			if err := checked("cuEventSynchronize", p.done.Synchronize()); err != nil {
				return err
			}
		}
		n := copy(p.memory, src)
		if err := checked("cuMemcpyHtoDAsync", cu.MemcpyHtoDAsync(to, unsafe.Pointer(&p.memory[0]), int64(n), on)); err != nil {
			return err
		}
		if err := checked("cuEventRecord", p.done.Record(on)); err != nil {
			return err
		}
		p.used = true
		to += cu.DevicePtr(n)
		src = src[n:]
	}
	return nil
}

// download copies to dst and waits for the stream.
func (s *staging) download(dst []byte, from cu.DevicePtr, on cu.Stream) error {
	memory := s.pieces[0].memory // free after the wait for the stream in front of the copy out
	for {
		n := min(len(dst), len(memory))
		if n > 0 {
			if err := checked("cuMemcpyDtoHAsync", cu.MemcpyDtoHAsync(unsafe.Pointer(&memory[0]), from, int64(n), on)); err != nil {
				return err
			}
		}
		if err := checked("cuStreamSynchronize", on.Synchronize()); err != nil {
			return err
		}
		copy(dst, memory[:n])
		dst, from = dst[n:], from+cu.DevicePtr(n)
		if len(dst) == 0 {
			return nil
		}
	}
}

func (s *staging) close() {
	for i := range s.pieces {
		p := &s.pieces[i]
		if p.memory != nil {
			freePinned(p.memory)
		}
		if p.done != (cu.Event{}) {
			cu.DestroyEvent(&p.done)
		}
	}
}
