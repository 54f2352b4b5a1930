package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/operation"
)

// A replay file is a safetensors file. Its tensors:
//
//	expected, got      the golden's value and the candidate's
//	input/NAME         what the operation is computed from: values of the same pass by
//	                   path, and what comes from outside under names in brackets
//	nearby/PATH        other values of the same pass and layer of an input's size
//	weight/NAME        the tensors that it uses, and others of their shapes
//	scales/NAME        the scales of an 8-bit weight
//
// Its metadata: replay, a replayHead in JSON; sha256, the sum of that text and of every
// tensor's name, type, shape and bytes in the order of names.
const (
	replayKey = "replay"
	sumKey    = "sha256"

	expectedName = "expected"
	gotName      = "got"
	inputPrefix  = "input/"
	nearPrefix   = "nearby/"
	weightPrefix = "weight/"
	scalesPrefix = "scales/"

	// maxReplay bounds what has to be in a file, maxNeighbours what need not.
	maxReplay     = 1 << 30
	maxNeighbours = 64 << 20
)

// replayHead is what a replay file holds beside tensors.
type replayHead struct {
	Version int `json:"version"` // replayFormat
	About
	Site        string                         `json:"site"`
	Contract    string                         `json:"contract"`
	Activations string                         `json:"activations"`
	T           float64                        `json:"T"`
	Steps       int                            `json:"steps"`
	Guidance    float64                        `json:"guidance"`
	Tabled      bool                           `json:"tabled"`
	Samples     []operation.Sample             `json:"samples"`
	DiT         json.RawMessage                `json:"dit_config"`
	VAE         json.RawMessage                `json:"vae_config"`
	Run         map[string]dtype.Type          `json:"run_types"` // of inputs and nearby values, where not the stored ones
	Codes       map[string]tensor.Quantization `json:"quantization,omitempty"`
	Facts       Facts                          `json:"facts"` // as this version's policy knows them
	Checks      []Check                        `json:"checks,omitempty"`
	Grown       float64                        `json:"grown,omitempty"`
	GrownMax    float64                        `json:"grown_max,omitempty"`
	Retyped     bool                           `json:"retyped,omitempty"`
}

// replayFormat is the version of the file.
const replayFormat = 1

// ErrTooLarge is wrapped by the error for an operation whose tensors no replay file
// takes.
var ErrTooLarge = errors.New("too large for a replay file")

// WriteFile writes the replay. Tensors that the operation does not need are left out
// where there is no room for them; the file says so.
func (r *Replay) WriteFile(path string) error {
	head, views, err := r.parts()
	if err != nil {
		return err
	}
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	sum := replaySum(text, views)
	return safetensors.WriteFile(path, map[string]string{replayKey: string(text), sumKey: sum}, views)
}

// parts returns the contents of the file.
func (r *Replay) parts() (replayHead, []tensor.View, error) {
	c := r.Call
	dit, err := json.Marshal(c.Run.Config.DiT)
	if err != nil {
		return replayHead{}, nil, err
	}
	vae, err := json.Marshal(c.Run.Config.VAE)
	if err != nil {
		return replayHead{}, nil, err
	}
	head := replayHead{
		Version: replayFormat, About: r.About, Site: c.Site.String(), Contract: c.Run.Contract.String(), Activations: c.Run.Activations.String(),
		T: c.Run.T, Steps: c.Run.Steps, Guidance: c.Run.Guidance, Tabled: c.Run.Tabled, Samples: c.Run.Samples,
		DiT: dit, VAE: vae, Run: map[string]dtype.Type{}, Codes: map[string]tensor.Quantization{},
		Facts: r.Facts, Checks: r.Checks, Grown: r.Grown, GrownMax: r.GrownMax, Retyped: r.Retyped,
	}
	p := packer{head: &head}
	p.add(expectedName, r.Expected)
	p.add(gotName, r.Got)
	for _, name := range sortedKeys(c.Inputs) {
		p.value(inputPrefix+name, c.Inputs[name])
	}
	for _, d := range c.Tensors() {
		if err := p.weight(c.Weights, d.Name); err != nil {
			return head, nil, err
		}
	}
	if p.size > maxReplay {
		return head, nil, fmt.Errorf("%s: its tensors take %d MB, a replay file takes %d: %w", c.Site, p.size>>20, int64(maxReplay)>>20, ErrTooLarge)
	}
	return head, p.views, p.extras(c)
}

// packer collects the tensors of a file.
type packer struct {
	head  *replayHead
	views []tensor.View
	size  int64
}

func (p *packer) add(name string, v tensor.View) {
	v.Name, v.Quantization, v.Scales = name, nil, nil
	p.views = append(p.views, v)
	p.size += int64(len(v.Data))
}

func (p *packer) value(name string, in operation.Input) {
	p.add(name, in.View)
	if in.Run != in.View.Type {
		p.head.Run[name] = in.Run
	}
}

func (p *packer) weight(src tensor.Source, name string) error {
	v, err := src.Read(name)
	if err != nil {
		return err
	}
	p.add(weightPrefix+name, v)
	if q := v.Quantization; q != nil {
		p.head.Codes[name] = *q
		scales := tensor.View{Desc: tensor.Desc{Type: q.Scale, Shape: tensor.Shape{len(v.Scales) / q.Scale.Size()}}, Data: v.Scales}
		p.add(scalesPrefix+name, scales)
	}
	return nil
}

// extras adds what other ways to compute the operation read, as far as there is room.
func (p *packer) extras(c *operation.Call) error {
	room := p.size + maxNeighbours
	for _, name := range sortedKeys(c.Nearby) {
		in := c.Nearby[name]
		if p.size+int64(len(in.View.Data)) > room {
			p.head.LeftOut = append(p.head.LeftOut, nearPrefix+name)
			continue
		}
		p.value(nearPrefix+name, in)
	}
	for _, d := range c.Neighbours() {
		if n, err := d.Bytes(); err != nil || p.size+n > room {
			p.head.LeftOut = append(p.head.LeftOut, weightPrefix+d.Name)
			continue
		}
		if err := p.weight(c.Weights, d.Name); err != nil {
			return err
		}
	}
	return nil
}

// replaySum is the sum that guards a file.
func replaySum(head []byte, views []tensor.View) string {
	sorted := slices.SortedFunc(slices.Values(views), func(a, b tensor.View) int { return strings.Compare(a.Name, b.Name) })
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%s\n", len(head), head)
	for _, v := range sorted {
		fmt.Fprintf(h, "%q %v %v %d\n", v.Name, v.Type, v.Shape, len(v.Data))
		h.Write(v.Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// OpenReplay maps a replay file and checks it. The error wraps tensor.ErrDamaged for a
// file that is none, or that is not as it was written.
func OpenReplay(path string) (*Replay, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := readReplay(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	r.close = f.Close
	return r, nil
}

func readReplay(f *safetensors.File) (*Replay, error) {
	meta := f.Metadata()
	text, ok := meta[replayKey]
	if !ok {
		return nil, tensor.Damagedf("this is no replay file: its metadata has no %q; colaverify --layerwise --replay-out writes one", replayKey)
	}
	var head replayHead
	if err := json.Unmarshal([]byte(text), &head); err != nil {
		return nil, tensor.Damagedf("the metadata %q is not as a replay file has it: %v", replayKey, err)
	}
	if head.Version != replayFormat {
		return nil, fmt.Errorf("replay format %d; this program reads %d: write the file again with this program", head.Version, replayFormat)
	}
	views, err := readAll(f)
	if err != nil {
		return nil, err
	}
	if sum := replaySum([]byte(text), slices.Collect(maps.Values(views))); sum != meta[sumKey] {
		return nil, tensor.Damagedf("the contents do not have the recorded sha256; copy or write the file again")
	}
	return head.replay(views)
}

func readAll(f *safetensors.File) (map[string]tensor.View, error) {
	views := map[string]tensor.View{}
	for _, d := range f.Descs() {
		v, err := f.Read(d.Name)
		if err != nil {
			return nil, tensor.Damagedf("%w", err)
		}
		views[d.Name] = v
	}
	return views, nil
}

// replay puts the parts of a file together.
func (h *replayHead) replay(views map[string]tensor.View) (*Replay, error) {
	run, err := h.run()
	if err != nil {
		return nil, tensor.Damagedf("the metadata %q: %v", replayKey, err)
	}
	site, err := generate.ParseSite(h.Site)
	if err != nil {
		return nil, tensor.Damagedf("the metadata %q: %v", replayKey, err)
	}
	weights, err := h.weights(views)
	if err != nil {
		return nil, err
	}
	call, err := operation.Restore(run, site, weights, h.values(views, inputPrefix), h.values(views, nearPrefix))
	if err != nil {
		return nil, tensor.Damagedf("%w", err)
	}
	r := &Replay{About: h.About, Call: call, Expected: views[expectedName], Got: views[gotName], Facts: h.Facts, Checks: h.Checks, Grown: h.Grown, GrownMax: h.GrownMax, Retyped: h.Retyped}
	shape := call.Shape()
	for name, v := range map[string]tensor.View{expectedName: r.Expected, gotName: r.Got} {
		if !v.Shape.Equal(shape) || !v.Type.Float() {
			return nil, tensor.Damagedf("tensor %q is %v %v; the operation gives floats of %v", name, v.Type, v.Shape, shape)
		}
	}
	return r, nil
}

func (h *replayHead) run() (*operation.Run, error) {
	cfg, err := hf.ParseConfig(h.DiT, h.VAE)
	if err != nil {
		return nil, err
	}
	contract, err := generate.ParseContract(h.Contract)
	if err != nil {
		return nil, err
	}
	activations, err := generate.ParseActivations(h.Activations)
	if err != nil {
		return nil, err
	}
	r := &operation.Run{
		Config: cfg, Contract: contract, Activations: activations, T: h.T, Steps: h.Steps, Guidance: h.Guidance, Samples: h.Samples, Tabled: h.Tabled,
	}
	return r, r.Check()
}

// values returns the tensors of a prefix as the run held them.
func (h *replayHead) values(views map[string]tensor.View, prefix string) map[string]operation.Input {
	values := map[string]operation.Input{}
	for full, v := range views {
		if name, ok := strings.CutPrefix(full, prefix); ok {
			v.Name = name
			in := operation.Input{View: v, Run: v.Type}
			if t, ok := h.Run[full]; ok {
				in.Run = t
			}
			values[name] = in
		}
	}
	return values
}

// weights returns the tensors of the model as a source.
func (h *replayHead) weights(views map[string]tensor.View) (tensor.Source, error) {
	w := replayWeights{}
	for full, v := range views {
		name, ok := strings.CutPrefix(full, weightPrefix)
		if !ok {
			continue
		}
		v.Name = name
		if q, coded := h.Codes[name]; coded {
			v.Quantization, v.Scales = &q, views[scalesPrefix+name].Data
			if size, err := v.ScaleBytes(); err != nil || size != int64(len(v.Scales)) {
				return nil, tensor.Damagedf("tensor %q: %d bytes of scales do not fit shape %v", full, len(v.Scales), v.Shape)
			}
		}
		w[name] = v
	}
	return w, nil
}

// replayWeights are the tensors of a replay file.
type replayWeights map[string]tensor.View

func (w replayWeights) Descs() []tensor.Desc {
	descs := make([]tensor.Desc, 0, len(w))
	for _, name := range sortedKeys(w) {
		descs = append(descs, w[name].Desc)
	}
	return descs
}

func (w replayWeights) Read(name string) (tensor.View, error) {
	v, ok := w[name]
	if !ok {
		return v, fmt.Errorf("%s is not in the replay file: %w", name, tensor.ErrNotFound)
	}
	return v, nil
}

func (w replayWeights) Close() error { return nil }
