package page

import (
	"fmt"
	"math"
	"slices"

	"colakit/verify"
)

// magnitudePlots draws the error against the magnitude of the golden's value, one plot
// for each kind of operation and type.
func magnitudePlots(r *verify.Report) []figure {
	var figures []figure
	for _, kind := range kinds(r) {
		p := plot{title: kind.name() + ": error against magnitude", xLabel: "|golden value|, powers of two", yLabel: "RMS of the error"}
		for i, m := range []verify.Mode{verify.Isolated, verify.Free, verify.Generation} {
			if profile := kind.profile(r, m); profile != nil {
				p.series = append(p.series, magnitudeSeries(profile, i))
			}
		}
		if !slices.ContainsFunc(p.series, func(s series) bool { return slices.ContainsFunc(s.points, func(q point) bool { return q.y > 0 }) }) {
			continue // bit-equal, which the histograms say
		}
		p.ticks = exponents(p.series)
		if unit, ok := precision[kind.typ]; ok {
			p.series = append(p.series, unitSeries(p.ticks, unit))
		}
		if f, ok := p.figure(); ok {
			figures = append(figures, f)
		}
	}
	return figures
}

// precision is the distance of two neighbours at 1, by type.
var precision = map[string]float64{"f32": 0x1p-23, "bf16": 0x1p-7, "f16": 0x1p-10}

// kindOf is a kind of operation of one type.
type kindOf struct{ kind, typ string }

func (k kindOf) name() string { return fmt.Sprintf("%s, %s", k.kind, k.typ) }

func (k kindOf) profile(r *verify.Report, m verify.Mode) *verify.Profile {
	for i := range r.Profiles {
		if p := &r.Profiles[i]; p.Mode == m && p.Kind == k.kind && p.Type == k.typ {
			return p
		}
	}
	return nil
}

// kinds lists the kinds of the profiles, in their order.
func kinds(r *verify.Report) []kindOf {
	var list []kindOf
	for _, p := range r.Profiles {
		if k := (kindOf{p.Kind, p.Type}); !slices.Contains(list, k) {
			list = append(list, k)
		}
	}
	return list
}

func magnitudeSeries(p *verify.Profile, style int) series {
	s := series{name: string(p.Mode), style: style}
	for _, m := range p.Magnitudes {
		if m.Exponent > -64 { // zeros have no magnitude
			s.points = append(s.points, point{float64(m.Exponent), m.RMS, fmt.Sprintf("%s, |golden| in 2^%d…2^%d: RMS %s, largest %s, %d elements",
				p.Mode, m.Exponent, m.Exponent+2, verify.FigureText(m.RMS), verify.FigureText(m.Max), m.N)})
		}
	}
	return s
}

// exponents returns a tick for each class that a series has.
func exponents(all []series) []tick {
	var at []float64
	for _, s := range all {
		for _, q := range s.points {
			if !slices.Contains(at, q.x) {
				at = append(at, q.x)
			}
		}
	}
	slices.Sort(at)
	var ticks []tick
	for _, x := range at {
		ticks = append(ticks, tick{x, fmt.Sprintf("2^%d", int(x))})
	}
	return ticks
}

// unitSeries is the distance of two neighbouring values, for scale.
func unitSeries(ticks []tick, unit float64) series {
	s := series{name: "1 ULP", style: 5, faint: true}
	for _, t := range ticks {
		s.points = append(s.points, point{x: t.at, y: math.Ldexp(unit, int(t.at))})
	}
	return s
}

// Sizes of a histogram in pixels.
const (
	barHeight = 16
	barWidth  = 130
	barLeft   = 74
)

// histograms draws the distances in ULP, one picture for each kind, type and mode.
func histograms(r *verify.Report, m verify.Mode) []figure {
	var figures []figure
	for _, kind := range kinds(r) {
		if p := kind.profile(r, m); p != nil && len(p.Distances) > 0 {
			figures = append(figures, histogram(p, kind.name()+": distance in ULP"))
		}
	}
	return figures
}

// exactClasses is the number of classes of distances that have a bar of their own; of
// the others four share one, a factor of 16.
const exactClasses = 11

// bars sums the classes of distances up as they are drawn.
func bars(distances []int64) (names []string, counts []int64) {
	for i, n := range distances {
		switch {
		case i < exactClasses:
			names, counts = append(names, distance(i, i)), append(counts, n)
		case (i-exactClasses)%4 == 0:
			names, counts = append(names, distance(i, i+3)), append(counts, n)
		default:
			counts[len(counts)-1] += n
		}
	}
	return names, counts
}

// histogram draws bars on a logarithmic scale: a bar's whole width is all elements,
// none is one in ten million or fewer.
func histogram(p *verify.Profile, title string) figure {
	names, counts := bars(p.Distances)
	total := int64(0)
	for _, n := range counts {
		total += n
	}
	t := table{Caption: title, Heads: []string{"ULP", "elements", "share"}}
	var c canvas
	for i, n := range counts {
		y, share := float64(i*barHeight), float64(n)/math.Max(float64(total), 1)
		width := 0.0
		if n > 0 {
			width = math.Max(2, barWidth*(1+math.Log10(share)/7))
		}
		text := percent(share)
		c.add(`<g class="mark"><title>%s</title><rect class="hit" x="0" y="%v" width="300" height="16"/><text x="%v" y="%v" text-anchor="end">%s</text><rect class="bar" x="%v" y="%v" width="%v" height="11"/><text x="%v" y="%v">%s</text></g>`,
			fmt.Sprintf("distance %s: %d of %d elements, %s", names[i], n, total, text), y, float64(barLeft-6), y+12, names[i], float64(barLeft), y+2.5, width, barLeft+width+5, y+12, text)
		t.Rows = append(t.Rows, []string{names[i], fmt.Sprint(n), text})
	}
	return figure{Title: title, Class: class(p.Mode), Note: fmt.Sprintf("%d comparisons; largest rel-L2 at %s.", p.Taps, p.Worst), Table: t,
		Picture: picture{SVG: c.html(300, float64(len(counts)*barHeight+4), title, 1)}}
}

// distance names the classes from first to last: "0", "2–3", "2^10–2^14".
func distance(first, last int) string {
	switch {
	case first < 2:
		return fmt.Sprint(first)
	case first < exactClasses:
		return fmt.Sprintf("%d–%d", 1<<(first-1), 1<<last-1)
	}
	return fmt.Sprintf("2^%d–2^%d", first-1, last)
}

func percent(share float64) string {
	switch {
	case share == 0:
		return "0"
	case share == 1:
		return "100 %"
	case share > 0.999:
		return fmt.Sprintf("%.4f %%", 100*share)
	}
	return fmt.Sprintf("%.2g %%", 100*share)
}
