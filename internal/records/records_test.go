package records

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/tensor"
)

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func TestRead(t *testing.T) {
	const input = "\ufeff" + `{"id": 7, "question": "Q", "answer": "A", "choices": ["x"], "other": 1}` + "\r\n" +
		"\n   \n" +
		`{"question": "a\u00e9\n", "prompt": "not this one", "ground_truth": 5}` + "\n" +
		`{"prompt": "P", "answer": null, "ground_truth": "hidden", "choices": []}` + "\n" +
		`{"id": null}`
	got, err := Read(strings.NewReader(input), "in.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	want := []Record{
		{Line: 1, Prompt: "Q", ID: raw("7"), GroundTruth: raw(`"A"`), Choices: raw(`["x"]`)},
		{Line: 4, Prompt: "aé\n", GroundTruth: raw("5")},
		{Line: 5, Prompt: "P", GroundTruth: raw("null")},
		{Line: 6, ID: raw("null")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadErrors(t *testing.T) {
	for _, c := range []struct{ input, want string }{
		{"{\"prompt\": \"a\"}\n{\"prompt\"", "in.jsonl:2: not JSON: unexpected end of JSON input at byte 9"},
		{`{"prompt": "a"} x`, "in.jsonl:1: not JSON"},
		{`[1]`, "in.jsonl:1: found a JSON array"},
		{`"text"`, "in.jsonl:1: found a JSON string"},
		{`null`, "in.jsonl:1: found null"},
		{`{"question": 5}`, "in.jsonl:1: question is 5; it must be a string"},
		{`{"question": null, "prompt": "p"}`, "in.jsonl:1: question is null"},
		{"\n{\"prompt\": \"\xff\"}", "in.jsonl:2: the line is not UTF-8"},
	} {
		_, err := Read(strings.NewReader(c.input), "in.jsonl")
		if !errors.Is(err, tensor.ErrDamaged) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %s, as damage", c.input, err, c.want)
		}
	}
}

func TestReadLongLine(t *testing.T) {
	_, err := Read(strings.NewReader("{\"prompt\": \"a\"}\n"+strings.Repeat(" ", MaxLine+1)), "in.jsonl")
	if !errors.Is(err, tensor.ErrDamaged) || !strings.Contains(err.Error(), "in.jsonl:2: the line is longer than 67108864 bytes") {
		t.Errorf("error %v", err)
	}
}

// TestNoiseID holds the numbers that Python 3's int() and zlib.crc32 give.
func TestNoiseID(t *testing.T) {
	for _, c := range []struct {
		id     string
		want   int64
		reason string
	}{
		{"", 3, "missing: the row"},
		{"null", 3, "null: the row"},
		{"42", 42, ""},
		{"-7", -7, ""},
		{"3.99", 3, "truncated"},
		{"-0.9", 0, "truncated towards zero"},
		{"1e3", 1000, "a float"},
		{"true", 1, "int(True)"},
		{"false", 0, ""},
		{`"12"`, 12, "int of a string"},
		{`" 12 "`, 12, "white space around"},
		{`"\u001c5"`, 5, "white space of Python, not of Unicode"},
		{`"1_000"`, 1000, "underscore between digits"},
		{`"+7"`, 7, ""},
		{`"007"`, 7, ""},
		{`"\u0661\u0662"`, 12, "Arabic digits"},
		{`"\ud835\udfcf\ud835\udfd0"`, 12, "mathematical digits"},
		{`""`, 0, "CRC-32 of nothing"},
		{`"story-5"`, 665984903, "no number"},
		{`"1__0"`, 365516898, "two underscores"},
		{`"1.5"`, 2270993338, "a string with a point is no int"},
		{`"é"`, 235179326, "CRC-32 of UTF-8"},
	} {
		got, err := Record{ID: raw(c.id)}.NoiseID(3)
		if err != nil || got != c.want {
			t.Errorf("id %s: %d, %v; want %d (%s)", c.id, got, err, c.want, c.reason)
		}
	}
	for _, id := range []string{"[1]", "{}", "1e300", "1e400", "123456789012345678901", `"9999999999999999999"`} {
		if got, err := (Record{ID: raw(id)}).NoiseID(0); err == nil {
			t.Errorf("id %s: %d, want an error", id, got)
		}
	}
}

func TestAppend(t *testing.T) {
	two := 2
	for _, c := range []struct {
		result Result
		want   string
	}{
		{
			Result{Record: Record{Prompt: "p"}, Generate: "g"},
			`{"id": null, "prompt": "p", "generate": "g", "ground_truth": ""}`,
		},
		{
			Result{
				Record: Record{
					ID: raw(`"a\u00e9"`), Prompt: "<&>\u2028\"\\\n\x01\x7f😀", GroundTruth: raw("1.50"),
					Choices: raw(`[ "a,b:c" ,{"k":[1,2]}, "\\\"" ]`),
				},
				Generate: "\t\b\f\r�", Remainder: &two, BlockTokens: []int32{5, 0, 17},
			},
			`{"id": "aé", "prompt": "<&>` + "\u2028" + `\"\\\n\u0001` + "\x7f" + `😀", "generate": "\t\b\f\r�", "ground_truth": 1.50, ` +
				`"choices": ["a,b:c", {"k": [1, 2]}, "\\\""], "prompt_len_mod_patch_size": 2, "block_tokens": [5, 0, 17]}`,
		},
	} {
		if diff := cmp.Diff(c.want+"\n", string(c.result.Append(nil))); diff != "" {
			t.Error(diff)
		}
	}
}

// FuzzRead requires that whatever is read can be written and read again with the
// same meaning.
func FuzzRead(f *testing.F) {
	f.Add(`{"id": 1, "question": "q\n", "answer": "\ud83d\ude00", "choices": [" a", {"b": 1.0}]}`)
	f.Add("{\"prompt\": \"p\", \"id\": \" 1_0\"}\n\n{\"prompt\": 1}")
	f.Add(`{"choices": "\\\"", "answer": {"a" : [ ] }}`)
	f.Fuzz(func(t *testing.T, input string) {
		got, err := Read(strings.NewReader(input), "fuzz")
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of more than one line: %q", err)
			}
			return
		}
		for _, r := range got {
			_, _ = r.NoiseID(0)
			same(t, r)
		}
	})
}

func same(t *testing.T, r Record) {
	t.Helper()
	line := Result{Record: r, Generate: r.Prompt}.Append(nil)
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	want := map[string]any{"generate": r.Prompt, "prompt": r.Prompt, "id": nil, "ground_truth": ""}
	for name, value := range map[string]json.RawMessage{"id": r.ID, "ground_truth": r.GroundTruth, "choices": r.Choices} {
		var v any
		if value != nil && json.Unmarshal(value, &v) == nil {
			want[name] = v
		}
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("%q: %s", line, diff)
	}
}
