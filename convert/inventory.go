package convert

import (
	"fmt"
	"slices"
	"strings"

	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/internal/units"
)

// found is an expected tensor and where the checkpoint holds it.
type found struct {
	hf.Expected
	stored tensor.Desc       // under its name in the checkpoint
	file   *safetensors.File // that holds it; nil: none does, it is computed
}

// path returns the file that holds the tensor, or what it is computed as.
func (f found) path() string {
	if f.file == nil {
		return "the AdaLN table"
	}
	return f.file.Path()
}

// match compares what the checkpoint holds with what the configurations expect,
// in both directions. Its error names every kind of difference.
func (c *checkpoint) match() ([]found, error) {
	var all []found
	var wrong differences
	for _, m := range []hf.Model{hf.DiT, hf.VAE} {
		expected := c.config.DiT.Inventory()
		if m == hf.VAE {
			expected = c.config.VAE.Inventory()
		}
		all = append(all, matchModel(m, expected, c.models[m], &wrong)...)
	}
	return all, wrong.err()
}

func matchModel(m hf.Model, expected []hf.Expected, folder *safetensors.Folder, wrong *differences) []found {
	held := holdings(m, folder, wrong)
	var all []found
	missing := map[string]hf.Expected{}
	for _, e := range expected {
		f, ok := held[e.Name]
		switch {
		case ok:
			f.Expected = e
			wrong.compare(f)
			all = append(all, f)
			delete(held, e.Name)
		case !e.Optional:
			missing[e.Name] = e
		}
	}
	wrong.addExtra(held, expected, missing)
	wrong.addMissing(m, missing, folder)
	return all
}

// holdings lists the tensors of a folder by native name.
func holdings(m hf.Model, folder *safetensors.Folder, wrong *differences) map[string]found {
	held := map[string]found{}
	for _, f := range folder.Files() {
		for _, d := range f.Descs() {
			native := m.Native(d.Name)
			if other, twice := held[native]; twice {
				wrong.add("%s: tensors %q and %q (%s) are the same one", f.Path(), d.Name, other.stored.Name, other.file.Path())
			}
			held[native] = found{stored: d, file: f}
		}
	}
	return held
}

// differences collects what is wrong with an inventory.
type differences struct{ lines []string }

func (d *differences) add(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// compare checks shape and type of a tensor that was expected.
func (d *differences) compare(f found) {
	switch stored, _ := f.file.StoredType(f.stored.Name); {
	case !f.stored.Type.Float():
		d.add("%s: tensor %q is stored as %s, want F32, F16, BF16 or F64", f.file.Path(), f.stored.Name, stored)
	case !f.stored.Shape.Equal(f.Shape):
		d.add("%s: tensor %q has shape %v, want %v by config.json", f.file.Path(), f.stored.Name, f.stored.Shape, f.Shape)
	}
}

// addExtra reports tensors that nothing expects, in the order of their names. What
// is missing and named as the nearest of one is reported with that, and taken out
// of missing.
func (d *differences) addExtra(extra map[string]found, expected []hf.Expected, missing map[string]hf.Expected) {
	for _, native := range sortedKeys(extra) {
		f, hint := extra[native], ""
		if len(d.lines) < maxShown {
			var name string
			name, hint = nearestOf(native, missing, expected)
			delete(missing, name)
		}
		d.add("%s: tensor %q %v is not expected%s", f.file.Path(), f.stored.Name, f.stored.Shape, hint)
	}
}

// addMissing reports tensors that the checkpoint lacks, in the order of their names.
func (d *differences) addMissing(m hf.Model, missing map[string]hf.Expected, folder *safetensors.Folder) {
	names := sortedKeys(missing)
	if len(names) == 0 {
		return
	}
	where := "cola_" + m.String()
	if files := folder.Files(); len(files) > 0 {
		where = files[0].Path()
	}
	rest := ""
	if n := len(names) - 1; n > 0 {
		rest = fmt.Sprintf(" (and %d more)", n)
	}
	e := missing[names[0]]
	d.add("%s: tensor %q %v is missing%s: the checkpoint is incomplete or config.json is another model's", where, e.Source, e.Shape, rest)
}

// maxShown is the number of differences that an error shows.
const maxShown = 3

// err returns nil for no differences, else one line for all.
func (d *differences) err() error {
	if len(d.lines) == 0 {
		return nil
	}
	shown := d.lines[:min(maxShown, len(d.lines))]
	text := strings.Join(shown, "; ")
	if n := len(d.lines) - len(shown); n > 0 {
		text += "; and " + units.Count(int64(n), "more difference")
	}
	return tensor.Damagedf("%s", text)
}

// nearestOf suggests which expected name was meant: among the missing ones, else
// among all.
func nearestOf(native string, missing map[string]hf.Expected, expected []hf.Expected) (name, hint string) {
	names := sortedKeys(missing)
	note := "missing"
	if len(names) == 0 {
		note = "there as well"
		for _, e := range expected {
			names = append(names, e.Name)
		}
	}
	name = nearest(native, names)
	for _, e := range expected {
		if e.Name == name {
			return name, fmt.Sprintf("; the nearest expected name is %q %v (%s)", e.Source, e.Shape, note)
		}
	}
	return "", ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
