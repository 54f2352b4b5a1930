package cola

import (
	"colakit/formats/tensor"
	"colakit/internal/anatomy"
	"encoding/binary"
	"errors"
	"reflect"
	"testing"
)

func FuzzParse(f *testing.F) {
	f.Add(write(f, small()[:1], sampleMeta))
	f.Add(write(f, quantized()[2:4], sampleMeta))
	f.Add(write(f, nil, sampleMeta))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzOne(t, data)
		reseal128(data)
		fuzzOne(t, data)
	})
}

// reseal128 lets the fuzzer get past the checksums.
func reseal128(data []byte) {
	if len(data) >= superblockBytes {
		copy(data, magic)
		binary.LittleEndian.PutUint64(data[fileSizeAt:], uint64(len(data)))
		reseal(data)
	}
}

func fuzzOne(t *testing.T, data []byte) {
	describe(&anatomy.Description{}, data)
	file, err := parse("fuzz.cola", data)
	if err != nil {
		if !errors.Is(err, tensor.ErrDamaged) && !errors.Is(err, ErrVersion) {
			t.Fatalf("an error that is neither damage nor version: %v", err)
		}
		return
	}
	for _, d := range file.Descs() {
		if v, err := file.Read(d.Name); err == nil && !reflect.DeepEqual(v.Desc, d) {
			t.Fatalf("%v read as %v", d, v.Desc)
		}
	}
	file.Meta()
}
