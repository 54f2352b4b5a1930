package model

import (
	"errors"
	"strings"
	"testing"

	"colakit/kernels"
	"colakit/kernels/device"
)

// available skips a test where the kernels can't be emulated.
func available(t *testing.T) {
	t.Helper()
	d, err := kernels.Open(kernels.Emulated, 0, 0)
	if errors.Is(err, device.ErrUnavailable) {
		t.Skip("not run: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

// usable reports whether this build and machine have a CUDA device.
func usable() bool {
	_, err := EngineFlags{Name: kernels.CUDA}.Choose()
	return err == nil
}

func TestChooseRefuses(t *testing.T) {
	for _, c := range []struct {
		flags EngineFlags
		want  string
	}{
		{EngineFlags{Name: DefaultEngine, memory: "lots"}, `--device-memory: "lots" is no number of bytes`},
		{EngineFlags{Name: DefaultEngine, memory: "1GB"}, "the reference runs on the CPU"},
		{EngineFlags{Name: DefaultEngine, Devices: []int{0}}, "the reference runs on the CPU"},
		{EngineFlags{Name: kernels.CUDA, Devices: []int{97}}, "cola devices lists what there is"},
		{EngineFlags{Name: ""}, "known: auto, cuda"},
	} {
		_, err := c.flags.Choose()
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: error %v, want %q", c.flags, err, c.want)
		}
	}
}

// TestChooseWithoutTag: a build that cannot use CUDA devices says how to get one that can.
func TestChooseWithoutTag(t *testing.T) {
	if _, err := kernels.Open(kernels.CUDA, 0, 0); err == nil || !strings.Contains(err.Error(), "-tags cuda") {
		t.Skip("not run: this build has the tag cuda")
	}
	_, err := EngineFlags{Name: kernels.CUDA}.Choose()
	if !errors.Is(err, device.ErrUnavailable) || !strings.Contains(err.Error(), "build with -tags cuda") || !strings.Contains(err.Error(), "cola devices") {
		t.Errorf("error %v", err)
	}
}

func TestChooseEmulated(t *testing.T) {
	available(t)
	for _, c := range []struct {
		devices []int
		want    string // of the error; "" for none
	}{{nil, ""}, {[]int{0, 1}, ""}, {[]int{1, 1}, "device 1 is named twice"}, {[]int{-1}, "there is no device -1"}} {
		choice, err := EngineFlags{Name: kernels.Emulated, Devices: c.devices}.Choose()
		if c.want == "" && (err != nil || choice.Reason != "" || choice.id().Environment["device"] == "") {
			t.Errorf("%v: %+v, %v", c.devices, choice, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: error %v, want %q", c.devices, err, c.want)
		}
	}
}

// TestChooseAuto: the reference where no CUDA device is, and the report says why.
func TestChooseAuto(t *testing.T) {
	want := DefaultEngine
	if usable() {
		want = kernels.CUDA
	}
	choice, err := EngineFlags{Name: AutoEngine, memory: "8GB"}.Choose()
	if err != nil || choice.Name != want || choice.Reason == "" || choice.id().Environment["engine chosen"] != choice.Reason {
		t.Errorf("%+v, %v", choice, err)
	}
}
