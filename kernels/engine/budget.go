package engine

import (
	"fmt"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/kernels/device"
	"colakit/kernels/ops"
)

// budget is how much device memory there is, and what the weights take of it.
type budget struct {
	limit, weights int64
}

// newBudget refuses a model whose weights don't fit, before any is uploaded.
func newBudget(src tensor.Source, info device.Info, o Options) (*budget, error) {
	b := &budget{limit: o.Memory}
	if b.limit == 0 || info.Free > 0 && info.Free < b.limit {
		b.limit = info.Free
	}
	for _, d := range src.Descs() {
		n, err := onDevice(d, typesOf(o.Contract))
		if err != nil {
			return nil, err
		}
		b.weights += n
	}
	need := b.weights + b.workspace()
	if b.limit > 0 && need > b.limit {
		return nil, fmt.Errorf("the weights take %d bytes on the device and the work space %d, of %d that are free or allowed: %w; allow more (--device-memory), convert the model with --type int8, or use a larger device",
			b.weights, b.workspace(), b.limit, device.ErrMemory)
	}
	return b, nil
}

// workspace returns the bytes for partial sums: less on a small device.
func (b *budget) workspace() int64 {
	if b.limit > 0 {
		return max(1<<20, min(workspaceBytes, b.limit/16))
	}
	return workspaceBytes
}

// tileRows and tileColumns are what matrices are padded to on the device.
const tileRows, tileColumns = 64, 32

// onDevice returns the bytes that a tensor takes there, about: matrices of numbers
// have 16 bits, codes 8, all padded to whole tiles. The token embedding and the AdaLN
// table are not multiplied and lie there as they are read.
func onDevice(d tensor.Desc, t types) (int64, error) {
	n, err := d.Shape.Elements()
	if err != nil {
		return 0, err
	}
	if len(d.Shape) < 2 {
		return aligned(4 * int64(n)), nil
	}
	switch d.Name {
	case hf.EncoderWTE.Weight():
		return aligned(int64(n) * int64(embeddingType(d.Type).Size())), nil
	case hf.AdaModulations:
		return aligned(int64(n) * int64(t.wide.Size())), nil
	}
	rows := int64(d.Shape[0])
	columns := int64(n) / max(rows, 1)
	padded := (rows + tileRows - 1) / tileRows * tileRows * ((columns + tileColumns - 1) / tileColumns * tileColumns)
	size := int64(2)
	if d.Type == dtype.I8 {
		size = 1
	}
	scales, err := d.ScaleBytes()
	return size*padded + scales, err
}

// embeddingType returns the type that a token embedding has on the device: the stored
// one, or float32 for what kernels don't look up.
func embeddingType(stored dtype.Type) ops.Type {
	for t, known := range floatTypes {
		if known == stored {
			return t
		}
	}
	return ops.F32
}
