package verify_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/tensor"
	"colakit/internal/filelock"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify"
)

var someRun = verify.StateID{Program: "p", Artifact: "a", Bundles: []string{"b"}, Engine: "e", Exact: "x", Policy: "q", Selection: "s"}

// A state of another run, or a file that is none, is refused and left as it is.
func TestStateOfAnotherRun(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	s, err := verify.OpenState(path, someRun)
	check(t, err)
	if _, err := verify.OpenState(path, someRun); runtime.GOOS != "windows" && !errors.Is(err, filelock.ErrTaken) {
		t.Errorf("open twice: %v", err)
	}
	check(t, s.Close())
	whole, err := os.ReadFile(path)
	check(t, err)
	tests := []struct {
		name    string
		content string
		change  func(*verify.StateID)
		err     string // "": none
		damaged bool
	}{
		{"the same", string(whole), func(*verify.StateID) {}, "", false},
		{"empty", "", func(*verify.StateID) {}, "", false},
		{"killed at the first line", string(whole[:20]), func(*verify.StateID) {}, "", false},
		{"killed at a line", string(whole) + `{"bundle":"b","mo`, func(*verify.StateID) {}, "", false},
		{"another program", string(whole), func(i *verify.StateID) { i.Program = "o" }, `program "p", now "o"`, false},
		{"another artifact", string(whole), func(i *verify.StateID) { i.Artifact = "o" }, `artifact "a", now "o"`, false},
		{"another bundle", string(whole), func(i *verify.StateID) { i.Bundles = []string{"b", "c"} }, `bundles "b", now "b, c"`, false},
		{"another engine", string(whole), func(i *verify.StateID) { i.Engine = "o" }, `engine "e", now "o"`, false},
		{"other exact values", string(whole), func(i *verify.StateID) { i.Exact = "o" }, `exact reference "x", now "o"`, false},
		{"another policy", string(whole), func(i *verify.StateID) { i.Policy = "o" }, `policy "q", now "o"`, false},
		{"another selection", string(whole), func(i *verify.StateID) { i.Selection = "" }, `selection "s", now ""`, false},
		{"another version", strings.Replace(string(whole), `"version":1`, `"version":9`, 1), func(*verify.StateID) {}, "version 9", false},
		{"no state", "weights\n", func(*verify.StateID) {}, "no state of colaverify", false},
		{"no state, without an end", "weights", func(*verify.StateID) {}, "no state of colaverify", false},
		{"a line that is none", string(whole) + "x\n", func(*verify.StateID) {}, "line 2", true},
		{"a changed line", string(whole) + `{"bundle":"b","mode":"isolated","pass":"encode","taps":1,"crc32":1,"data":"AAAA"}` + "\n", func(*verify.StateID) {}, "line 2 does not have its checksum", true},
	}
	for _, tt := range tests {
		check(t, os.WriteFile(path, []byte(tt.content), 0o644))
		id := someRun
		tt.change(&id)
		s, err := verify.OpenState(path, id)
		if tt.err == "" {
			check(t, err)
			check(t, s.Close())
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.err) || tt.damaged != isDamaged(err) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.err)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != tt.content {
			t.Errorf("%s: the file was changed", tt.name)
		}
	}
}

func isDamaged(err error) bool { return errors.Is(err, tensor.ErrDamaged) }

// A run that is taken up where it was killed, wherever that was, gives the report of
// one that was not, and computes less.
func TestKilledRunsGoOn(t *testing.T) {
	good, wrong := tiny(t), tiny(t)
	transpose("dit.blocks.2.msa.proj_out.weight")(t, wrong)
	exact, err := reference.New(good, good.cfg, reference.Options{Float64: true})
	check(t, err)
	t.Cleanup(func() { check(t, exact.Close()) })
	tests := []struct {
		name, bundle string
		model        *model
		o            verify.Options
		wrap         func(generate.Engine) generate.Engine
	}{
		{"a fault", "exact-ops", wrong, verify.Options{}, nil},
		{"ratios", "released-ops", good, verify.Options{Exact: exact}, nil},
		{"anchored", "exact-ops", good, verify.Options{}, spoilsBlock(0, nil, func(l []float32) { l[7] = 1e3 })},
		{"nothing generated", "exact-ops", good, verify.Options{Select: selection(t, "ops=mlp.out branches=encode,cond,commit")}, nil},
		{"a selection", "exact-ops", good, verify.Options{Select: selection(t, "blocks=0-1 layers=dit,decoder.1,loop rows=3@1")}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "state")
			run := func() (string, [5]int) {
				counted := &calls{}
				wrap := func(e generate.Engine) generate.Engine {
					if counted.Engine = e; tt.wrap != nil {
						counted.Engine = tt.wrap(e)
					}
					return counted
				}
				s, err := verify.OpenState(path, someRun)
				check(t, err)
				defer s.Close()
				o := tt.o
				o.State = s
				r, err := tt.model.runWith(t, t.Context(), tt.bundle, wrap, o)
				check(t, err)
				r.Seconds = 0
				raw, err := json.Marshal(r)
				check(t, err)
				return string(raw), counted.total()
			}
			want, most := run()
			whole, err := os.ReadFile(path)
			check(t, err)
			if got, _ := run(); got != want {
				t.Errorf("of a finished run (-whole +again):\n%s", cmp.Diff(want, got))
			}
			for _, share := range []float64{0.02, 0.5, 0.97} {
				cut := int(share * float64(len(whole)))
				check(t, os.WriteFile(path, whole[:cut], 0o644))
				got, fewer := run()
				if got != want {
					t.Errorf("killed after %d of %d bytes: another report", cut, len(whole))
				}
				if fewer[2] > most[2] || share >= 0.5 && fewer[2] >= most[2] {
					t.Errorf("killed after %d of %d bytes: %d velocities computed, of %d", cut, len(whole), fewer[2], most[2])
				}
				if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, whole) {
					t.Errorf("killed after %d of %d bytes: another state in the end", cut, len(whole))
				}
			}
		})
	}
}
