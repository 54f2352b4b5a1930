package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"colakit/formats/dtype"
	"colakit/internal/synth"
	"colakit/quantize"
)

// TestSizeIsExact plans every type: the artifact has as many bytes as planned.
func TestSizeIsExact(t *testing.T) {
	src := checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32})
	wte, err := quantize.ParseRule("wte=int8-g64-f32")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{
		{Type: quantize.F32}, {Type: quantize.F16, SHA256: true}, {Type: quantize.Int8}, {Type: quantize.Int8G32},
		{Type: quantize.BF16, Rules: []quantize.Rule{wte}},
	} {
		o.Source = src
		c := prepare(t, o)
		p, err := c.Preview(t.Context(), PreviewOptions{})
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "out.cola")
		s, err := c.Execute(t.Context(), out, ExecuteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(out)
		if err != nil || info.Size() != p.OutputBytes || p.Disk.Needed != p.OutputBytes || s.OutputBytes != p.OutputBytes {
			t.Errorf("%v: planned %d bytes, disk %d, written %d, %v", o.Type, p.OutputBytes, p.Disk.Needed, info.Size(), err)
		}
		for i, e := range openArtifact(t, out).Entries() {
			if got := e.TotalBytes(); got != p.Steps[i].Bytes {
				t.Errorf("%v: %s takes %d bytes, planned %d", o.Type, e.Name, got, p.Steps[i].Bytes)
			}
		}
	}
}

// TestPreview looks at what a plan takes, as text and as JSON.
func TestPreview(t *testing.T) {
	c := prepare(t, Options{Source: checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32}), Type: quantize.Int8})
	out := filepath.Join(t.TempDir(), "out.cola")
	p, err := c.Preview(t.Context(), PreviewOptions{Output: out, Jobs: 3, Probe: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if p.Disk.Folder != filepath.Dir(out) || p.Disk.Free == nil || *p.Disk.Free <= 0 || p.Memory.Jobs != 3 {
		t.Errorf("disk %+v, memory %+v", p.Disk, p.Memory)
	}
	if e := p.Time; e == nil || e.Measured <= 0 || math.Abs(e.Seconds*e.Rate-float64(p.SourceBytes)) > 1 || math.Abs(e.Rate*e.Took-float64(e.Measured)) > 1 {
		t.Errorf("estimate %+v", e)
	}
	var text, raw bytes.Buffer
	if err := errors.Join(p.WriteText(&text), WriteJSON(&raw, p)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"quantised to int8", "needed", "at most", "measured by converting", "attention and MLP of the blocks are int8"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, &text)
		}
	}
	var back Preview
	if err := json.Unmarshal(raw.Bytes(), &back); err != nil || len(back.Steps) != len(c.Steps) || back.Memory != p.Memory {
		t.Errorf("read back: %d tensors, %v", len(back.Steps), err)
	}
	wantOnly(t, filepath.Dir(out))
	if p, err = c.Preview(t.Context(), PreviewOptions{}); err != nil || p.Time != nil || p.Disk.Folder != "." {
		t.Errorf("without a probe: %+v, %v", p.Time, err)
	}
}

// TestPreviewChecks makes the checks of an execution.
func TestPreviewChecks(t *testing.T) {
	src := small(t)
	c := prepare(t, Options{Source: src, Type: quantize.F32})
	out := outputs(t)
	_, err := c.Preview(t.Context(), PreviewOptions{Output: out})
	if !errors.Is(err, ErrExists) {
		t.Errorf("an output that is there: %v", err)
	}
	_, err = c.Preview(t.Context(), PreviewOptions{Output: ditWeights(src), Force: true})
	wantError(t, err, "is a file of the source")
	_, err = c.Preview(t.Context(), PreviewOptions{MaxMemory: 1 << 20})
	wantError(t, err, "more than the limit of 1.05 MB")
	c.OutputBytes = math.MaxInt64
	_, err = c.Preview(t.Context(), PreviewOptions{Output: out, Force: true})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a disk that is too small: %v", err)
	}
}

// TestMemory fits workers and tiles into limits.
func TestMemory(t *testing.T) {
	c := prepare(t, Options{Source: small(t), Type: quantize.Int8})
	least := c.need().Peak
	for _, x := range []struct {
		jobs        int
		limit       int64
		wantJobs    int
		wantTiles   int
		possible    bool
		description string
	}{
		{1, 0, 1, 5, true, "one job"},
		{2, 0, 2, 6, true, "two jobs"},
		{1000, 0, 20, 20, true, "more jobs than tiles"},
		{4, least, 1, 1, true, "the least"},
		{4, least - 1, 0, 0, false, "too little"},
		{4, least + c.tileBytes(), 1, 2, true, "room for another tile"},
		{2, 1 << 40, 2, 6, true, "plenty"},
	} {
		m, err := c.Memory(x.jobs, x.limit)
		if (err == nil) != x.possible {
			t.Errorf("%s: %v", x.description, err)
		}
		if err != nil {
			continue
		}
		if m.Jobs != x.wantJobs || m.Tiles != x.wantTiles {
			t.Errorf("%s: %d jobs and %d tiles, want %d and %d", x.description, m.Jobs, m.Tiles, x.wantJobs, x.wantTiles)
		}
		if m.Peak != m.Program+m.Tables+int64(m.Jobs)*m.Worker+int64(m.Tiles)*m.Tile || m.Peak > m.Limit || m.Peak-m.Tables > maxAnonymous {
			t.Errorf("%s: %+v does not add up", x.description, m)
		}
	}
	if m, err := c.Memory(0, 0); err != nil || m.Jobs < 1 {
		t.Errorf("jobs by processors: %+v, %v", m, err)
	}
}

// TestLimitedMemory converts with one tile, to the same bytes.
func TestLimitedMemory(t *testing.T) {
	src := checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32})
	want := readFile(t, convertTo(t, src, quantize.Int8, ExecuteOptions{Jobs: 4}))
	least := prepare(t, Options{Source: src, Type: quantize.Int8}).need().Peak
	if got := readFile(t, convertTo(t, src, quantize.Int8, ExecuteOptions{Jobs: 4, MaxMemory: least})); !bytes.Equal(got, want) {
		t.Error("other bytes with one tile")
	}
	out := outputs(t)
	_, err := prepare(t, Options{Source: src, Type: quantize.Int8}).Execute(t.Context(), out, ExecuteOptions{Force: true, MaxMemory: least - 1})
	wantError(t, err, "memory at least", "raise --max-rss")
	wantUntouched(t, out)
}
