package generate

import "fmt"

// A Layout says how one prompt is divided between the clean prefix and the first
// generated block.
//
//	tokens   |t t t t|t t t t|t t . .|     . padding, up to a multiple of BlockSize·PatchSize
//	latents  |  prefix block  | pinned, rest to be generated |
type Layout struct {
	IDs     []int32 // token ids, padded to a multiple of BlockSize·PatchSize
	Tokens  int     // real tokens: IDs[:Tokens]; the rest is padding
	Latents int     // latents of the prompt: those with at least one real token
	Prefix  int     // leading latents that form whole blocks; they go into the caches
	Pinned  int     // latents of the prompt at the start of the first generated block
	Trim    int     // tokens of the prompt at the start of the generated ones
}

// NewLayout pads the tokens of one prompt with pad and divides its latents.
func NewLayout(tokens []int32, pad int32, m Model) Layout {
	l := Layout{
		IDs:     padded(tokens, pad, m.PatchSize*m.BlockSize),
		Tokens:  len(tokens),
		Latents: (len(tokens) + m.PatchSize - 1) / m.PatchSize,
	}
	l.Prefix = l.Latents / m.BlockSize * m.BlockSize
	l.Pinned = l.Latents - l.Prefix
	if l.Pinned > 0 {
		l.Trim = l.Tokens - l.Prefix*m.PatchSize
	}
	return l
}

func padded(tokens []int32, pad int32, multiple int) []int32 {
	n := (len(tokens) + multiple - 1) / multiple * multiple
	ids := make([]int32, n)
	for i := copy(ids, tokens); i < n; i++ {
		ids[i] = pad
	}
	return ids
}

// FirstGuidance returns the guidance of the first block: 1 for an empty prefix,
// where both branches see the same keys and their difference is noise.
func (l Layout) FirstGuidance(guidance float64) float64 {
	if l.Prefix == 0 {
		return 1
	}
	return guidance
}

// check reports tokens that the model cannot embed.
func (l Layout) check(name string, pad int32, m Model) error {
	if l.Tokens == 0 {
		return fmt.Errorf("%s: the prompt is empty: it tokenises to nothing, and there is nothing to continue", name)
	}
	for i, id := range l.IDs {
		switch {
		case id >= 0 && int(id) <= m.VocabSize:
		case i < l.Tokens:
			return fmt.Errorf("%s: token %d has id %d, but the model embeds ids 0 to %d; the tokenizer was not made for this model", name, i, id, m.VocabSize)
		default:
			return fmt.Errorf("%s: it needs padding, and the padding token has id %d, but the model embeds ids 0 to %d; set --pad-token-id", name, pad, m.VocabSize)
		}
	}
	return nil
}
