package reference

import "github.com/nlpodyssey/spago/nn"

// DiTMLP is Linear → GELU (tanh) → Linear, f = d·expand_ratio wide inside.
type DiTMLP[T number] struct {
	nn.Module
	ProjIn  *Linear[T] // [f, d]
	ProjOut *Linear[T] // [d, f]

	path string // "dit.blocks.3.mlp."
}

// forward maps x [R, d] to [R, d].
func (m *DiTMLP[T]) forward(p *pass[T], x value[T]) value[T] {
	hidden := p.see(m.path, "hidden", m.ProjIn.forward(p, x))
	act := p.see(m.path, "act", geluTanh(p, hidden))
	return p.see(m.path, "out", m.ProjOut.forward(p, act))
}
