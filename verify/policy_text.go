package verify

import (
	"encoding/json"
	"io"
	"strings"
)

// PolicySchema names the JSON form of the policy.
const PolicySchema = "colaverify-policy"

// ruleText is a rule as it is printed.
type ruleText struct {
	Name       string   `json:"name"`
	Formula    string   `json:"formula"`
	Derivation string   `json:"derivation"`
	Metrics    []string `json:"metrics"`
}

// WritePolicyJSON writes every rule on one line.
func WritePolicyJSON(w io.Writer) error {
	var rules []ruleText
	for _, r := range Rules() {
		rules = append(rules, ruleText{r.Name, r.Formula, r.Derivation, r.Metrics()})
	}
	return json.NewEncoder(w).Encode(struct {
		Schema string     `json:"schema"`
		Rules  []ruleText `json:"rules"`
	}{PolicySchema, rules})
}

// WritePolicy prints every rule for people.
func WritePolicy(w io.Writer, o TextOptions) error {
	k := o.ink(w)
	k.wrapped("", "", "The first rule that applies judges a value. a is the candidate's value, e the golden's, K the number of summands of an element.")
	for _, r := range Rules() {
		k.line("\n%s", k.paint(bold, r.Name))
		k.wrapped("  ", "  ", r.Formula)
		k.wrapped("  ", "  ", r.Derivation)
		k.wrapped("  limits ", "    ", strings.Join(r.Metrics(), ", "))
	}
	return k.err
}

// WriteOverrideTemplate writes a file of overrides to be filled in: its reasons are
// empty, and refused as they are.
func WriteOverrideTemplate(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(overrideFile{[]Override{
		{Rule: "exact, block", Factor: 2},
		{Rule: "logits", Limits: map[string]float64{"mean KL": 5e-4}},
	}})
}
