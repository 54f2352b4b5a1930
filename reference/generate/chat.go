package generate

import "slices"

// ChatTokens are the ids that wrap a prompt for a model tuned on conversations.
type ChatTokens struct {
	IMStart, IMEnd, User, Assistant, Newline int32
}

// Wrap returns the tokens as a user's turn followed by the opening of the
// assistant's: <|im_start|>user\n … <|im_end|>\n<|im_start|>assistant\n.
func (c ChatTokens) Wrap(tokens []int32) []int32 {
	return slices.Concat(
		[]int32{c.IMStart, c.User, c.Newline},
		tokens,
		[]int32{c.IMEnd, c.Newline, c.IMStart, c.Assistant, c.Newline},
	)
}
