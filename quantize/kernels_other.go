//go:build !amd64

package quantize

// kernels lists those that this processor can run, the fastest first.
func kernels() []kernel { return []kernel{plain} }

func (d *differences) add(x, y []float32) { d.plainAdd(x, y) }

func (m laneMasks) scan(data []byte) (carries, any uint64) { return m.plainScan(data) }

func scanCodes(data []byte) (lowest, any uint64) { return plainScanCodes(data) }
