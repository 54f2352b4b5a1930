package verify

import (
	"encoding/binary"
	"fmt"
	"slices"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// compareLogits compares what the bundle keeps of a block's logits at every level
// with the same figures of the engine's: its own largest values, its values at the
// golden's largest ids (under the name of the ids), and the logarithm of the sum
// of the exponentials. In generation, and when free-running on the golden's own latents,
// it also compares the distributions.
func (o *observer) compareLogits(site generate.Site, got tensor.View) error {
	top, held := o.bundle.Lookup(sibling(site, catalog.TopValues))
	if !held || len(got.Shape) != 2 || len(top.Shape) != 2 || got.Shape[0] != top.Shape[0] || top.Shape[1] > got.Shape[1] {
		return nil // missing taps and other shapes are reported elsewhere
	}
	rows, err := rowsOf(got)
	if err != nil {
		return err
	}
	known, err := o.reference(site, got.Shape[1])
	if err != nil {
		return err
	}
	own, at, sums := derived(rows, known, top.Shape[1])
	for _, d := range []struct {
		path   string
		values []float64
		want   string
	}{
		{catalog.TopValues, own, catalog.TopValues}, {catalog.TopIDs, at, catalog.TopValues}, {catalog.LogSumExp, sums, catalog.LogSumExp},
	} {
		if !o.plan.compare[sibling(site, d.path)] {
			continue
		}
		if err := o.compareDerived(beside(site, d.path), got.Type, d.values, sibling(site, d.want)); err != nil {
			return err
		}
	}
	op, _ := o.catalog.Lookup(site)
	kept := o.rows(site, op, got.Shape)
	return o.compareDistributions(site, pick(kept, rows), pick(kept, known))
}

// derived returns the k largest logits of every row, the logits at the reference's
// ids, and the rows' log-sum-exp.
func derived(rows [][]float64, known []metric.Reference, k int) (own, at, sums []float64) {
	for i, row := range rows {
		sorted := slices.Clone(row)
		slices.SortFunc(sorted, func(a, b float64) int { return -compareNumbers(a, b) })
		own = append(own, sorted[:k]...)
		for _, id := range known[i].IDs[:k] {
			at = append(at, row[id])
		}
		sums = append(sums, metric.LogSumExp(row))
	}
	return own, at, sums
}

// compareNumbers orders NaN below all numbers.
func compareNumbers(a, b float64) int {
	switch {
	case a > b || b != b && a == a:
		return 1
	case a < b || a != a && b == b:
		return -1
	}
	return 0
}

// compareDerived compares values of the given type with a tap.
func (o *observer) compareDerived(site generate.Site, typ dtype.Type, values []float64, want string) error {
	tap, ok := o.bundle.Lookup(want)
	if !ok {
		return nil
	}
	golden, err := o.bundle.Read(want)
	if err != nil {
		return err
	}
	if site.Path == catalog.LogSumExp {
		typ = dtype.F64
	}
	op, _ := o.catalog.Lookup(site)
	tap.Name = site.String()
	got := tensor.View{Desc: tensor.Desc{Name: tap.Name, Type: typ, Shape: tap.Shape}, Data: make([]byte, typ.Size()*len(values))}
	if err := dtype.FromFloat64s(got.Data, values, typ); err != nil {
		return err
	}
	return o.compare(site, op, got, tap, golden)
}

// compareDistributions adds the KL divergence of a block's rows.
func (o *observer) compareDistributions(site generate.Site, rows [][]float64, known []metric.Reference) error {
	if o.mode == Isolated || o.mode == Free && o.drifted(o.mode, site, catalog.Unit{}) {
		return nil
	}
	f := o.overall(o.mode)
	o.logits = append(o.logits, LogitRow{Mode: o.mode, Block: site.Block, Logits: metric.CompareLogits(rows, known, tieGap(f, known, 0))})
	return nil
}

// knownLogits returns the golden's logits of a block, as far as they are recorded.
func (s *session) knownLogits(block int) []metric.Reference {
	site := generate.Site{Stage: generate.Decode, Block: block, Path: catalog.Logits}
	if _, held := s.order[sibling(site, catalog.TopValues)]; !held {
		return s.references[block]
	}
	known, err := s.reference(site, s.cfg.VAE.VocabSize)
	if err != nil {
		return nil // reported where they are compared
	}
	return known
}

// reference returns the golden's logits of a block: all, or the largest.
func (s *session) reference(site generate.Site, vocabulary int) ([]metric.Reference, error) {
	if known := s.references[site.Block]; known != nil {
		return known, nil
	}
	known, err := s.readReference(site, vocabulary)
	s.references[site.Block] = known
	return known, err
}

func (s *session) readReference(site generate.Site, vocabulary int) ([]metric.Reference, error) {
	if _, ok := s.bundle.Lookup(sibling(site, catalog.Logits)); ok {
		whole, err := s.bundle.Read(sibling(site, catalog.Logits))
		if err != nil {
			return nil, err
		}
		rows, err := rowsOf(whole)
		known := make([]metric.Reference, len(rows))
		for i, row := range rows {
			known[i] = metric.Whole(row)
		}
		return known, err
	}
	return s.readLargest(site, vocabulary)
}

func (s *session) readLargest(site generate.Site, vocabulary int) ([]metric.Reference, error) {
	values, err := s.bundle.Read(sibling(site, catalog.TopValues))
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf(values)
	if err != nil {
		return nil, err
	}
	ids, err := readIDs(s.bundle, sibling(site, catalog.TopIDs), vocabulary)
	if err != nil {
		return nil, err
	}
	sums, err := s.bundle.Read(sibling(site, catalog.LogSumExp))
	if err != nil {
		return nil, err
	}
	lse, err := sums.Float64s()
	if err != nil {
		return nil, err
	}
	known := make([]metric.Reference, len(rows))
	k := values.Shape[1]
	if len(ids) != len(rows)*k || len(lse) != len(rows) {
		return nil, tensor.Damagedf("%s: %d ids and %d sums for %d rows of %d logits", s.options.Name, len(ids), len(lse), len(rows), k)
	}
	for i := range known {
		known[i] = metric.Reference{Values: rows[i], IDs: ids[i*k : (i+1)*k], LogSumExp: lse[i]}
	}
	return known, nil
}

func readIDs(b *golden.Bundle, name string, vocabulary int) ([]int32, error) {
	v, err := b.Read(name)
	if err != nil {
		return nil, err
	}
	if v.Type != dtype.I32 {
		return nil, tensor.Damagedf("tap %q is %v, wants i32", name, v.Type)
	}
	ids := make([]int32, len(v.Data)/4)
	for i := range ids {
		ids[i] = int32(binary.LittleEndian.Uint32(v.Data[4*i:]))
		if ids[i] < 0 || int(ids[i]) >= vocabulary {
			return nil, tensor.Damagedf("tap %q holds id %d, the vocabulary has %d", name, ids[i], vocabulary)
		}
	}
	return ids, nil
}

// rowsOf returns the rows of a matrix.
func rowsOf(v tensor.View) ([][]float64, error) {
	if len(v.Shape) != 2 {
		return nil, fmt.Errorf("%s: shape %v is no matrix", v.Name, v.Shape)
	}
	all, err := v.Float64s()
	if err != nil {
		return nil, err
	}
	rows := make([][]float64, v.Shape[0])
	for i := range rows {
		rows[i] = all[i*v.Shape[1] : (i+1)*v.Shape[1]]
	}
	return rows, nil
}
