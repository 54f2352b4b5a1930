package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"colakit/formats/dtype"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// Override replaces limits of one rule of the policy, for a reason.
type Override struct {
	Rule   string             `json:"rule"`
	Factor float64            `json:"factor,omitempty"` // that every limit of the rule is multiplied by, or
	Limits map[string]float64 `json:"limits,omitempty"` // metric → limit
	Reason string             `json:"reason"`
}

// overrideFile is the form of a file of overrides.
type overrideFile struct {
	Overrides []Override `json:"overrides"`
}

// ParseOverrides reads the JSON of a file of overrides:
//
//	{"overrides": [{"rule": "exact, block", "factor": 2, "reason": "why that is right"}]}
//
// An override names a rule of the policy and either a factor for all of its limits or
// limits by metric. It has to give a reason.
func ParseOverrides(raw []byte) ([]Override, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	var file overrideFile
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("no file of overrides: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("no file of overrides: something follows the JSON object")
	}
	if len(file.Overrides) == 0 {
		return nil, errors.New("it holds no overrides; the template shows one")
	}
	return file.Overrides, checkOverrides(file.Overrides)
}

// checkOverrides reports an override that cannot be applied.
func checkOverrides(overrides []Override) error {
	seen := map[string]bool{}
	for i, o := range overrides {
		if err := o.check(); err != nil {
			return fmt.Errorf("override %d: %w", i+1, err)
		}
		if seen[o.Rule] {
			return fmt.Errorf("override %d: rule %q has been overridden before", i+1, o.Rule)
		}
		seen[o.Rule] = true
	}
	return nil
}

func (o Override) check() error {
	at := slices.IndexFunc(Rules(), func(r Rule) bool { return r.Name == o.Rule })
	switch {
	case at < 0:
		return fmt.Errorf("no rule is called %q; known are %s", o.Rule, quoted(ruleNames()))
	case strings.TrimSpace(o.Reason) == "":
		return fmt.Errorf("rule %q: no reason is given", o.Rule)
	case (o.Factor == 0) == (len(o.Limits) == 0):
		return fmt.Errorf("rule %q: give either a factor or limits", o.Rule)
	case o.Factor < 0 || math.IsInf(o.Factor, 0) || math.IsNaN(o.Factor):
		return fmt.Errorf("rule %q: a factor of %v; it must be above 0", o.Rule, o.Factor)
	}
	metrics := Rules()[at].Metrics()
	for name, limit := range o.Limits {
		if !slices.Contains(metrics, name) {
			return fmt.Errorf("rule %q limits no %q; it limits %s", o.Rule, name, quoted(metrics))
		}
		if !(limit >= 0) || math.IsInf(limit, 0) {
			return fmt.Errorf("rule %q: a limit of %v for %s; it must be a number from 0 on", o.Rule, limit, name)
		}
	}
	return nil
}

func quoted(names []string) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(parts, ", ")
}

// Rules lists every rule: of values, of ratios, then of distributions and tokens.
func Rules() []Rule {
	return slices.Concat(Policy, []Rule{bitsRule}, ratioRules, []Rule{poolRule}, logitRules)
}

func ruleNames() []string {
	var names []string
	for _, r := range Rules() {
		names = append(names, r.Name)
	}
	return names
}

// Metrics lists the figures that the rule limits.
func (r Rule) Metrics() []string {
	var checks []Check
	switch f := (Facts{Kind: catalog.Product, Type: dtype.BF16}); {
	case r.logits != nil:
		checks = r.logits(f, metric.Logits{})
	case r.ratio != nil:
		checks = r.ratio(f, metric.Ratio{RMS: 1, Max: 1})
	default:
		checks = r.limits(f, metric.Summary{})
	}
	names := make([]string, len(checks))
	for i, c := range checks {
		names[i] = c.Metric
	}
	return names
}

// of returns the checks with the limits of the override.
func (o *Override) of(checks []Check) []Check {
	if o == nil {
		return checks
	}
	replaced := make([]Check, len(checks))
	for i, c := range checks {
		limit, named := o.Limits[c.Metric]
		switch {
		case o.Factor > 0:
			limit = c.Limit * o.Factor
		case !named:
			limit = c.Limit
		}
		replaced[i] = check(c.Metric, c.Value, limit)
	}
	return replaced
}

// PolicySum identifies the rules and their overrides.
func PolicySum(overrides []Override) string {
	digest := sha256.New()
	for _, r := range Rules() {
		fmt.Fprintf(digest, "%q %q\n", r.Name, r.Formula)
	}
	_ = json.NewEncoder(digest).Encode(overrides) // their numbers are finite
	return hex.EncodeToString(digest.Sum(nil))
}

// override returns that of a rule; nil for none.
func (s *session) override(rule string) *Override {
	for i := range s.options.Overrides {
		if o := &s.options.Overrides[i]; o.Rule == rule {
			return o
		}
	}
	return nil
}

// OverrideUse says what an override did.
type OverrideUse struct {
	Override
	Compared int `json:"compared"` // judged by the rule
	Spared   int `json:"spared"`   // of them, those that the policy's own limits fail
}

// Change says what is put in place of the limits.
func (o Override) Change() string {
	if o.Factor > 0 {
		return fmt.Sprintf("limits × %g", o.Factor)
	}
	var parts []string
	for name, limit := range o.Limits {
		parts = append(parts, fmt.Sprintf("%s ≤ %g", name, limit))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// describe says what was changed, why, and what came of it.
func (u OverrideUse) describe() string {
	return fmt.Sprintf("%s: %s. %s (%d judged, %d of them spared)", u.Rule, u.Change(), strings.TrimSpace(u.Reason), u.Compared, u.Spared)
}

// overrideUses counts what every override was applied to.
func (s *session) overrideUses() []OverrideUse {
	var uses []OverrideUse
	for _, o := range s.options.Overrides {
		u := OverrideUse{Override: o}
		for _, c := range s.comparisons {
			if c.Rule == o.Rule {
				u.add(c.base, c.Checks)
			}
			if c.judgedRatio() && c.Ratio.Rule == o.Rule {
				u.add(c.Ratio.base, c.Ratio.Checks)
			}
		}
		for _, d := range slices.Concat(s.pools, s.distributions) {
			if d.rule.Name == o.Rule {
				u.add(d.base, d.checks)
			}
		}
		uses = append(uses, u)
	}
	return uses
}

func (u *OverrideUse) add(base, checks []Check) {
	u.Compared++
	if failure(base) != "" && failure(checks) == "" {
		u.Spared++
	}
}
