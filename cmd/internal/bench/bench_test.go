package bench

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"colakit/cmd/internal/model"
	"colakit/formats/tensor"
	"colakit/kernels"
	"colakit/kernels/device"
	"colakit/kernels/meter"
)

func tiny(t *testing.T) Subject {
	t.Helper()
	m, err := model.Open(t.Context(), model.Tiny)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return Subject{m.Name, m.File, m.Config}
}

func choice(t *testing.T, f model.EngineFlags) model.Choice {
	t.Helper()
	c, err := f.Choose()
	if errors.Is(err, device.ErrUnavailable) {
		t.Skip("not run: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func quiet(string, int64, int64) {}

// short is the least that has everything in it.
func short() Options {
	return Options{Batch: 2, PromptTokens: 6, Blocks: 1, Steps: 2, Runs: 2}
}

// TestParts: the calls of the loop and what passes between them make up the blocks.
func TestParts(t *testing.T) {
	s := tiny(t)
	c := choice(t, model.EngineFlags{Name: model.DefaultEngine})
	m := &measurement{Options: short(), subject: s, choice: c, progress: quiet}
	var err error
	if m.engine, err = c.Build(s.Weights, s.Config, m.Contract, m.Activations); err != nil {
		t.Fatal(err)
	}
	defer m.engine.Close()
	got, err := m.once(t.Context(), 3, false)
	if err != nil {
		t.Fatal(err)
	}
	// the prompt's last two tokens are pinned in the first block of four
	if len(got.step) != 6 || len(got.decode) != 3 || len(got.commit) != 3 || len(got.block) != 3 || len(got.encode) != 1 || got.tokens != 2*(12-2) {
		t.Errorf("%d steps, %d blocks decoded, %d committed, %d in all, %d tokens", len(got.step), len(got.decode), len(got.commit), len(got.block), got.tokens)
	}
	if parts, blocks := sum(got.step)+sum(got.decode)+sum(got.commit)+sum(got.loop), sum(got.block); parts != blocks {
		t.Errorf("the parts of blocks take %v, blocks %v", parts, blocks)
	}
	if whole := sum(got.block) + sum(got.encode) + sum(got.prefill); whole > sum(got.run) {
		t.Errorf("the parts take %v, the run %v", whole, sum(got.run))
	}
}

func sum(all []time.Duration) (total time.Duration) {
	for _, d := range all {
		total += d
	}
	return total
}

// TestDevices: a device's memory and kernels are those of all that share the batch.
func TestDevices(t *testing.T) {
	s := tiny(t)
	one := choice(t, model.EngineFlags{Name: kernels.Emulated})
	two := choice(t, model.EngineFlags{Name: kernels.Emulated, Devices: []int{0, 1}})
	r, err := Run(t.Context(), s, []model.Choice{one, two}, short(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	a, b := r.Engines[0], r.Engines[1]
	if a.NotRun != "" || b.NotRun != "" || len(a.Info) != 1 || len(b.Info) != 2 {
		t.Fatalf("%+v\n%+v", a, b)
	}
	for _, f := range r.Engines {
		if f.Step.Best <= 0 || f.Step.Median < f.Step.Best || f.Step.Count != 2 || f.Decode.Count != 2 || f.Commit.Count != 0 || f.Run.Count != 2 || f.Speed <= 0 || f.CopyRate <= 0 || f.MostMemory < f.Memory {
			t.Errorf("%+v", f)
		}
	}
	if share := float64(b.Memory) / float64(a.Memory); share < 1.9 || share > 2.1 {
		t.Errorf("%d bytes on one device, %d on two", a.Memory, b.Memory)
	}
	if launches(b.Kernels) < 2*launches(a.Kernels)*9/10 {
		t.Errorf("%d launches on one device, %d on two", launches(a.Kernels), launches(b.Kernels))
	}
	// 4 layers of 128·(3·128 + 128 + 2·3·128) and two of 16·128, 16 bits each
	if want := int64(2 * (4*128*(4*128+2*3*128) + 2*16*128)); a.StepBytes != want {
		t.Errorf("a step reads %d bytes, want %d", a.StepBytes, want)
	}
}

func launches(all []meter.Kernel) (n int) {
	for _, k := range all {
		n += k.Launches
	}
	return n
}

// TestNotRun: an engine that can't run this is reported with the reason, beside one
// that can; damage and interrupts are errors.
func TestNotRun(t *testing.T) {
	s := tiny(t)
	c := choice(t, model.EngineFlags{Name: model.DefaultEngine})
	o := short()
	o.Activations = 1 // the model has no int8 weights
	r, err := Run(t.Context(), s, []model.Choice{c}, o, quiet)
	if err != nil || r.Ran() || !strings.Contains(r.Engines[0].NotRun, "int8") {
		t.Errorf("%+v, %v", r, err)
	}
	var text strings.Builder
	if err := r.Write(&text); err != nil || !strings.Contains(text.String(), "reference: not run: ") || strings.Contains(text.String(), "tokens per second") {
		t.Errorf("%v\n%s", err, &text)
	}
	s.Weights = damaged{s.Weights}
	if _, err := Run(t.Context(), s, []model.Choice{c}, short(), quiet); !errors.Is(err, tensor.ErrDamaged) {
		t.Errorf("error %v for a damaged model", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ended, tiny(t), []model.Choice{c}, short(), quiet); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after an interrupt", err)
	}
}

type damaged struct{ tensor.Source }

func (damaged) Read(name string) (tensor.View, error) {
	return tensor.View{}, tensor.Damagedf("%s: flipped", name)
}

func TestDuration(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0.00 µs", 12.34e-6: "12.3 µs", 999.4e-6: "999 µs", 0.99996e-3: "1.00 ms", 0.25: "250 ms", 61.2: "61.2 s"} {
		if got := duration(seconds); got != want {
			t.Errorf("%g s: %s, want %s", seconds, got, want)
		}
	}
}
