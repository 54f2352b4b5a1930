package tokenizer

import (
	"encoding/json"

	"colakit/formats/tensor"
)

// template is what a TemplateProcessing makes of one text: ids before, the text's own
// ids, ids after.
type template struct {
	before, after []int32
	read          bool
}

type processor struct {
	typed
	Processors    []json.RawMessage `json:"processors"` // Sequence
	Single        []piece           `json:"single"`     // TemplateProcessing
	SpecialTokens map[string]struct {
		IDs []int32 `json:"ids"`
	} `json:"special_tokens"`
}

// piece is one element of a template; exactly one of its fields is set.
type piece struct {
	Sequence *struct {
		ID string `json:"id"`
	} `json:"Sequence"`
	SpecialToken *struct {
		ID string `json:"id"`
	} `json:"SpecialToken"`
}

// readPostProcessor reads null, ByteLevel (which moves offsets only),
// TemplateProcessing or a Sequence of these.
func (t *Tokenizer) readPostProcessor(f *file) error {
	return t.processor(f.PostProcessor, "post_processor", 0)
}

func (t *Tokenizer) processor(raw json.RawMessage, where string, depth int) error {
	if !isSet(raw) {
		return nil
	}
	var p processor
	if err := json.Unmarshal(raw, &p); err != nil {
		return tensor.Damagedf("%s: %w", where, err)
	}
	switch {
	case p.Type == "ByteLevel":
		return nil
	case p.Type == "TemplateProcessing":
		return t.readTemplate(&p, where)
	case p.Type == "Sequence" && depth == 0:
		for _, raw := range p.Processors {
			if err := t.processor(raw, where+" (Sequence)", depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return unsupported("%s is %s, supported are ByteLevel, TemplateProcessing and a Sequence of them", where, p.name())
}

func (t *Tokenizer) readTemplate(p *processor, where string) error {
	if t.template.read {
		return unsupported("%s has a second TemplateProcessing, supported is one", where)
	}
	t.template.read = true
	texts := 0
	for i, piece := range p.Single {
		switch {
		case piece.Sequence != nil && piece.Sequence.ID == "A":
			texts++
		case piece.SpecialToken != nil:
			special, ok := p.SpecialTokens[piece.SpecialToken.ID]
			if !ok {
				return tensor.Damagedf("%s: single[%d] is %q, which special_tokens does not hold", where, i, piece.SpecialToken.ID)
			}
			if texts == 0 {
				t.template.before = append(t.template.before, special.IDs...)
			} else {
				t.template.after = append(t.template.after, special.IDs...)
			}
		default:
			return unsupported("%s: single[%d] is neither a special token nor the sequence A", where, i)
		}
	}
	if texts != 1 {
		return unsupported("%s: single has the text %d times, supported is once", where, texts)
	}
	return nil
}

// around returns the ids of a text with those of the template.
func (t *template) around(ids []int32) []int32 {
	out := make([]int32, 0, len(t.before)+len(ids)+len(t.after))
	out = append(out, t.before...)
	out = append(out, ids...)
	return append(out, t.after...)
}
