package reference

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/tensor"
	"colakit/reference/generate"
)

func TestGroups(t *testing.T) {
	for _, c := range []struct {
		name            string
		block           int
		cached, queries int
		want            []group
	}{
		{"a prefix", 4, 0, 8, []group{{0, 4, 4}, {4, 4, 8}}},
		{"a block after a prefix", 4, 8, 4, []group{{0, 4, 12}}},
		{"blocks of the mask end inside the queries", 3, 4, 4, []group{{0, 2, 6}, {2, 2, 8}}},
		{"mask blocks larger than the queries", 8, 4, 4, []group{{0, 4, 8}}},
		{"a mask block not yet full", 8, 8, 4, []group{{0, 4, 12}}},
		{"blocks of one", 1, 1, 2, []group{{0, 1, 2}, {1, 1, 3}}},
		{"no mask", 0, 2, 3, []group{{0, 3, 5}}},
		{"nothing", 4, 8, 0, nil},
		{"nothing without a mask", 0, 8, 0, nil},
	} {
		l := &layout{block: c.block}
		l.add(0, c.cached, c.queries)
		if diff := cmp.Diff(c.want, l.groups(l.spans[0]), cmp.AllowUnexported(group{})); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

func TestGroupsAreSplit(t *testing.T) {
	groups := []group{{0, 4, 4}, {4, 3, 8}, {7, 1, 100}}
	want := []group{{0, 4, 4}, {4, 2, 8}, {6, 1, 8}, {7, 1, 100}}
	if diff := cmp.Diff(want, split(groups, 16), cmp.AllowUnexported(group{})); diff != "" {
		t.Error(diff)
	}
}

// TestAttentionOfFewScoresAtATime has more pairs than are held at once: it takes
// less memory than all of them, and the results have the bits of those computed
// from all.
func TestAttentionOfFewScoresAtATime(t *testing.T) {
	const rows = 3000 // 9 million pairs
	l := spansOf(0, []int{0}, []int{rows})
	g := heads{1, 1, 2}
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(cols int) value[float32] {
		v := value[float32]{m: newMatrix[float32](rows, cols)}
		for i := range v.data() {
			v.data()[i] = rng.Float32()
		}
		return v
	}
	q, k, v := random(2), random(2), random(2)
	p := &pass[float32]{ctx: context.Background(), workers: 1, layout: l}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := attend(p, g, "attn.", q, k, v)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4*scoresAtOnce+1<<20 {
		t.Errorf("attention took %d MiB", used>>20)
	}
	a := newAttention(p, g, value[float32]{m: timesScalar(q.m, 1/math.Sqrt(2))}, k, v)
	a.keepScores()
	a.eachHead(a.scoreHead)
	a.eachHead(a.mixHead)
	if !slices.Equal(got.data(), a.out.data()) {
		t.Error("the results differ from those of all scores at once")
	}
	whole := newAttention(p, g, value[float32]{m: timesScalar(q.m, 1/math.Sqrt(2))}, k, v)
	whole.parts[0].groups = l.groups(l.spans[0])
	whole.keepScores()
	whole.eachHead(whole.scoreHead)
	whole.eachHead(whole.mixHead)
	if !slices.Equal(got.data(), whole.out.data()) {
		t.Error("the results depend on how many rows are computed at once")
	}
}

func TestLayoutPositions(t *testing.T) {
	l := spansOf(2, []int{4, 0, 2}, []int{2, 0, 2})
	if diff := cmp.Diff([]int{4, 5, 2, 3}, l.queryPositions()); diff != "" {
		t.Errorf("queries are not the last of their keys:\n%s", diff)
	}
	if diff := cmp.Diff([]int{0, 1, 2, 3, 4, 5, 0, 1, 2, 3}, l.keyPositions()); diff != "" {
		t.Errorf("keys of a sample do not start at 0:\n%s", diff)
	}
}

// attend against the definition: softmax over all keys of all samples with −∞
// where sample or block forbid.
func TestAttentionAgainstItsDefinition(t *testing.T) {
	for _, g := range []heads{{3, 3, 4}, {3, 1, 4}, {1, 1, 2}} {
		for _, block := range []int{0, 1, 2, 5} {
			l := spansOf(block, []int{4, 0, 0, 3}, []int{2, 5, 0, 4})
			p := &pass[float64]{ctx: context.Background(), workers: 2, layout: l}
			rng := rand.New(rand.NewPCG(uint64(g.kv), uint64(block)))
			q, k, v := randomValue(rng, l.rows, g.query*g.width), randomValue(rng, l.keys, g.kv*g.width), randomValue(rng, l.keys, g.kv*g.width)
			got := attend(p, g, "", q, k, v)
			want := attendByDefinition(l, g, q, k, v)
			for i, x := range got.data() {
				if math.Abs(x-want[i]) > 1e-12 {
					t.Fatalf("%+v, blocks of %d: element %d is %v, want %v", g, block, i, x, want[i])
				}
			}
		}
	}
}

func randomValue(rng *rand.Rand, rows, cols int) value[float64] {
	v := value[float64]{m: newMatrix[float64](rows, cols)}
	for i := range v.data() {
		v.data()[i] = rng.NormFloat64()
	}
	return v
}

func attendByDefinition(l *layout, g heads, q, k, v value[float64]) []float64 {
	sampleOfRow, sampleOfKey := []int{}, []int{}
	for i, s := range l.spans {
		for range s.queries {
			sampleOfRow = append(sampleOfRow, i)
		}
		for range s.keys() {
			sampleOfKey = append(sampleOfKey, i)
		}
	}
	rows, keys := l.queryPositions(), l.keyPositions()
	sees := func(r, j int) bool {
		return sampleOfRow[r] == sampleOfKey[j] && (l.block == 0 || keys[j]/l.block <= rows[r]/l.block)
	}
	out := make([]float64, l.rows*g.query*g.width)
	for r := range rows {
		for h := range g.query {
			kv := h
			if g.kv == 1 {
				kv = 0
			}
			total := 0.0
			o := out[(r*g.query+h)*g.width:][:g.width]
			for j := range keys {
				if !sees(r, j) {
					continue
				}
				dot := 0.0
				for c := range g.width {
					dot += q.row(r)[h*g.width+c] * k.row(j)[kv*g.width+c]
				}
				weight := math.Exp(dot / math.Sqrt(float64(g.width)))
				total += weight
				for c := range o {
					o[c] += weight * v.row(j)[kv*g.width+c]
				}
			}
			for c := range o {
				o[c] /= total
			}
		}
	}
	return out
}

// The scores are shown as [heads, R, Lk], scaled, zero where the mask forbids; what
// a forcing tap makes of them decides the weights.
func TestScoresAreShownAndForced(t *testing.T) {
	l := spansOf(1, []int{1, 0}, []int{2, 1}) // keys 0 1 2 | 3
	g := heads{1, 1, 1}
	q, k, v := valueFrom(1, 2, 3, 5), valueFrom(1, 1, 10, 100, 1000), valueFrom(1, 7, 8, 9, 11)
	seen := &recorder{}
	p := &pass[float32]{ctx: context.Background(), workers: 1, layout: l, tap: seen}
	attend(p, g, "attn.", q, k, v)
	view := seen.views["encode/attn.scores"]
	if diff := cmp.Diff([]int{1, 3, 4}, []int(view.Shape)); diff != "" {
		t.Fatal(diff)
	}
	got, err := view.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	want := []float32{2, 20, 0, 0, 3, 30, 300, 0, 0, 0, 0, 5000}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	equal := viewOf("", valueFrom(4, make([]float32, 12)...), view.Shape)
	p.tap = &forcer{replace: func(generate.Site) (tensor.View, bool) { return equal, true }}
	if diff := cmp.Diff([]float32{7.5, 8, 11}, attend(p, g, "attn.", q, k, v).data(), near); diff != "" {
		t.Errorf("equal scores do not average what is visible:\n%s", diff)
	}
}
