package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/pflag"

	"colakit/cmd/internal/model"
	"colakit/formats/tensor"
	"colakit/formats/tokenizer"
	"colakit/internal/command"
)

const tokenizeLong = `Reads a text per line from FILE or standard input and writes its token ids, one
JSON array per line, as tokenizers.Tokenizer.encode(text).ids gives them.

  echo 'Once upon a time' | cola tokenize --tokenizer tokenizer.json
  cola tokenize --tokenizer model.cola texts.txt > ids.jsonl
  cola tokenize --tokenizer model.cola --decode ids.jsonl

A line that begins with a double quote and is a JSON string stands for that string,
so texts may hold line breaks; any other line is the text itself. Lines end at \n
alone: a \r before it belongs to a plain text. Bytes that are not UTF-8 become
U+FFFD. A line has at most 64 MiB.

With --decode each line is a JSON array of ids and becomes a JSON string, special
tokens included. Ids that the tokenizer does not have are left out, as in the
library.`

func tokenizeVerb() command.Verb {
	return command.Verb{
		Name:  "tokenize",
		Args:  "--tokenizer FILE [--decode] [FILE]",
		Short: "turn lines of text into token ids, or back",
		Long:  tokenizeLong,
		Setup: func(flags *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
			path := flags.String("tokenizer", "", "`FILE`: a tokenizer.json, a .cola file that holds one, or tiny, the built-in model's")
			decode := flags.Bool("decode", false, "turn arrays of ids into text")
			return func(ctx context.Context, s command.Streams, args []string) error {
				return tokenize(ctx, s, *path, *decode, args)
			}
		},
	}
}

func tokenize(ctx context.Context, s command.Streams, path string, decode bool, args []string) error {
	switch {
	case path == "":
		return errors.New("no tokenizer given; name a tokenizer.json or a .cola file with --tokenizer FILE")
	case len(args) > 1:
		return fmt.Errorf("one input file at most, found %q and %q", args[0], args[1])
	}
	t, err := openTokenizer(path)
	if err != nil {
		return err
	}
	in, name := s.In, "standard input"
	if len(args) == 1 && args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer file.Close()
		in, name = file, args[0]
	}
	convert := encodeLine
	if decode {
		convert = decodeLine
	}
	out := bufio.NewWriter(s.Out)
	err = eachLine(ctx, in, name, out, func(number int, line []byte) error {
		result, err := convert(t, line)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, number, err)
		}
		_, err = out.Write(append(result, '\n'))
		return err
	})
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	return err
}

// openTokenizer reads a tokenizer.json or what a model holds.
func openTokenizer(path string) (*tokenizer.Tokenizer, error) {
	if isModel(path) {
		return hinted(model.HeldTokenizer(path))
	}
	return model.ReadTokenizer(path)
}

// isModel reports whether path names a model and not a tokenizer.json: by its
// extension, or by its first byte, with which no text begins.
func isModel(path string) bool {
	if path == model.Tiny || filepath.Ext(path) == ".cola" {
		return true
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	var first [1]byte
	n, _ := file.Read(first[:])
	return n == 1 && first[0] == 0x89
}

// encodeLine returns the ids of one line as a JSON array.
func encodeLine(t *tokenizer.Tokenizer, line []byte) ([]byte, error) {
	text := string(line)
	if len(line) > 0 && line[0] == '"' {
		var quoted string
		if json.Unmarshal(line, &quoted) == nil {
			text = quoted
		}
	}
	out := []byte{'['}
	for i, id := range t.Encode(text) {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(id), 10)
	}
	return append(out, ']'), nil
}

// decodeLine returns the text of one line of ids as a JSON string.
func decodeLine(t *tokenizer.Tokenizer, line []byte) ([]byte, error) {
	var numbers []*int32 // a nil is JSON's null
	if err := json.Unmarshal(line, &numbers); err != nil || numbers == nil {
		return nil, tensor.Damagedf("wanted a JSON array of token ids, found %s", quoteStart(line))
	}
	ids := make([]int32, len(numbers))
	for i, n := range numbers {
		if n == nil || *n < 0 {
			return nil, tensor.Damagedf("element %d of %s is no token id", i, quoteStart(line))
		}
		ids[i] = *n
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(t.Decode(ids, false)); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// quoteStart quotes a line for an error, a long one in part.
func quoteStart(line []byte) string {
	const most = 40
	if len(line) <= most {
		return strconv.Quote(string(line))
	}
	return strconv.Quote(string(line[:most])) + "…"
}
