package verify

import (
	"colakit/formats/dtype"
	"colakit/verify/metric"
)

// Profile says how the errors of one kind of operation are distributed over the
// elements, in one mode and one type of the golden's values.
type Profile struct {
	Mode  Mode   `json:"mode"`
	Kind  string `json:"kind"`
	Type  string `json:"type"`
	Taps  int    `json:"taps"`  // comparisons that are summed up
	Worst string `json:"worst"` // the comparison with the largest rel-L2
	metric.Profile
}

// profiles sums up the comparisons of each mode, kind and type, in the order of the run.
func (s *session) profiles() []Profile {
	type key struct {
		mode Mode
		kind string
		typ  dtype.Type
	}
	at := map[key]int{}
	worst := map[key]float64{}
	var list []Profile
	for _, c := range s.inOrder() {
		if c.Summary.N == 0 {
			continue
		}
		k := key{c.Mode, c.Kind, c.facts.Type}
		i, ok := at[k]
		if !ok {
			i = len(list)
			at[k], list = i, append(list, Profile{Mode: c.Mode, Kind: c.Kind, Type: k.typ.String()})
		}
		p := &list[i]
		p.Taps++
		p.Merge(c.Summary.Profile)
		if p.Worst == "" || c.Summary.RelL2 > worst[k] {
			p.Worst, worst[k] = c.Name, c.Summary.RelL2
		}
	}
	return list
}
