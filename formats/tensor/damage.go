package tensor

import (
	"errors"
	"fmt"
)

// ErrDamaged is wrapped by every error that says a file breaks the rules of its
// format: truncated, flipped bits, lying lengths. Programs exit with code 3 on it.
var ErrDamaged = errors.New("damaged file")

// Damagedf returns an error that wraps ErrDamaged and reads as the formatted text.
func Damagedf(format string, args ...any) error {
	return damaged{fmt.Errorf(format, args...)}
}

type damaged struct{ error }

func (d damaged) Is(target error) bool { return target == ErrDamaged }
func (d damaged) Unwrap() error        { return d.error }
