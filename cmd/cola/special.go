package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/pflag"

	"colakit/formats/tokenizer"
	"colakit/reference/generate"
)

// optionalID is a flag that holds a token id, or none.
type optionalID struct{ id *int32 }

func (o *optionalID) Type() string { return "ID" }

func (o *optionalID) String() string {
	if o.id == nil {
		return ""
	}
	return strconv.Itoa(int(*o.id))
}

func (o *optionalID) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is no token id", text)
	}
	id := int32(n)
	o.id = &id
	return nil
}

// specialIDs are the flags that name tokens.
type specialIDs struct {
	pad, eos, imEnd                   optionalID
	sft                               bool
	imStart, user, assistant, newline optionalID
	chat                              *generate.ChatTokens // set by resolve where sft is
	ends                              []int32              // set by resolve: where streamed text is cut
}

func (s *specialIDs) declare(flags *pflag.FlagSet) {
	flags.Var(&s.pad, "pad-token-id", "`ID` that fills the last block of a prompt (default: the tokenizer's <|pad|>, else 100277)")
	flags.Var(&s.eos, "eos-token-id", "a batch stops when every sample has shown the token `ID` (default: none)")
	flags.Var(&s.imEnd, "im-end-token-id", "`ID`, likewise (default: none)")
	flags.BoolVar(&s.sft, "sft", false, "wrap every prompt as a user's turn: <|im_start|>user\\n…<|im_end|>\\n<|im_start|>assistant\\n; <|im_end|> then stops")
	flags.Var(&s.imStart, "im-start-token-id", "`ID` of --sft (default: the tokenizer's <|im_start|>)")
	flags.Var(&s.user, "user-token-id", "`ID` of --sft (default: the tokenizer's \"user\")")
	flags.Var(&s.assistant, "assistant-token-id", "`ID` of --sft (default: the tokenizer's \"assistant\")")
	flags.Var(&s.newline, "newline-token-id", "`ID` of --sft (default: the tokenizer's newline)")
}

const (
	padToken, endToken       = "<|pad|>", "<|endoftext|>"
	imStartToken, imEndToken = "<|im_start|>", "<|im_end|>"
)

// resolve looks up the ids that no flag gives and puts them into the options.
func (s *specialIDs) resolve(t *tokenizer.Tokenizer, o *generate.Options) error {
	if id, ok := t.TokenID(padToken); ok {
		o.PadTokenID = id
	}
	if s.pad.id != nil {
		o.PadTokenID = *s.pad.id
	}
	if s.sft {
		if err := s.resolveChat(t); err != nil {
			return err
		}
	}
	o.EOSTokenID, o.IMEndTokenID = s.eos.id, s.imEnd.id
	for _, flag := range []optionalID{s.eos, s.imEnd} {
		if flag.id != nil {
			s.ends = append(s.ends, *flag.id)
		}
	}
	for _, name := range []string{endToken, imEndToken} {
		if id, ok := t.TokenID(name); ok {
			s.ends = append(s.ends, id)
		}
	}
	return nil
}

// resolveChat fills in the tokens of --sft; <|im_end|> becomes a stop token, too.
func (s *specialIDs) resolveChat(t *tokenizer.Tokenizer) error {
	for _, token := range []struct {
		flag       *optionalID
		name, text string
	}{
		{&s.imStart, "im-start-token-id", imStartToken},
		{&s.imEnd, "im-end-token-id", imEndToken},
		{&s.user, "user-token-id", "user"},
		{&s.assistant, "assistant-token-id", "assistant"},
		{&s.newline, "newline-token-id", "\n"},
	} {
		if token.flag.id != nil {
			continue
		}
		ids := t.Encode(token.text)
		if len(ids) != 1 {
			return fmt.Errorf("--sft needs one token for %q, and the tokenizer makes %d of it; set --%s", token.text, len(ids), token.name)
		}
		token.flag.id = &ids[0]
	}
	s.chat = &generate.ChatTokens{
		IMStart: *s.imStart.id, IMEnd: *s.imEnd.id, User: *s.user.id, Assistant: *s.assistant.id, Newline: *s.newline.id,
	}
	return nil
}

// tokens returns the ids of a prompt, wrapped where --sft asks for it.
func (s *specialIDs) tokens(t *tokenizer.Tokenizer, prompt string) []int32 {
	ids := t.Encode(prompt)
	if s.chat != nil {
		return s.chat.Wrap(ids)
	}
	return ids
}
