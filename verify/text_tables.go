package verify

import (
	"fmt"
	"strings"
)

// writeLayers prints the table by layer.
func (r *Report) writeLayers(k *ink) {
	k.section("By layer: worst rel-L2 and share of a tolerance used; attn, mlp, output: free-running")
	t := newWideTable("layer", ">isolated", ">used", "?", "?by", ">attn", ">used", ">mlp", ">used", ">output", ">used", "?>gain")
	for _, row := range r.Layers {
		name := row.Layer
		if row.Isolated.Failed+row.Attention.Failed+row.MLP.Failed+row.Output.Failed > 0 {
			name = k.paint(red, name)
		}
		cells := []string{name}
		cells = append(cells, k.extent(row.Isolated)...)
		cells = append(cells, k.barOf(row.Isolated), opOf(row.Isolated.Name))
		for _, e := range []Extent{row.Attention, row.MLP, row.Output} {
			cells = append(cells, k.extent(e)...)
		}
		t.row(append(cells, k.gain(row))...)
	}
	t.write(k)
}

// extent formats the figure and the share of an Extent; empty where nothing was compared.
func (k *ink) extent(e Extent) []string {
	if e.Compared == 0 {
		return []string{"", ""}
	}
	figure := short(e.RelL2)
	if e.Failed > 0 {
		figure = k.paint(red, figure)
	}
	return []string{figure, k.share(e.Share)}
}

func (k *ink) barOf(e Extent) string {
	if e.Compared == 0 {
		return ""
	}
	return k.bar(e.Share)
}

// opOf is the operation of a tap's name: "msa.out" of "b00/s01/cond/dit.blocks.3.msa.out".
func opOf(tap string) string {
	path := tap[strings.LastIndexByte(tap, '/')+1:]
	parts := strings.Split(path, ".")
	for i, p := range parts {
		if p == "blocks" && i+2 < len(parts) {
			return strings.Join(parts[i+2:], ".")
		}
	}
	return path
}

// writePasses prints the table by block, branch and step.
func (r *Report) writePasses(k *ink) {
	k.section("By block, branch and step: velocities (free-running), latents (in generation); log scale")
	t := newTable("pass", ">isolated", ">used", ">free/generated", ">used", "rel-L2 by step")
	for _, row := range r.Passes {
		cells := append([]string{row.Pass}, k.extent(row.Isolated)...)
		cells = append(cells, k.extent(row.Free)...)
		t.row(append(cells, course(row.Steps))...)
	}
	t.write(k)
}

// course draws the figures of a block's steps between the first and the last.
func course(steps []float64) string {
	if len(steps) == 0 {
		return ""
	}
	return fmt.Sprintf("%s %s %s", short(steps[0]), spark(steps), short(steps[len(steps)-1]))
}

// worstShown is the number of worst tensors printed.
const worstShown = 5

func (r *Report) writeWorst(k *ink) {
	if r.Unjudged != "" && len(r.Findings) == 0 {
		return
	}
	k.section("Worst tensors")
	t := newTable(">used", "mode", "~tap", "figure", "?>at", "?>got", "?>wanted")
	shown := map[string]bool{}
	for _, c := range byShare(r.Comparisons) {
		key := string(c.Mode) + opOf(c.Name)
		if c.Rule == "" && !c.Failed() || shown[key] {
			continue
		}
		shown[key] = true
		x := c.Summary.MaxAbs
		t.row(k.share(c.Share), string(c.Mode), c.Name, tightest(c), fmt.Sprint(c.Index), fmt.Sprintf("%.7g", x.Got), fmt.Sprintf("%.7g", x.Want))
		if len(shown) == worstShown {
			break
		}
	}
	t.write(k)
}

// tightest formats the check that used most of its limit.
func tightest(c *Comparison) string {
	worst, ok := c.Tightest()
	if !ok {
		return c.Problem
	}
	return figure(worst)
}

func figure(c Check) string {
	return fmt.Sprintf("%s %s of %s", c.Metric, short(c.Value), short(c.Limit))
}

func (r *Report) writePolicy(k *ink, everything bool) {
	if len(r.Policy) == 0 {
		return
	}
	k.section("Tolerances: a candidate, e golden, K summands of an element")
	t := newTable(">used", "?", ">of", "rule", "worst", "?limits")
	for _, u := range r.Policy {
		count := fmt.Sprint(u.Compared)
		if u.Failed > 0 {
			count = k.paint(red, fmt.Sprintf("%d/%d failed", u.Failed, u.Compared))
		}
		name := u.Name
		if u.Overridden {
			name = k.paint(yellow, name+" (overridden)")
		}
		if u.Uncalibrated > 0 {
			name += k.paint(dim, fmt.Sprintf(" (%d uncalibrated)", u.Uncalibrated))
		}
		t.row(k.share(u.Share), k.bar(u.Share), count, name, figure(u.Check), u.Formula)
	}
	t.write(k)
	r.writeOverrides(k)
	if everything {
		for _, u := range r.Policy {
			k.wrapped("  "+k.paint(bold, u.Name)+": ", "    ", u.Formula+". "+u.Derivation+" Worst: "+u.Worst+".")
		}
	}
}

// writeOverrides prints what replaced limits of the policy, and why.
func (r *Report) writeOverrides(k *ink) {
	for _, o := range r.Overrides {
		k.wrapped("  "+k.paint(yellow, "override: "), "    ", o.describe())
	}
}

// writeLogits prints the distributions, block by block.
func (r *Report) writeLogits(k *ink) {
	if len(r.Logits) == 0 {
		return
	}
	k.section("Logits as distributions over tokens: KL divergence and change of the golden's most probable one")
	t := newTable("mode", ">block", ">rows", ">mean KL", "±", ">p99", ">largest", ">mean Δp", "±", ">largest", ">same top-1", "±", ">ties")
	for _, l := range r.Logits {
		t.row(string(l.Mode), fmt.Sprint(l.Block), fmt.Sprint(l.Rows), short(l.KLMean), short(l.KLStdErr), short(l.KLP99), short(l.KLMax),
			short(l.DeltaPMean), short(l.DeltaPStdErr), short(l.DeltaP), fmt.Sprintf("%.4g %%", 100*l.Top1Share), fmt.Sprintf("%.2g %%", 100*l.Top1StdErr), fmt.Sprint(l.Ties))
	}
	t.write(k)
}

// writeEverything prints every operation in every mode, summed up over the passes.
func (r *Report) writeEverything(k *ink) {
	type key struct {
		mode Mode
		path string
	}
	sums := map[key]*Extent{}
	var keys []key
	for _, c := range r.Comparisons {
		at := key{c.Mode, c.Name[strings.LastIndexByte(c.Name, '/')+1:]}
		if sums[at] == nil {
			sums[at] = &Extent{}
			keys = append(keys, at)
		}
		sums[at].add(c)
	}
	k.section("Every operation, over all passes")
	t := newTable("mode", "~operation", ">passes", ">rel-L2", ">used", "~worst")
	for _, at := range keys {
		e := sums[at]
		cells := append([]string{string(at.mode), at.path, fmt.Sprint(e.Compared)}, k.extent(*e)...)
		t.row(append(cells, e.Name)...)
	}
	t.write(k)
}
