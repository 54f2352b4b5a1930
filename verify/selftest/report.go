package selftest

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// The schema of a report in JSON. The version is raised when a field changes its
// meaning or goes; fields may be added.
const (
	Schema        = "colakit-selftest"
	SchemaVersion = 1
)

// Report is the result of a self-test.
type Report struct {
	Schema    string   `json:"schema"`
	Version   int      `json:"version"`
	Engine    string   `json:"engine"`
	Right     bool     `json:"right"`
	Faults    Count    `json:"faults"`
	Faultless Count    `json:"faultless"`
	Seconds   float64  `json:"seconds"`
	Results   []Result `json:"results"`
}

// Count counts cases.
type Count struct {
	Cases   int `json:"cases"`
	Right   int `json:"right"`
	Skipped int `json:"skipped"` // of them: the engine could not be asked
}

func newReport(engine string, results []Result, took time.Duration) *Report {
	r := &Report{Schema: Schema, Version: SchemaVersion, Engine: engine, Results: results, Seconds: took.Seconds()}
	for _, result := range results {
		count := &r.Faults
		if result.Group == Faultless {
			count = &r.Faultless
		}
		count.Cases++
		switch {
		case result.Skipped != "":
			count.Skipped++
		case result.Right:
			count.Right++
		}
	}
	r.Right = len(results) > 0 && !slices.ContainsFunc(results, func(r Result) bool { return !r.Right })
	return r
}

// WriteJSON writes the report on one line.
func (r *Report) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// String is the last line of the table.
func (r *Report) String() string {
	text := fmt.Sprintf("%d of %d faults caught and located, %d of %d faultless variations passed; %.1f s",
		r.Faults.Right, r.Faults.Cases, r.Faultless.Right, r.Faultless.Cases, r.Seconds)
	if n := r.Faults.Skipped + r.Faultless.Skipped; n > 0 {
		text += fmt.Sprintf("; %d are not for this engine", n)
	}
	return text
}
