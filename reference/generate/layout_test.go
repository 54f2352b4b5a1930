package generate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLayout(t *testing.T) {
	const pad = 99
	for _, c := range []struct {
		tokens, block, patch int
		want                 Layout // without IDs
		padded               int
		reason               string
	}{
		{1, 4, 1, Layout{Tokens: 1, Latents: 1, Prefix: 0, Pinned: 1, Trim: 1}, 4, "shorter than a block"},
		{3, 4, 1, Layout{Tokens: 3, Latents: 3, Prefix: 0, Pinned: 3, Trim: 3}, 4, "one missing"},
		{4, 4, 1, Layout{Tokens: 4, Latents: 4, Prefix: 4, Pinned: 0, Trim: 0}, 4, "exactly a block"},
		{5, 4, 1, Layout{Tokens: 5, Latents: 5, Prefix: 4, Pinned: 1, Trim: 1}, 8, "one over"},
		{11, 4, 1, Layout{Tokens: 11, Latents: 11, Prefix: 8, Pinned: 3, Trim: 3}, 12, ""},
		{7, 1, 1, Layout{Tokens: 7, Latents: 7, Prefix: 7, Pinned: 0, Trim: 0}, 7, "blocks of one never pin"},
		{1, 2, 3, Layout{Tokens: 1, Latents: 1, Prefix: 0, Pinned: 1, Trim: 1}, 6, "a third of a latent is a prompt latent"},
		{4, 2, 3, Layout{Tokens: 4, Latents: 2, Prefix: 2, Pinned: 0, Trim: 0}, 6, "padding inside the last prefix latent: no trim"},
		{7, 2, 3, Layout{Tokens: 7, Latents: 3, Prefix: 2, Pinned: 1, Trim: 1}, 12, "trim counts tokens, not latents"},
		{9, 2, 3, Layout{Tokens: 9, Latents: 3, Prefix: 2, Pinned: 1, Trim: 3}, 12, ""},
	} {
		tokens := prompts(c.tokens)[0].Tokens
		got := NewLayout(tokens, pad, Model{BlockSize: c.block, PatchSize: c.patch})
		c.want.IDs = append([]int32{}, tokens...)
		for len(c.want.IDs) < c.padded {
			c.want.IDs = append(c.want.IDs, pad)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%d tokens, blocks of %d·%d (%s): %s", c.tokens, c.block, c.patch, c.reason, diff)
		}
	}
}

func TestFirstGuidance(t *testing.T) {
	layouts := []Layout{{Prefix: 0, Pinned: 2}, {Prefix: 4}}
	for _, c := range []struct {
		block    int
		contract Contract
		want     []float32
		reason   string
	}{
		{0, Exact, []float32{1, 7.3}, "no prefix, no guidance"},
		{1, Exact, []float32{7.3, 7.3}, "the first block is a prefix"},
		{0, Released, []float32{1, 7.3125}, "a bfloat16 tensor in the first block"},
		{1, Released, []float32{7.3, 7.3}, "a number later"},
	} {
		if diff := cmp.Diff(c.want, GuidanceScales(layouts, 7.3, c.block, c.contract)); diff != "" {
			t.Errorf("block %d, %v (%s): %s", c.block, c.contract, c.reason, diff)
		}
	}
}

func TestLayoutCheck(t *testing.T) {
	m := Model{BlockSize: 2, PatchSize: 1, VocabSize: 10}
	for _, c := range []struct {
		tokens []int32
		pad    int32
		want   string
	}{
		{nil, 0, "here: the prompt is empty"},
		{[]int32{3, 11}, 0, "here: token 1 has id 11, but the model embeds ids 0 to 10"},
		{[]int32{-1, 1}, 0, "here: token 0 has id -1"},
		{[]int32{3}, 11, "padding token has id 11, but the model embeds ids 0 to 10; set --pad-token-id"},
		{[]int32{3, 4}, 11, ""},
		{[]int32{10}, 10, ""},
	} {
		err := NewLayout(c.tokens, c.pad, m).check("here", c.pad, m)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v padded with %d: error %v, want %q", c.tokens, c.pad, err, c.want)
		}
	}
}

func TestChatTokens(t *testing.T) {
	got := ChatTokens{IMStart: 1, IMEnd: 2, User: 3, Assistant: 4, Newline: 5}.Wrap([]int32{9, 8})
	if diff := cmp.Diff([]int32{1, 3, 5, 9, 8, 2, 5, 1, 4, 5}, got); diff != "" {
		t.Error(diff)
	}
}
