package convert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// SHA256 is a SHA-256 digest, by which Hugging Face's storage names files.
type SHA256 [sha256.Size]byte

// String returns the digest in lower-case hexadecimal.
func (s SHA256) String() string { return hex.EncodeToString(s[:]) }

// MarshalText writes lower-case hexadecimal.
func (s SHA256) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (s *SHA256) UnmarshalText(text []byte) error {
	if len(text) != 2*len(s) {
		return fmt.Errorf("a SHA-256 digest has %d hexadecimal digits, found %d", 2*len(s), len(text))
	}
	_, err := hex.Decode(s[:], text)
	return err
}

// digests are the SHA-256 digests of the source, computed beside the conversion: a
// file has to be read in order for one, as tiles are not.
type digests struct {
	done chan struct{}
	sums map[*sourceFile]*SHA256
	err  error
}

// startDigests starts to compute them, if they are wanted.
func (c *Conversion) startDigests(ctx context.Context, src *weights) *digests {
	d := &digests{done: make(chan struct{}), sums: map[*sourceFile]*SHA256{}}
	if !c.SHA256 {
		close(d.done)
		return d
	}
	go func() {
		defer close(d.done)
		for _, f := range c.source.files {
			if d.sums[f], d.err = digest(ctx, f, src.byPath[f.path]); d.err != nil {
				return
			}
		}
	}()
	return d
}

// wait waits for the digests. They are final after it.
func (d *digests) wait() error {
	<-d.done
	return d.err
}

// digestBytes are read at a time.
const digestBytes = 256 << 10

func digest(ctx context.Context, f *sourceFile, h *weightFile) (*SHA256, error) {
	if h == nil {
		sum := SHA256(sha256.Sum256(f.data))
		return &sum, nil
	}
	hash := sha256.New()
	buffer := make([]byte, digestBytes)
	for at := int64(0); at < h.size; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(int64(len(buffer)), h.size-at)
		if err := h.read(buffer[:n], at); err != nil {
			return nil, err
		}
		hash.Write(buffer[:n])
		at += n
	}
	sum := SHA256(hash.Sum(nil))
	return &sum, nil
}
