package device

// Ledger is an implementation's record of its live buffers.
type Ledger struct {
	Device string // for errors
	Limit  int64  // bytes that can be live at a time; 0: no limit
	Used   int64
	live   map[Pointer]int64
}

// Reserve returns an error if so many bytes more are not possible.
func (l *Ledger) Reserve(bytes int64) error {
	if bytes <= 0 {
		return Argumentf("Alloc of %d bytes", bytes)
	}
	if free := l.Limit - l.Used; l.Limit > 0 && bytes > free {
		return &MemoryError{Wanted: bytes, Free: free, Device: l.Device}
	}
	return nil
}

// Add records a buffer.
func (l *Ledger) Add(b Buffer) {
	if l.live == nil {
		l.live = map[Pointer]int64{}
	}
	l.live[b.Pointer] = b.Bytes
	l.Used += b.Bytes
}

// Remove forgets a buffer; an error if it is not live.
func (l *Ledger) Remove(b Buffer) error {
	bytes, ok := l.live[b.Pointer]
	if !ok {
		return Argumentf("Free: %#x is no buffer of this device", uint64(b.Pointer))
	}
	l.Used -= bytes
	delete(l.live, b.Pointer)
	return nil
}

// Check returns an error unless [offset, offset+bytes) lies in a live buffer.
func (l *Ledger) Check(what string, b Buffer, offset, bytes int64) error {
	size, ok := l.live[b.Pointer]
	if !ok || b.Bytes > size {
		return Argumentf("%s: %#x is no buffer of this device", what, uint64(b.Pointer))
	}
	if offset < 0 || bytes < 0 || offset > b.Bytes || bytes > b.Bytes-offset {
		return Argumentf("%s: bytes %d to %d of a buffer of %d", what, offset, offset+bytes, b.Bytes)
	}
	return nil
}

// Drain calls free for every live buffer and forgets them.
func (l *Ledger) Drain(free func(Buffer)) {
	for p, bytes := range l.live {
		free(Buffer{p, bytes})
	}
	l.live, l.Used = nil, 0
}
