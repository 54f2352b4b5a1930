package export

import (
	"fmt"
	"slices"
	"strings"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
)

// The names of a Hugging Face folder's parts.
const (
	configFile     = "config.json"
	weightsFile    = "model.safetensors"
	indexFile      = "model.safetensors.index.json"
	tokenizerFile  = "tokenizer.json"
	generationFile = "generation.json"
	readmeFile     = "README.md"
)

// folderOf returns the folder of a model.
func folderOf(m hf.Model) string { return "cola_" + m.String() }

// planFolder lays a Hugging Face folder out.
func planFolder(m *model, o Options, choose func(tensor.Desc) (choice, error)) (*layout, error) {
	if err := m.complete(o.Format); err != nil {
		return nil, err
	}
	l := &layout{}
	for _, d := range m.order {
		c, err := choose(d)
		if err != nil {
			return nil, err
		}
		l.steps = append(l.steps, m.newStep(d, m.expected[d.Name].Source, c))
	}
	for _, which := range []hf.Model{hf.DiT, hf.VAE} {
		if err := l.addModel(m, which, o); err != nil {
			return nil, err
		}
	}
	if m.meta.Tokenizer != nil {
		l.addText(tokenizerFile, m.meta.Tokenizer)
	} else {
		l.Notes = append(l.Notes, "no "+tokenizerFile+": the artifact has none")
	}
	if m.meta.Generation != nil {
		l.addText(generationFile, m.meta.Generation)
	}
	l.addText(readmeFile, folderReadme(m, o))
	return l, nil
}

// addModel adds a model's folder.
func (l *layout) addModel(m *model, which hf.Model, o Options) error {
	folder := folderOf(which) + "/"
	var steps []*step
	for i := range l.steps {
		if m.expected[l.steps[i].Tensor].Model == which {
			steps = append(steps, &l.steps[i])
		}
	}
	config, note, err := adaptConfig(m, which, steps, o)
	if err != nil {
		return err
	}
	if note != "" {
		l.Notes = append(l.Notes, folder+configFile+": "+note)
	}
	if lacked := m.lackedBuffers(which); len(lacked) > 0 {
		l.Notes = append(l.Notes, fmt.Sprintf("%s: no %s (%d in all): the checkpoint had none; Transformers 5 leaves them uninitialised, so set them after loading",
			folder, lacked[0], len(lacked)))
	}
	if kinds := kindsOfCodes(steps); kinds > 1 {
		l.Notes = append(l.Notes, fmt.Sprintf("%s: %d kinds of int8; Transformers dequantises all by the first, compressed-tensors itself by their own", folder, kinds))
	}
	l.addText(folder+configFile, config)
	return l.addShards(folder, steps, o.shardBytes())
}

func (o Options) shardBytes() int64 {
	if o.ShardBytes == 0 {
		return DefaultShard
	}
	return o.ShardBytes
}

// addShards adds the weights of a model: one file, or several with an index. A
// shard ends before the tensor that would take it beyond the limit.
func (l *layout) addShards(folder string, steps []*step, limit int64) error {
	var shards [][]*step
	var size, total int64
	for _, s := range steps {
		if len(shards) == 0 || size+s.Bytes > limit {
			shards, size = append(shards, nil), 0
		}
		last := len(shards) - 1
		shards[last] = append(shards[last], s)
		size += s.Bytes
		total += s.Bytes
	}
	if len(shards) == 1 {
		return l.addShard(folder, weightsFile, steps)
	}
	if len(shards) > 99999 {
		return fmt.Errorf("%s: %d shards of %d bytes; the names of shards have five digits, choose larger ones", folder, len(shards), limit)
	}
	places := map[string]string{}
	for i, shard := range shards {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		if err := l.addShard(folder, name, shard); err != nil {
			return err
		}
		for _, s := range shard {
			for _, p := range s.pieces() {
				places[p.desc.Name] = name
			}
		}
	}
	index, err := encodeJSON(map[string]any{"metadata": map[string]any{"total_size": total}, "weight_map": places})
	if err != nil {
		return err
	}
	l.addText(folder+indexFile, index)
	return nil
}

func (l *layout) addShard(folder, name string, steps []*step) error {
	var pieces []piece
	for _, s := range steps {
		s.File = folder + name
		pieces = append(pieces, s.pieces()...)
	}
	return l.addWeights(folder+name, pieces)
}

// pieces returns the tensors that a step becomes in a safetensors file.
func (s *step) pieces() []piece {
	data := tensor.Desc{Name: s.Name, Shape: s.Shape, Type: dtype.I8}
	if f, ok := s.codec.(floats); ok {
		data.Type = f.to
	}
	pieces := []piece{{data, &s.data}}
	if n := s.scaleBytes(); n > 0 {
		rows, _ := rowsOf(s.Shape)
		shape := tensor.Shape{rows, int(n) / rows / dtype.F32.Size()}
		pieces = append(pieces, piece{tensor.Desc{Name: s.Name + scaleSuffix, Shape: shape, Type: dtype.F32}, &s.scales})
	}
	return pieces
}

// scaleSuffix stands behind the name of a weight in that of its scales.
const scaleSuffix = "_scale"

// chooseFloat decides how a tensor is stored in a folder of floating-point weights.
func (m *model) chooseFloat(d tensor.Desc, typ string) choice {
	switch {
	case m.class(d.Name) == hf.Buffer:
		return choice{floats{dtype.F32}, "a buffer keeps 32 bits: loading does not round it"}
	case typ != Stored:
		t, _ := dtype.Parse(typ)
		return choice{floats{t}, "every parameter is " + typ + ", as asked"}
	case d.Quantization != nil:
		return choice{floats{dtype.F32}, "codes become the numbers they stand for, exact in 32 bits"}
	}
	return choice{floats{d.Type}, "as stored"}
}

// planSafeTensors lays out a folder of floating-point weights.
func planSafeTensors(m *model, o Options) (*layout, error) {
	return planFolder(m, o, func(d tensor.Desc) (choice, error) { return m.chooseFloat(d, o.Type), nil })
}

// loads reports whether a loader that casts parameters to type t keeps the values
// of a step. The values of an artifact have been through the cast to the type that
// its own configuration names, so that storing them in 32 bits changes nothing.
func (s *step) loads(t dtype.Type, own bool) bool {
	f, ok := s.codec.(floats)
	switch {
	case !ok || t == dtype.F32 || t == dtype.F64:
		return t == dtype.F32 || t == dtype.F64
	case f.to == t:
		return true
	}
	return own && f.to == dtype.F32 && s.source.Quantization == nil
}

// loadType returns the type that parameters must be cast to on loading: what the
// configuration says where that keeps them, else the one type of all, else F32.
// change says that the configuration must be made to say so.
func loadType(steps []*step, own dtype.Type, named bool, asked string) (t dtype.Type, change bool) {
	keeps := func(t dtype.Type, own bool) bool {
		return !slices.ContainsFunc(steps, func(s *step) bool { return s.Class != hf.Buffer.String() && !s.loads(t, own) })
	}
	if asked != Stored && asked != dtype.F32.String() && !strings.HasPrefix(asked, "int8") {
		t, _ := dtype.Parse(asked)
		return t, !named || own != t
	}
	switch {
	case named && keeps(own, true):
		return own, false
	case !named && keeps(dtype.F32, false) && allF32(steps):
		return dtype.F32, false // the loader goes by what is stored
	}
	return dtype.F32, true
}

func allF32(steps []*step) bool {
	return !slices.ContainsFunc(steps, func(s *step) bool { return s.To != dtype.F32.String() })
}
