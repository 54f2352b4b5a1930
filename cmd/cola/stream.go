package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"colakit/internal/torch"
	"colakit/reference/generate"
)

// stream continues the prompts one by one and writes their text as it comes.
func (r *request) stream(ctx context.Context, out io.Writer, m *computed, generator *torch.Generator, prompts []string) error {
	for i, text := range prompts {
		if len(prompts) > 1 {
			fmt.Fprintf(out, "==> %q <==\n", text)
		}
		tokens := r.ids.tokens(m.tokenizer, text)
		w := &textWriter{
			out: out, special: r.special, ends: r.ids.ends, decode: m.tokenizer.Decode,
			trim: generate.NewLayout(tokens, r.options.PadTokenID, m.engine.Model()).Trim,
		}
		o := r.options
		o.OnBlock = func(_ int, ids [][]int32) error { return w.block(ids[0]) }
		prompt := []generate.Prompt{{Name: fmt.Sprintf("prompt %q", text), Tokens: tokens}}
		_, err := r.compute(ctx, m, prompt, o, r.noise(generator, []int64{int64(i)}, 1))
		if err == nil || w.written > 0 {
			err = cmp.Or(err, w.close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// textWriter writes the text of one sample, block by block.
type textWriter struct {
	out     io.Writer
	decode  func(ids []int32, skipSpecial bool) string
	special bool    // write special tokens, and what follows the end
	ends    []int32 // ids that end the text
	trim    int     // ids of the prompt that are still to come

	ids     []int32
	written int // bytes of the text
}

// block adds the ids of a block. It returns generate.ErrStop after the end of
// the text.
func (w *textWriter) block(ids []int32) error {
	prompt := min(w.trim, len(ids))
	w.trim -= prompt
	ids = ids[prompt:]
	end := -1
	if !w.special {
		end = slices.IndexFunc(ids, func(id int32) bool { return slices.Contains(w.ends, id) })
	}
	if end >= 0 {
		ids = ids[:end]
	}
	w.ids = append(w.ids, ids...)
	// The next block may complete a character that ends in its middle here.
	if err := w.write(strings.TrimRight(w.text(), "\ufffd")); err != nil {
		return err
	}
	if end >= 0 {
		return generate.ErrStop
	}
	return nil
}

func (w *textWriter) text() string { return w.decode(w.ids, !w.special) }

// write writes what text has more than was written.
func (w *textWriter) write(text string) error {
	if len(text) <= w.written {
		return nil
	}
	_, err := io.WriteString(w.out, text[w.written:])
	w.written = len(text)
	return err
}

// close writes what was held back, and a newline.
func (w *textWriter) close() error { return w.write(w.text() + "\n") }
