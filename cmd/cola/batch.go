package main

import (
	"context"
	"fmt"

	"colakit/internal/command"
	"colakit/internal/progress"
	"colakit/internal/records"
	"colakit/internal/torch"
	"colakit/reference/generate"
)

// records generates in batches and writes one record for each prompt.
func (r *request) records(ctx context.Context, s command.Streams, m *model, generator *torch.Generator, prompts []string) error {
	recs, name, err := r.load(s.In, prompts)
	if err != nil {
		return err
	}
	bar, err := progress.New(s.Err, "generate", r.progress)
	if err != nil {
		return fmt.Errorf("--progress: %w", err)
	}
	bar.Count("prompts")
	defer bar.End()
	out, err := createOutput(r.output, s.Out)
	if err != nil {
		return err
	}
	defer out.abandon()
	for first := 0; first < len(recs); first += r.batch {
		bar.Update("", int64(first), int64(len(recs)))
		batch := recs[first:min(first+r.batch, len(recs))]
		lines, err := r.generate(ctx, m, generator, batch, name, first)
		if err != nil {
			return err
		}
		if _, err := out.Write(lines); err != nil {
			return err
		}
	}
	bar.Update("", int64(len(recs)), int64(len(recs)))
	return out.commit()
}

// generate returns the output lines of one batch.
func (r *request) generate(ctx context.Context, m *model, generator *torch.Generator, batch []records.Record, name string, first int) ([]byte, error) {
	prompts := make([]generate.Prompt, len(batch))
	ids := make([]int64, len(batch))
	for i, rec := range batch {
		where := fmt.Sprintf("%s:%d", name, rec.Line)
		if rec.Line == 0 {
			where = fmt.Sprintf("%s %d", name, first+i)
		}
		prompts[i] = generate.Prompt{Name: where, Tokens: r.ids.tokens(m.tokenizer, rec.Prompt)}
		if r.global {
			continue
		}
		var err error
		if ids[i], err = rec.NoiseID(i); err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
	}
	results, err := generate.Run(ctx, m.engine, prompts, r.options, r.noise(generator, ids, len(batch)))
	if err != nil {
		return nil, err
	}
	var lines []byte
	for i, result := range results {
		lines = r.result(m, batch[i], result).Append(lines)
	}
	return lines, nil
}

func (r *request) result(m *model, rec records.Record, result generate.Result) records.Result {
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
