package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/internal/units"
	"colakit/kernels"
	"colakit/kernels/device"
	"colakit/kernels/engine"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify"
)

// Builder makes an engine that computes the model of a configuration.
type Builder func(tensor.Source, hf.Config, generate.Contract, generate.Activations) (generate.Engine, error)

const (
	// DefaultEngine is the engine that every build has.
	DefaultEngine = "reference"
	// AutoEngine is the fastest that the machine can run.
	AutoEngine = "auto"
)

// engineNames are the engines that a command line can ask for.
var engineNames = []string{AutoEngine, kernels.CUDA, kernels.Emulated, DefaultEngine}

// EngineNames lists the names that flags take.
func EngineNames() string { return strings.Join(engineNames, ", ") }

// EngineFlags are the flags that choose an engine.
type EngineFlags struct {
	Name    string
	Devices []int // of the engine; empty: the first
	memory  string
}

// Declare adds --engine and --device-memory; use says what --engine decides.
func (f *EngineFlags) Declare(set *pflag.FlagSet, use string) {
	set.StringVar(&f.Name, "engine", DefaultEngine, "`ENGINE` that "+use+": reference; cuda, the kernels on a GPU; emulated, the same on the CPU, slowly; auto: cuda where a device is usable, else reference")
	f.DeclareMemory(set)
}

// DeclareMemory adds --device-memory alone.
func (f *EngineFlags) DeclareMemory(set *pflag.FlagSet) {
	set.StringVar(&f.memory, "device-memory", "", "take at most `SIZE` of a device's memory, as 6GB, caches included (default: what is free)")
}

// DeclareDevices adds --devices.
func (f *EngineFlags) DeclareDevices(set *pflag.FlagSet) {
	set.IntSliceVar(&f.Devices, "devices", nil, "share every batch among these `DEVICES` of the engine, as 0,1; cola devices lists them (default: the first)")
}

// Choice is an engine that was chosen.
type Choice struct {
	Name   string // of the engine; never AutoEngine
	Device string // what it computes on, for people; empty for the reference
	Reason string // why AutoEngine is this one; empty if it was named
	// Wrap, if set, goes between an engine and each of its devices.
	Wrap func(device.Device) device.Device
	// Extent is the largest run that is planned, of all devices together.
	Extent engine.Extent
	// Schedule, if set, is the only one that is run; its contract is that of the run.
	Schedule *hf.Schedule
	// Planned, if set, is told what is planned for each device.
	Planned func(engine.Plan)

	indexes   []int
	memory    int64
	automatic bool // AutoEngine was asked for
}

// For returns the flags for another engine. Devices and their memory are left out for
// one that has none.
func (f EngineFlags) For(name string) EngineFlags {
	if name == DefaultEngine {
		return EngineFlags{Name: name}
	}
	f.Name = name
	return f
}

// Choose checks the flags against what the build and the machine have.
func (f EngineFlags) Choose() (Choice, error) {
	c := Choice{Name: f.Name, indexes: f.Devices}
	if f.memory != "" {
		n, err := units.ParseBytes(f.memory)
		if err != nil {
			return c, fmt.Errorf("--device-memory: %w", err)
		}
		c.memory = n
	}
	if len(c.indexes) == 0 {
		c.indexes = []int{0}
	}
	switch {
	case !slices.Contains(engineNames, c.Name):
		return c, fmt.Errorf("--engine: unknown engine %q; known: %s", c.Name, EngineNames())
	case c.Name == AutoEngine:
		c.auto()
	}
	if c.Name == DefaultEngine {
		if f.Name == DefaultEngine && (len(f.Devices) > 0 || c.memory > 0) {
			return c, errors.New("--devices and --device-memory are for the engines cuda and emulated; the reference runs on the CPU")
		}
		return c, nil
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("--engine %s: %w; cola devices lists what there is", c.Name, err)
	}
	return c, nil
}

// auto takes cuda if all its devices are usable.
func (c *Choice) auto() {
	c.Name, c.automatic = kernels.CUDA, true
	if err := c.check(); err != nil {
		c.Name, c.Reason = DefaultEngine, "no CUDA: "+err.Error()
		return
	}
	c.Reason = "there is a usable CUDA device"
}

// check returns an error unless all devices are there, and notes their names.
func (c *Choice) check() error {
	all := slices.DeleteFunc(kernels.Devices(), func(l kernels.Listing) bool { return l.Kind != c.Name })
	var names []string
	for n, index := range c.indexes {
		l, err := c.find(all, index)
		if err == nil && slices.Contains(c.indexes[:n], index) {
			err = fmt.Errorf("device %d is named twice", index)
		}
		if err != nil {
			return err
		}
		names = append(names, l.Name)
	}
	c.Device = strings.Join(names, ", ")
	return nil
}

// find returns the device of an index. Of emulated ones there are as many as wanted.
func (c *Choice) find(all []kernels.Listing, index int) (kernels.Listing, error) {
	for _, l := range all {
		switch {
		case l.Problem != "" && (l.Index == index || l.Name == ""):
			return l, device.Unavailablef("%s", l.Problem)
		case index >= 0 && (l.Index == index || c.Name == kernels.Emulated):
			return l, nil
		}
	}
	return kernels.Listing{}, device.Unavailablef("there is no device %d: the machine has %d", index, len(all))
}

// Build makes the engine: it loads the model onto every device. It is a Builder. Where
// AutoEngine chose devices that refuse the model, the choice becomes the reference, and
// its reason says why.
func (c *Choice) Build(src tensor.Source, cfg hf.Config, contract generate.Contract, a generate.Activations) (generate.Engine, error) {
	if c.Name != DefaultEngine {
		e, err := c.onDevices(src, cfg, c.options(contract, a))
		if err == nil || !c.automatic || !refused(err) {
			return e, err
		}
		c.Reason = fmt.Sprintf("%s is not taken: %v", *c, err)
		c.Name, c.Device = DefaultEngine, ""
	}
	return reference.New(src, cfg, reference.Options{Contract: contract, Activations: a})
}

// options returns those of the engine on each device.
func (c *Choice) options(contract generate.Contract, a generate.Activations) engine.Options {
	o := engine.Options{Contract: contract, Activations: a, Memory: c.memory, Extent: c.Extent.Share(len(c.indexes))}
	if c.Schedule != nil {
		s := *c.Schedule
		s.Contract = contract.String()
		o.Schedule = &s
	}
	return o
}

// refused reports whether an error is about what a device or the kernels lack, not about
// the model or the request.
func refused(err error) bool {
	return errors.Is(err, device.ErrMemory) || errors.Is(err, device.ErrUnavailable) || errors.Is(err, engine.ErrUnsupported)
}

func (c *Choice) onDevices(src tensor.Source, cfg hf.Config, o engine.Options) (generate.Engine, error) {
	var engines []generate.Engine
	for _, index := range c.indexes {
		e, err := c.onDevice(index, src, cfg, o)
		if err != nil {
			for _, open := range engines {
				err = errors.Join(err, open.Close())
			}
			return nil, err
		}
		engines = append(engines, e)
	}
	return generate.Shard(engines), nil
}

func (c *Choice) onDevice(index int, src tensor.Source, cfg hf.Config, o engine.Options) (generate.Engine, error) {
	d, err := kernels.Open(c.Name, index, c.memory)
	if err != nil {
		return nil, err
	}
	if c.Wrap != nil {
		d = c.Wrap(d)
	}
	e, err := engine.New(src, cfg, d, o)
	if plan, ok := engine.PlanOf(e); ok && c.Planned != nil {
		c.Planned(plan)
	}
	return e, err
}

// id describes the engine for reports.
func (c Choice) id() verify.EngineID {
	id := verify.EngineID{Name: c.Name, Precision: "float32", Environment: map[string]any{}}
	if c.Device != "" {
		id.Environment["device"] = c.Device
	}
	if c.Reason != "" {
		id.Environment["engine chosen"] = c.Reason
	}
	return id
}

// String names the engine and its device, for people.
func (c Choice) String() string {
	if c.Device == "" {
		return c.Name
	}
	return c.Name + " on " + c.Device
}

// Unavailable reports whether an error means that this build or this machine lacks
// the engine.
func Unavailable(err error) bool { return errors.Is(err, device.ErrUnavailable) }
