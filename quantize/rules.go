package quantize

import (
	"fmt"
	"regexp"
	"strings"

	"colakit/formats/hf"
)

// Rule says that tensors whose native name matches a pattern, anywhere in it, are
// stored by one scheme.
type Rule struct {
	Pattern *regexp.Regexp
	To      Scheme
}

// ParseRule reads a rule of the form REGEX=TYPE. The last = is the one that counts.
func ParseRule(text string) (Rule, error) {
	i := strings.LastIndexByte(text, '=')
	if i <= 0 {
		return Rule{}, fmt.Errorf("rule %q: want REGEX=TYPE, for example 'encoder=f32'", text)
	}
	pattern, err := regexp.Compile(text[:i])
	if err != nil {
		return Rule{}, fmt.Errorf("rule %q: %v", text, err)
	}
	to, err := ParseScheme(text[i+1:])
	if err != nil {
		return Rule{}, fmt.Errorf("rule %q: %w", text, err)
	}
	return Rule{pattern, to}, nil
}

// String returns the rule as ParseRule reads it.
func (r Rule) String() string {
	if r.Pattern == nil {
		return "=" + r.To.String()
	}
	return r.Pattern.String() + "=" + r.To.String()
}

// MarshalText writes String.
func (r Rule) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (r *Rule) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRule(string(text))
	return err
}

// Rules are tried in order; the first whose pattern matches decides, and Otherwise
// where none does. It is a Policy.
type Rules struct {
	Rules     []Rule
	Otherwise Policy
}

// Choose implements Policy. It grants what Check would refuse.
func (r Rules) Choose(t hf.Expected) (Scheme, string) {
	if i := r.first(t.Name); i >= 0 {
		return r.Rules[i].To, fmt.Sprintf("rule %d, %v", i+1, r.Rules[i])
	}
	return r.Otherwise.Choose(t)
}

// first returns the number of the first rule that matches, or −1.
func (r Rules) first(name string) int {
	for i, rule := range r.Rules {
		if rule.Pattern.MatchString(name) {
			return i
		}
	}
	return -1
}

// Check returns an error for the first tensor that a rule wants to store in a way
// that is not possible, and for a rule that decides about none.
func (r Rules) Check(tensors []hf.Expected) error {
	decided := make([]int, len(r.Rules))
	for _, t := range tensors {
		i := r.first(t.Name)
		if i < 0 {
			continue
		}
		decided[i]++
		if err := possible(t, r.Rules[i].To); err != nil {
			return fmt.Errorf("rule %d, %v, matches tensor %q: %w; make its pattern narrower, or put a rule for this tensor before it", i+1, r.Rules[i], t.Name, err)
		}
	}
	for i, n := range decided {
		if n == 0 {
			return fmt.Errorf("rule %d, %v, decides about no tensor: %s", i+1, r.Rules[i], r.useless(i, tensors))
		}
	}
	return nil
}

// possible returns an error if the tensor can't be stored by s.
func possible(t hf.Expected, s Scheme) error {
	if t.Class == hf.Buffer && s != F32 {
		return fmt.Errorf("a buffer follows from the configuration exactly, and is f32")
	}
	return s.Fits(t.Shape)
}

// useless says why rule i decides about no tensor.
func (r Rules) useless(i int, tensors []hf.Expected) string {
	for _, t := range tensors {
		if r.Rules[i].Pattern.MatchString(t.Name) {
			return fmt.Sprintf("rule %d, %v, comes before it and matches the same ones", r.first(t.Name)+1, r.Rules[r.first(t.Name)])
		}
	}
	if len(tensors) == 0 {
		return "there is none"
	}
	return fmt.Sprintf("no name matches its pattern; names are as in %q", tensors[len(tensors)/2].Name)
}
