package main

import (
	"context"
	"io"

	"colakit/internal/atomicfile"
	"colakit/internal/progress"
	"colakit/internal/records"
	"colakit/internal/torch"
	"colakit/reference/generate"
)

// records generates in batches and writes one record for each prompt, to the
// standard output or to a file that appears when it is complete.
func (r *request) records(ctx context.Context, stdout io.Writer, m *computed, generator *torch.Generator, j job, bar *progress.Reporter) error {
	bar.Count("prompts")
	defer bar.End()
	if r.output == "" || r.output == "-" {
		return r.batches(ctx, stdout, m, generator, j, bar)
	}
	return atomicfile.Write(r.output, func(w io.Writer) error {
		return r.batches(ctx, w, m, generator, j, bar)
	})
}

// batches generates batch after batch and writes the records as they come.
func (r *request) batches(ctx context.Context, w io.Writer, m *computed, generator *torch.Generator, j job, bar *progress.Reporter) error {
	total := len(j.records)
	for first := 0; first < total; first += r.batch {
		bar.Update("", int64(first), int64(total))
		lines, err := r.generate(ctx, m, generator, j, first, min(first+r.batch, total))
		if err != nil {
			return err
		}
		if _, err := w.Write(lines); err != nil {
			return err
		}
	}
	bar.Update("", int64(total), int64(total))
	return nil
}

// generate returns the output lines of the records from first to before end.
func (r *request) generate(ctx context.Context, m *computed, generator *torch.Generator, j job, first, end int) ([]byte, error) {
	batch := j.records[first:end]
	prompts := make([]generate.Prompt, len(batch))
	ids := make([]int64, len(batch))
	for i, rec := range batch {
		prompts[i] = generate.Prompt{Name: j.where(first + i), Tokens: r.ids.tokens(m.tokenizer, rec.Prompt)}
		if !r.global {
			ids[i], _ = rec.NoiseID(i) // checked by load
		}
	}
	results, err := r.compute(ctx, m, prompts, r.options, r.noise(generator, ids, len(batch)))
	if err != nil {
		return nil, err
	}
	var lines []byte
	for i, result := range results {
		lines = r.result(m, batch[i], result).Append(lines)
	}
	return lines, nil
}

func (r *request) result(m *computed, rec records.Record, result generate.Result) records.Result {
	out := records.Result{Record: rec, Generate: m.tokenizer.Decode(result.Generated(), false)}
	if patch := m.engine.Model().PatchSize; patch > 1 {
		remainder := result.Tokens % patch
		out.Remainder = &remainder
	}
	if r.blockTokens {
		out.BlockTokens = result.BlockTokens()
	}
	return out
}
