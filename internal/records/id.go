package records

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// NoiseID returns the number that seeds a sample's noise: Python's int(id), the
// CRC-32 of the text of an id that is no number, and row, the sample's place in
// its batch, for a missing or null id.
func (r Record) NoiseID(row int) (int64, error) {
	if len(r.ID) == 0 {
		return int64(row), nil
	}
	switch r.ID[0] {
	case 'n':
		return int64(row), nil
	case 't':
		return 1, nil
	case 'f':
		return 0, nil
	case '"':
		var text string
		if err := json.Unmarshal(r.ID, &text); err != nil {
			return 0, err
		}
		if digits, ok := pythonInt(text); ok {
			return parseInt(digits)
		}
		return int64(crc32.ChecksumIEEE([]byte(text))), nil
	case '[', '{':
		return 0, fmt.Errorf("id is %.20s; noise is seeded by an id that is a number or a string", r.ID)
	}
	return number(string(r.ID))
}

// number truncates a JSON number towards zero.
func number(literal string) (int64, error) {
	if !strings.ContainsAny(literal, ".eE") {
		return parseInt(literal)
	}
	value, err := strconv.ParseFloat(literal, 64)
	if value = math.Trunc(value); err != nil || math.Abs(value) >= 1<<63 {
		return 0, tooLarge(literal)
	}
	return int64(value), nil
}

func parseInt(digits string) (int64, error) {
	id, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, tooLarge(digits)
	}
	return id, nil
}

func tooLarge(literal string) error {
	return fmt.Errorf("id %.40s is too large to seed noise: 1000 times it must fit 64 bits", literal)
}

// pythonInt returns the sign and ASCII digits of a text that Python's int() takes:
// white space around, a sign, decimal digits of any script, single underscores
// between digits.
func pythonInt(text string) (string, bool) {
	text = strings.TrimFunc(text, space)
	var digits strings.Builder
	if text != "" && (text[0] == '-' || text[0] == '+') {
		digits.WriteByte(text[0])
		text = text[1:]
	}
	previous := '_' // an underscore needs a digit before it
	for _, c := range text {
		switch value, ok := digit(c); {
		case ok:
			digits.WriteByte(byte('0' + value))
		case c != '_' || previous == '_':
			return "", false
		}
		previous = c
	}
	return digits.String(), previous != '_'
}

// space is Python's str.isspace of a character.
func space(c rune) bool { return unicode.IsSpace(c) || c >= 0x1c && c <= 0x1f }

// digit returns the value of a decimal digit of any script. The digits of a script
// are ten in a row, and every range of the table begins with a zero.
func digit(c rune) (int, bool) {
	for _, r := range unicode.Nd.R16 {
		if c >= rune(r.Lo) && c <= rune(r.Hi) {
			return int(c-rune(r.Lo)) % 10, true
		}
	}
	for _, r := range unicode.Nd.R32 {
		if c >= rune(r.Lo) && c <= rune(r.Hi) {
			return int(c-rune(r.Lo)) % 10, true
		}
	}
	return 0, false
}
