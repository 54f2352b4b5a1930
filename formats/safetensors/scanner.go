package safetensors

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// scanner reads JSON strictly and without recursion: the grammar of headers has
// a fixed depth. The text must be valid UTF-8.
type scanner struct {
	text []byte
	at   int
}

// fault returns an ErrSyntax that says where and what was wanted.
func (s *scanner) fault(want string) error {
	if s.at >= len(s.text) {
		return fmt.Errorf("the text ends where %s is wanted: %w", want, ErrSyntax)
	}
	r, _ := utf8.DecodeRune(s.text[s.at:])
	return fmt.Errorf("byte %d is %q where %s is wanted: %w", s.at, r, want, ErrSyntax)
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\n', '\r', '\t':
		default:
			return c
		}
	}
	return 0
}

// take skips white space and then the byte c, and reports whether it was there.
func (s *scanner) take(c byte) bool {
	if s.peek() != c || s.at >= len(s.text) {
		return false
	}
	s.at++
	return true
}

// end checks that nothing but white space is left.
func (s *scanner) end() error {
	if s.peek(); s.at < len(s.text) {
		return s.fault("the end")
	}
	return nil
}

// object reads an object; member is called at the start of each value.
func (s *scanner) object(member func(key string) error) error {
	if !s.take('{') {
		return s.fault("'{'")
	}
	if s.take('}') {
		return nil
	}
	for {
		key, err := s.string()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return s.fault("':'")
		}
		if err := member(key); err != nil {
			return err
		}
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return s.fault("',' or '}'")
		}
	}
}

// naturals reads an array of at most limit integers; more are the error tooMany.
func (s *scanner) naturals(limit int, tooMany error) ([]int64, error) {
	values := []int64{}
	if !s.take('[') {
		return nil, s.fault("'['")
	}
	if s.take(']') {
		return values, nil
	}
	for len(values) < limit {
		v, err := s.natural()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		if s.take(']') {
			return values, nil
		}
		if !s.take(',') {
			return nil, s.fault("',' or ']'")
		}
	}
	return nil, fmt.Errorf("more than %d numbers at byte %d: %w", limit, s.at, tooMany)
}

// natural reads an integer from 0 to 2⁶³−1 without sign, fraction or exponent.
func (s *scanner) natural() (int64, error) {
	if s.peek(); s.at >= len(s.text) {
		return 0, s.fault("a number")
	}
	start, value := s.at, int64(0)
	for ; s.at < len(s.text) && isDigit(s.text[s.at]); s.at++ {
		digit := int64(s.text[s.at] - '0')
		if value > (math.MaxInt64-digit)/10 {
			return 0, fmt.Errorf("the number at byte %d is too large: %w", start, ErrNumber)
		}
		value = value*10 + digit
	}
	digits := s.at - start
	switch {
	case digits == 0 && s.text[s.at] != '-':
		return 0, s.fault("a number")
	case digits == 0, digits > 1 && s.text[start] == '0', s.at < len(s.text) && isNumber(s.text[s.at]):
		return 0, fmt.Errorf("the number at byte %d: %w", start, ErrNumber)
	}
	return value, nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isNumber reports whether c would continue a number that is no plain integer.
func isNumber(c byte) bool { return c == '.' || c == 'e' || c == 'E' }

// string reads a string.
func (s *scanner) string() (string, error) {
	if !s.take('"') {
		return "", s.fault("a string")
	}
	start := s.at
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return string(s.text[start : s.at-1]), nil
		case c == '\\':
			return s.escaped(append([]byte(nil), s.text[start:s.at]...))
		case c < ' ':
			return "", s.fault("a printable character or an escape")
		}
	}
	return "", s.fault("a string's end")
}

// escaped reads the rest of a string from its first escape on.
func (s *scanner) escaped(value []byte) (string, error) {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return string(value), nil
		case c == '\\':
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			value = utf8.AppendRune(value, r)
		case c < ' ':
			return "", s.fault("a printable character or an escape")
		default:
			value = append(value, c)
			s.at++
		}
	}
	return "", s.fault("a string's end")
}

var escapes = map[byte]rune{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escape reads one escape, a surrogate pair as one. A lone surrogate, which
// stands for no character, is an error.
func (s *scanner) escape() (rune, error) {
	if s.at+1 < len(s.text) && s.text[s.at+1] != 'u' {
		r, ok := escapes[s.text[s.at+1]]
		if !ok {
			return 0, s.fault("an escape of JSON")
		}
		s.at += 2
		return r, nil
	}
	r, ok := s.unit()
	if !ok {
		return 0, s.fault("an escape of JSON")
	}
	if r < 0xd800 || r > 0xdfff {
		return r, nil
	}
	low, ok := s.unit()
	if !ok || r > 0xdbff || low < 0xdc00 || low > 0xdfff {
		return 0, s.fault("a surrogate pair")
	}
	return 0x10000 + (r-0xd800)<<10 + (low - 0xdc00), nil
}

// unit reads \uXXXX.
func (s *scanner) unit() (rune, bool) {
	const length = len(`\uXXXX`)
	if len(s.text)-s.at < length || s.text[s.at] != '\\' || s.text[s.at+1] != 'u' {
		return 0, false
	}
	hex := string(s.text[s.at+2 : s.at+length])
	value, err := strconv.ParseUint(hex, 16, 16)
	if err != nil {
		return 0, false
	}
	s.at += length
	return rune(value), true
}
