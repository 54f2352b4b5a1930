package listing_test

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/verify"
	"colakit/verify/listing"
	"colakit/verify/verifytest"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares a listing of the made-up suite with a file of testdata.
func golden(t *testing.T, name string, write func(io.Writer, *verify.Suite) error) []byte {
	t.Helper()
	var b, again bytes.Buffer
	if err := write(&b, verifytest.Suite()); err != nil {
		t.Fatal(err)
	}
	if err := write(&again, verifytest.Suite()); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Errorf("the same suite gives other bytes (%v)", err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
		t.Errorf("run with -update if that is meant (-want +got)\n%s", diff)
	}
	return b.Bytes()
}

func TestCSV(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(golden(t, "suite.csv", listing.CSV))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := 1
	for _, r := range verifytest.Suite().Reports {
		want += len(r.Comparisons)
	}
	if len(rows) != want {
		t.Errorf("%d rows, want %d", len(rows), want)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	verdicts := map[string]int{}
	explained := 0
	for _, row := range rows[1:] {
		verdicts[row[column["verdict"]]]++
		if row[column["explained_by"]] != "" {
			explained++
		}
		if strings.ContainsRune("=+-@", rune(row[0][0])) {
			t.Fatalf("a spreadsheet takes %q for a formula", row[0])
		}
	}
	if diff := cmp.Diff(map[string]int{"pass": want - 1 - 9 - 1, "fail": 9, "open": 1}, verdicts); diff != "" || explained != 6 {
		t.Errorf("%d are explained (-want +got)\n%s", explained, diff)
	}
}

func TestJUnit(t *testing.T) {
	var read struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name    string  `xml:"name,attr"`
				Class   string  `xml:"classname,attr"`
				Failure *string `xml:"failure"`
				Skipped *struct {
					Message string `xml:"message,attr"`
				} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(golden(t, "suite.xml", listing.JUnit), &read); err != nil {
		t.Fatal(err)
	}
	cases, failures, skipped := 0, map[string]string{}, 0
	for _, s := range read.Suites {
		for _, c := range s.Cases {
			cases++
			if c.Failure != nil {
				failures[c.Class+" "+c.Name] = *c.Failure
			}
			if c.Skipped != nil {
				skipped++
			}
		}
	}
	if read.Tests != cases || read.Failures != len(failures) || read.Skipped != skipped || skipped == 0 || len(read.Suites) != 4 || read.Suites[1].Name != verifytest.Hostile {
		t.Errorf("%d cases, %d failures, %d skipped; the file says %d, %d, %d of %d suites", cases, len(failures), skipped, read.Tests, read.Failures, read.Skipped, len(read.Suites))
	}
	op := failures["isolated dit.blocks.1.msa.out"]
	if len(failures) != 4 || !strings.Contains(op, "b01/s02/cond/dit.blocks.1.msa.out: rel-L2 0.5 > 0.01") || !strings.Contains(op, "first divergence") {
		t.Errorf("failures: %q", failures)
	}
}

// TestJUnitHoldsNoControlCharacters: XML 1.0 has no way to write them.
func TestJUnitHoldsNoControlCharacters(t *testing.T) {
	r := verifytest.Passing(verifytest.Small)
	r.Bundle.Name = "a\x00b\x1b[31m"
	var b bytes.Buffer
	if err := listing.JUnit(&b, verify.NewSuite(r)); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(&b)
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestEmptySuite(t *testing.T) {
	var b bytes.Buffer
	if err := listing.CSV(&b, verify.NewSuite()); err != nil || strings.Count(b.String(), "\n") != 1 {
		t.Errorf("%q, %v", b.String(), err)
	}
	b.Reset()
	if err := listing.JUnit(&b, verify.NewSuite()); err != nil || !strings.Contains(b.String(), `tests="0"`) {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// TestWriteErrors: a full disk is reported.
func TestWriteErrors(t *testing.T) {
	for name, write := range map[string]func(io.Writer, *verify.Suite) error{"csv": listing.CSV, "junit": listing.JUnit} {
		if err := write(full{}, verifytest.Suite()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
