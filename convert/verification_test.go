package convert

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"colakit/quantize"
)

// TestVerify: Execute has the complete artifact verified under another name, and
// stores the verdicts without changing its size.
func TestVerify(t *testing.T) {
	src, dir := small(t), t.TempDir()
	out := filepath.Join(dir, "out.cola")
	c := prepare(t, Options{Source: src, Type: quantize.F32, Bundles: 1})
	planned, seen := c.OutputBytes, ""
	s, err := c.Execute(t.Context(), out, ExecuteOptions{Verify: func(ctx context.Context, path string) (Verification, error) {
		seen = path
		r, err := Check(ctx, path, CheckOptions{})
		if err != nil || r.Err() != nil || r.Bytes != planned {
			t.Errorf("what is verified: %v, %v, %d bytes of %d", err, r.Err(), r.Bytes, planned)
		}
		return Verification{Incomplete, []Verdict{{Bundle: strings.Repeat("<", 200), Contract: "exact", Level: "ops", State: Incomplete,
			Reason: strings.Repeat("\x02ü", 200), Compared: 7}}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if seen == out || filepath.Dir(seen) != dir {
		t.Errorf("verified was %s", seen)
	}
	r, err := Check(t.Context(), out, CheckOptions{})
	if err != nil || r.Err() != nil || r.Bytes != planned || r.Root != s.Root {
		t.Errorf("the artifact: %v, %v, %d bytes of %d, root %v, in the summary %v", err, r.Err(), r.Bytes, planned, r.Root, s.Root)
	}
	i, err := Inspect(out)
	if err != nil {
		t.Fatal(err)
	}
	b := i.Provenance.Verification.Bundles[0]
	if len(b.Bundle) != bundleBytes || len(b.Reason) > reasonBytes || !strings.HasSuffix(b.Reason, "…") || b.Compared != 7 {
		t.Errorf("stored: %+v", b)
	}
	wantOnly(t, dir, "out.cola")
}

// TestVerifyErrors: whatever goes wrong with the verification leaves nothing.
func TestVerifyErrors(t *testing.T) {
	src, wrong := small(t), errors.New("numerically wrong")
	one := []Verdict{{State: Verified}}
	for name, c := range map[string]struct {
		v    Verification
		err  error
		want string
	}{
		"failed":            {Verification{}, wrong, "numerically wrong"},
		"interrupted":       {Verification{}, context.Canceled, "canceled"},
		"no verdict":        {Verification{State: Unverified}, nil, "0 golden bundles gave a verdict, not 1"},
		"unknown state":     {Verification{Verified, []Verdict{{State: "good"}}}, nil, "has the state good"},
		"state of no sense": {Verification{Incomplete, one}, nil, "by its 1 bundles it is verified"},
	} {
		dir := t.TempDir()
		conversion := prepare(t, Options{Source: src, Type: quantize.F32, Bundles: 1})
		_, err := conversion.Execute(t.Context(), filepath.Join(dir, "out.cola"), ExecuteOptions{
			Verify: func(context.Context, string) (Verification, error) { return c.v, c.err },
		})
		if wantError(t, err, c.want); c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: error %v", name, err)
		}
		wantOnly(t, dir)
	}
	for bundles, verify := range map[int]func(context.Context, string) (Verification, error){
		1: nil, 0: func(context.Context, string) (Verification, error) { return Verification{}, nil },
	} {
		_, err := prepare(t, Options{Source: src, Type: quantize.F32, Bundles: bundles}).Execute(t.Context(), filepath.Join(t.TempDir(), "x"), ExecuteOptions{Verify: verify})
		wantError(t, err, "was prepared")
	}
}

// TestVerificationSize: no verdicts exceed the room for them.
func TestVerificationSize(t *testing.T) {
	size, err := largestProvenance(Plan{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, char := range []string{"a", "<", "\x00", "\xff", "\u2028", "\"", "😀", "�"} {
		long := strings.Repeat(char, 1000)
		v := Verdict{Bundle: long, Contract: long, Level: long, State: Incomplete, Reason: long, Compared: -1 << 63}
		for i := range v.SHA256 {
			v.SHA256[i] = 255
		}
		p := Provenance{Tool: Tool, Verification: Verification{Incomplete, []Verdict{v, v}}.bounded()}
		p.Plan.OutputBytes = 1<<63 - 1
		if raw, err := p.encode(size); err != nil || len(raw) != size {
			t.Errorf("%q: %d bytes of %d, %v", char, len(raw), size, err)
		}
	}
}
