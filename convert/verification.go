package convert

import (
	"context"
	"fmt"
	"strings"
)

// Verification says whether the artifact was held against golden bundles.
type Verification struct {
	State   string    `json:"state"`             // Unverified, Verified or Incomplete
	Bundles []Verdict `json:"bundles,omitempty"` // that it was held against
}

// The states. Incomplete means that nothing was wrong, but that not everything
// that a bundle holds could be compared. An artifact with a failed verdict is
// never stored.
const (
	Unverified = "unverified"
	Verified   = "verified"
	Incomplete = "incomplete"
)

// Verdict is that of one golden bundle. Texts longer than their bounds are cut.
type Verdict struct {
	Bundle   string `json:"bundle"`   // its name; at most 100 bytes
	SHA256   SHA256 `json:"sha256"`   // of its bundle.json, which holds the sums of the rest
	Contract string `json:"contract"` // of the run; at most 20 bytes
	Level    string `json:"level"`    // of what was recorded; at most 20 bytes
	State    string `json:"state"`    // Verified or Incomplete
	Reason   string `json:"reason"`   // of it, in one line; at most 300 bytes
	Compared int64  `json:"compared"` // elements
}

// The bounds of a verdict's texts, in bytes, by which the provenance has room.
const (
	bundleBytes = 100
	wordBytes   = 20
	reasonBytes = 300
)

// widest is a byte that takes as much in JSON as any.
const widest = "\x01"

// largestVerification is one whose JSON none of so many bundles exceeds.
func largestVerification(bundles int) Verification {
	v := Verification{State: Unverified}
	for range bundles {
		v.State = Incomplete
		v.Bundles = append(v.Bundles, Verdict{
			Bundle: strings.Repeat(widest, bundleBytes), Contract: strings.Repeat(widest, wordBytes), Level: strings.Repeat(widest, wordBytes),
			State: Incomplete, Reason: strings.Repeat(widest, reasonBytes), Compared: -1 << 63,
		})
	}
	return v
}

// bounded returns v with texts that fit, one line each.
func (v Verification) bounded() Verification {
	bundles := make([]Verdict, len(v.Bundles))
	for i, b := range v.Bundles {
		b.Bundle, b.Reason = cut(b.Bundle, bundleBytes), cut(b.Reason, reasonBytes)
		b.Contract, b.Level = cut(b.Contract, wordBytes), cut(b.Level, wordBytes)
		bundles[i] = b
	}
	v.Bundles = bundles
	return v
}

// cut returns at most so many bytes of a text, and no part of a character.
func cut(text string, bytes int) string {
	const mark = "…"
	if text = strings.ToValidUTF8(text, "?"); len(text) <= bytes {
		return text
	}
	return strings.ToValidUTF8(text[:bytes-len(mark)], "") + mark
}

// check returns an error unless the state is one that a conversion stores and
// follows from those of the bundles.
func (v Verification) check() error {
	want := Unverified
	for _, b := range v.Bundles {
		switch {
		case b.State != Verified && b.State != Incomplete:
			return fmt.Errorf("the verification against bundle %s has the state %s, want %s or %s", show(b.Bundle), show(b.State), Verified, Incomplete)
		case b.State == Incomplete || want == Unverified:
			want = b.State
		}
	}
	if v.State != want && (v.State != "" || want != Unverified) {
		return fmt.Errorf("the verification has the state %s, by its %d bundles it is %s", show(v.State), len(v.Bundles), want)
	}
	return nil
}

// write writes the state, and below it the verdict of every bundle.
func (v Verification) write(w *writer, label string) {
	if len(v.Bundles) == 0 {
		w.line("%s%s", label, show(v.State))
	}
	for _, b := range v.Bundles {
		w.line("%s%s against %s (%s, %s): %s", label, show(b.State), show(b.Bundle), show(b.Contract), show(b.Level), b.reason())
		label = strings.Repeat(" ", len(label))
	}
}

func (b Verdict) reason() string {
	if b.Reason == "" {
		return fmt.Sprintf("%d elements compared", b.Compared)
	}
	return fmt.Sprintf("%s; %d elements compared", show(b.Reason), b.Compared)
}

// verify has the artifact in the temporary file verified, and stores the verdicts
// in it.
func (e *execution) verify(ctx context.Context, file *tempFile, verify func(context.Context, string) (Verification, error)) (Summary, error) {
	if err := file.Sync(); err != nil {
		return Summary{}, fmt.Errorf("syncing %s: %w", file.target.path, err)
	}
	v, err := verify(ctx, file.Name())
	if err != nil {
		return Summary{}, err
	}
	if len(v.Bundles) != e.bundles {
		return Summary{}, fmt.Errorf("%d golden bundles gave a verdict, not %d", len(v.Bundles), e.bundles)
	}
	e.made.Verification = v.bounded()
	if err := e.made.Verification.check(); err != nil {
		return Summary{}, err
	}
	return e.seal()
}
