package main

import (
	"bufio"
	"bytes"
	"context"
	"io"

	"colakit/formats/tensor"
	"colakit/internal/records"
)

// eachLine calls do with every line of in, without its \n, and its number from 1.
// Before it waits for more input it flushes out. It returns when ctx is done even
// while a read blocks; that read then ends with the process or its input. name is
// what errors call the input.
func eachLine(ctx context.Context, in io.Reader, name string, out *bufio.Writer, do func(number int, line []byte) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	lines := readLines(ctx, in)
	for number := 1; ; number++ {
		if len(lines) == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case l := <-lines:
			switch {
			case l.err == bufio.ErrTooLong:
				return tensor.Damagedf("%s:%d: the line is longer than %d bytes", name, number, records.MaxLine)
			case l.err != nil && l.err != io.EOF:
				return l.err
			case l.err == io.EOF && len(l.text) == 0:
				return nil
			}
			if err := do(number, bytes.TrimSuffix(l.text, []byte("\n"))); err != nil || l.err == io.EOF {
				return err
			}
		}
	}
}

type line struct {
	text []byte // with its \n
	err  error
}

// readLines sends the lines of in until one comes with an error, or ctx is done.
// Few are sent ahead: each may be as long as the limit.
func readLines(ctx context.Context, in io.Reader) <-chan line {
	lines := make(chan line, 4)
	go func() {
		r := bufio.NewReader(in)
		for {
			text, err := readLine(r)
			select {
			case lines <- line{text, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return lines
}

// readLine returns the next line with its \n, or bufio.ErrTooLong for one of more
// than records.MaxLine bytes before it.
func readLine(r *bufio.Reader) (text []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(text)+len(bytes.TrimSuffix(part, []byte("\n"))) > records.MaxLine {
			return nil, bufio.ErrTooLong
		}
		text = append(text, part...)
		if err != bufio.ErrBufferFull {
			return text, err
		}
	}
}
