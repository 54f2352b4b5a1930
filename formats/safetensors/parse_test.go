package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/internal/anatomy"
)

// file puts the header's length before it and size zeros of data after it.
func file(header string, size int) []byte {
	raw := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(raw, header...), make([]byte, size)...)
}

// one is a header with one tensor of that description.
func one(entry string) string { return `{"w":` + entry + `}` }

const good = `{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}`

func TestParse(t *testing.T) {
	raw := file(`{"b":{"data_offsets":[2,6],"shape":[ 2 , 1 ],"dtype":"BF16"},`+"\n\t"+
		`"a\u00e9\ud83d\ude00\"":{"dtype":"F8_E4M3","shape":[],"data_offsets":[6,7]},
		"none":{"dtype":"F64","shape":[0,4],"data_offsets":[2,2]},
		"__metadata__":{"format":"pt","":"\\\/\b\f\n\r\t"},
		"é":{"dtype":"F16","shape":[1],"data_offsets":[0,2]} }   `, 0)
	raw = append(raw, 1, 2, 3, 4, 5, 6, 7)
	f, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := []tensor.Desc{
		{Name: "é", Type: dtype.F16, Shape: tensor.Shape{1}},
		{Name: "none", Type: dtype.F64, Shape: tensor.Shape{0, 4}},
		{Name: "b", Type: dtype.BF16, Shape: tensor.Shape{2, 1}},
		{Name: "aé😀\"", Type: dtype.Invalid, Shape: tensor.Shape{}},
	}
	if diff := cmp.Diff(want, f.Descs()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"format": "pt", "": "\\/\b\f\n\r\t"}, f.Metadata()); diff != "" {
		t.Error(diff)
	}
	b, err := f.Read("b")
	if err != nil || !bytes.Equal(b.Data, []byte{3, 4, 5, 6}) || cap(b.Data) != 4 {
		t.Errorf("b: %v of capacity %d, %v", b.Data, cap(b.Data), err)
	}
	if none, err := f.Read("none"); err != nil || len(none.Data) != 0 {
		t.Errorf("none: %v, %v", none, err)
	}
	if _, err := f.Read("aé😀\""); !errors.Is(err, ErrUnsupported) || errors.Is(err, tensor.ErrDamaged) || !strings.Contains(err.Error(), "F8_E4M3") {
		t.Errorf("unsupported type: %v", err)
	}
	if stored, ok := f.StoredType("aé😀\""); stored != "F8_E4M3" || !ok {
		t.Errorf("stored as %q, %v", stored, ok)
	}
	if raw, err := f.Raw("aé😀\""); err != nil || !bytes.Equal(raw.Data, []byte{7}) || raw.Type != dtype.Invalid {
		t.Errorf("raw: %v, %v", raw, err)
	}
	if _, err := f.Read("c"); !errors.Is(err, tensor.ErrNotFound) {
		t.Errorf("unknown name: %v", err)
	}
}

func TestEveryTypeHasTheSizeOfItsDtype(t *testing.T) {
	known := 0
	for name, typ := range elementTypes {
		header := one(fmt.Sprintf(`{"dtype":%q,"shape":[8],"data_offsets":[0,%d]}`, name, typ.bits))
		f, err := Parse(file(header, int(typ.bits)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if typ.is == dtype.Invalid {
			continue
		}
		known++
		if v, err := f.Read("w"); err != nil || len(v.Data) != 8*typ.is.Size() || formatName(typ.is) != name {
			t.Errorf("%s: read %d bytes as %v: %v", name, len(v.Data), typ.is, err)
		}
	}
	if known != int(dtype.Bool) {
		t.Errorf("%d of %d element types can be read", known, dtype.Bool)
	}
}

func TestParseAcceptsAnEmptyFile(t *testing.T) {
	for _, header := range []string{"{}", "{ }", `{"__metadata__":{}}`, "{}      "} {
		if f, err := Parse(file(header, 0)); err != nil || len(f.Descs()) != 0 {
			t.Errorf("%q: %v", header, err)
		}
	}
}

// broken has a file for every rule that a single file can break.
var broken = []struct {
	reason string
	raw    []byte
	want   error
}{
	{"no bytes", nil, ErrHeaderLength},
	{"length cut short", []byte{2, 0, 0, 0, 0, 0, 0}, ErrHeaderLength},
	{"header cut short", file(one(good), 24)[:40], ErrHeaderLength},
	{"header length one too large", append([]byte{3, 0, 0, 0, 0, 0, 0, 0}, "{}"...), ErrHeaderLength},
	{"header length enormous", []byte{255, 255, 255, 255, 255, 255, 255, 255, '{', '}'}, ErrHeaderLimit},
	{"header length above the limit", append(binary.LittleEndian.AppendUint64(nil, maxHeader+1), "{}"...), ErrHeaderLimit},
	{"no header", file("", 10), ErrHeaderStart},
	{"header starts with a space", file(" {}", 0), ErrHeaderStart},
	{"a pickle", append([]byte{2, 0, 0, 0, 0, 0, 0, 0}, "PK"...), ErrHeaderStart},
	{"an array", file("[]", 0), ErrHeaderStart},
	{"invalid UTF-8 in a name", file("{\"\xff\":"+good+"}", 24), ErrUTF8},
	{"invalid UTF-8 in the padding", file(one(good)+"\x80", 24), ErrUTF8},

	{"unclosed", file("{", 0), ErrSyntax},
	{"a NUL for a brace", file("{\x00", 0), ErrSyntax},
	{"text after the object", file("{}x", 0), ErrSyntax},
	{"two objects", file("{}{}", 0), ErrSyntax},
	{"trailing comma", file(`{"w":`+good+`,}`, 24), ErrSyntax},
	{"no comma", file(`{"w":`+good+` "v":`+good+`}`, 24), ErrSyntax},
	{"no colon", file(`{"w"`+good+`}`, 24), ErrSyntax},
	{"unquoted name", file(`{w:`+good+`}`, 24), ErrSyntax},
	{"unclosed string", file(`{"w`, 0), ErrSyntax},
	{"string ends in an escape", file(`{"w\`, 0), ErrSyntax},
	{"string ends in a unicode escape", file(`{"w\u00`, 0), ErrSyntax},
	{"unknown escape", file(`{"\x":`+good+`}`, 24), ErrSyntax},
	{"signed unicode escape", file(`{"\u+123":`+good+`}`, 24), ErrSyntax},
	{"lone high surrogate", file(`{"\ud800":`+good+`}`, 24), ErrSyntax},
	{"lone low surrogate", file(`{"\udc00":`+good+`}`, 24), ErrSyntax},
	{"high surrogate twice", file(`{"\ud800\ud800":`+good+`}`, 24), ErrSyntax},
	{"newline in a string", file("{\"a\nb\":"+good+"}", 24), ErrSyntax},
	{"newline after an escape", file("{\"\\t\n\":"+good+"}", 24), ErrSyntax},
	{"shape is a string", file(one(`{"dtype":"F32","shape":"6","data_offsets":[0,24]}`), 24), ErrSyntax},
	{"shape has a hole", file(one(`{"dtype":"F32","shape":[2,,3],"data_offsets":[0,24]}`), 24), ErrSyntax},
	{"shape is unclosed", file(one(`{"dtype":"F32","shape":[2,3`), 24), ErrSyntax},
	{"dtype is a number", file(one(`{"dtype":32,"shape":[2,3],"data_offsets":[0,24]}`), 24), ErrSyntax},
	{"three offsets", file(one(`{"dtype":"F32","shape":[2,3],"data_offsets":[0,24,24]}`), 24), ErrOffsets},
	{"65 dimensions", file(one(`{"dtype":"U8","shape":[`+strings.Repeat("1,", 64)+`1],"data_offsets":[0,1]}`), 1), ErrShape},
	{"deep nesting", file(strings.Repeat(`{"a":`, 100000), 0), ErrEntry},

	{"tensor twice", file(`{"w":`+good+`,"w":`+good+`}`, 24), ErrDuplicate},
	{"tensor twice, once escaped", file(`{"w":`+good+`,"\u0077":`+good+`}`, 24), ErrDuplicate},
	{"metadata twice", file(`{"__metadata__":{},"__metadata__":{}}`, 0), ErrDuplicate},
	{"metadata key twice", file(`{"__metadata__":{"a":"","a":""}}`, 0), ErrDuplicate},
	{"dtype twice", file(one(`{"dtype":"F32","dtype":"F32","shape":[6],"data_offsets":[0,24]}`), 24), ErrDuplicate},
	{"shape twice", file(one(`{"dtype":"F32","shape":[6],"shape":[6],"data_offsets":[0,24]}`), 24), ErrDuplicate},
	{"offsets twice", file(one(`{"dtype":"F32","shape":[6],"data_offsets":[0,24],"data_offsets":[0,24]}`), 24), ErrDuplicate},

	{"negative offset", file(one(`{"dtype":"F32","shape":[6],"data_offsets":[-24,0]}`), 0), ErrNumber},
	{"negative dimension", file(one(`{"dtype":"F32","shape":[-1,-6],"data_offsets":[0,24]}`), 24), ErrNumber},
	{"fraction", file(one(`{"dtype":"F32","shape":[6.0],"data_offsets":[0,24]}`), 24), ErrNumber},
	{"exponent", file(one(`{"dtype":"F32","shape":[6e0],"data_offsets":[0,24]}`), 24), ErrNumber},
	{"leading zero", file(one(`{"dtype":"F32","shape":[06],"data_offsets":[0,24]}`), 24), ErrNumber},
	{"2^63", file(one(`{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,24]}`), 24), ErrNumber},
	{"a million digits", file(one(`{"dtype":"F32","shape":[`+strings.Repeat("9", 1e6)+`],"data_offsets":[0,24]}`), 24), ErrNumber},

	{"tensor is an array", file(one("[]"), 0), ErrEntry},
	{"tensor is null", file(one("null"), 0), ErrEntry},
	{"no dtype", file(one(`{"shape":[2,3],"data_offsets":[0,24]}`), 24), ErrEntry},
	{"no shape", file(one(`{"dtype":"F32","data_offsets":[0,24]}`), 24), ErrEntry},
	{"no offsets", file(one(`{"dtype":"F32","shape":[2,3]}`), 24), ErrEntry},
	{"empty entry", file(one(`{}`), 0), ErrEntry},
	{"another key", file(one(`{"dtype":"F32","shape":[2,3],"data_offsets":[0,24],"crc":1}`), 24), ErrEntry},

	{"metadata is a string", file(`{"__metadata__":"pt"}`, 0), ErrMetadata},
	{"metadata value is a number", file(`{"__metadata__":{"n":1}}`, 0), ErrMetadata},
	{"metadata value is null", file(`{"__metadata__":{"n":null}}`, 0), ErrMetadata},
	{"metadata value is an object", file(`{"__metadata__":{"n":{}}}`, 0), ErrMetadata},

	{"unknown type", file(one(`{"dtype":"F33","shape":[2,3],"data_offsets":[0,24]}`), 24), ErrType},
	{"type in lower case", file(one(`{"dtype":"f32","shape":[2,3],"data_offsets":[0,24]}`), 24), ErrType},
	{"no offset", file(one(`{"dtype":"F32","shape":[2,3],"data_offsets":[]}`), 24), ErrOffsets},
	{"one offset", file(one(`{"dtype":"F32","shape":[2,3],"data_offsets":[0]}`), 24), ErrOffsets},
	{"offsets swapped", file(one(`{"dtype":"F32","shape":[2,3],"data_offsets":[24,0]}`), 24), ErrOffsets},
	{"elements overflow", file(one(`{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}`), 0), ErrShape},
	{"bits overflow", file(one(`{"dtype":"F64","shape":[288230376151711744],"data_offsets":[0,0]}`), 0), ErrShape},
	{"bytes too few", file(one(`{"dtype":"F32","shape":[2,3],"data_offsets":[0,20]}`), 20), ErrSize},
	{"bytes too many", file(one(`{"dtype":"F32","shape":[2,3],"data_offsets":[0,28]}`), 28), ErrSize},
	{"half a byte", file(one(`{"dtype":"F4","shape":[3],"data_offsets":[0,1]}`), 1), ErrSize},

	{"hole at the start", file(one(`{"dtype":"U8","shape":[2],"data_offsets":[1,3]}`), 3), ErrHole},
	{"hole between", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, 3), ErrHole},
	{"empty tensor after a hole", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}`, 2), ErrHole},
	{"overlap", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), ErrOverlap},
	{"the same bytes twice", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 2), ErrOverlap},
	{"empty tensor inside another", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}}`, 2), ErrOverlap},
	{"data cut short", file(one(good), 23), ErrFileSize},
	{"data missing", file(one(good), 0), ErrFileSize},
	{"data too long", file(one(good), 25), ErrFileSize},
	{"data without tensors", file("{}", 1), ErrFileSize},
	{"offsets beyond the file", file(one(`{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}`), 1), ErrShape},
	{"terabyte tensor", file(one(`{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}`), 1), ErrFileSize},
}

func TestParseRefusesBrokenFiles(t *testing.T) {
	tested := map[error]bool{}
	for _, tt := range broken {
		tested[tt.want] = true
		f, err := Parse(tt.raw)
		if !errors.Is(err, tt.want) || !errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("%s: got %v, want %v", tt.reason, err, tt.want)
		}
		if f != nil {
			t.Errorf("%s: a file came back", tt.reason)
		}
		if err != nil && strings.ContainsRune(err.Error(), '\n') {
			t.Errorf("%s: more than one line: %q", tt.reason, err)
		}
	}
	for _, rule := range []error{
		ErrHeaderLength, ErrHeaderLimit, ErrHeaderStart, ErrUTF8, ErrSyntax, ErrDuplicate, ErrNumber, ErrEntry,
		ErrMetadata, ErrType, ErrShape, ErrOffsets, ErrSize, ErrHole, ErrOverlap, ErrFileSize,
	} {
		if !tested[rule] {
			t.Errorf("no broken file for %q", rule)
		}
	}
}

// TestEveryTruncationIsSeen cuts a good file at each byte.
func TestEveryTruncationIsSeen(t *testing.T) {
	raw := file(`{"__metadata__":{"a":"b"},"w":`+good+`}`, 24)
	if _, err := Parse(raw); err != nil {
		t.Fatal(err)
	}
	for n := range raw {
		if _, err := Parse(raw[:n]); !errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("cut to %d of %d bytes: %v", n, len(raw), err)
		}
	}
}

// FuzzParse accepts any outcome but a panic, a tensor outside the data, or a
// file that does not survive being written again.
func FuzzParse(f *testing.F) {
	f.Add(file(`{"__metadata__":{"k":"v"},"w":`+good+`}`, 24))
	for _, tt := range broken {
		if len(tt.raw) < 500 {
			f.Add(tt.raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var d anatomy.Description
		describe(&d, raw)
		file, err := Parse(raw)
		if shown := damaged(&d); shown != (err != nil) {
			t.Fatalf("the description shows damage: %v; the reader says %v", shown, err)
		}
		if err != nil {
			if !errors.Is(err, tensor.ErrDamaged) {
				t.Fatalf("not called damage: %v", err)
			}
			return
		}
		var views []tensor.View
		total := 0
		for _, d := range file.Descs() {
			v, err := file.Read(d.Name)
			if errors.Is(err, ErrUnsupported) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			total += len(v.Data)
			views = append(views, v)
		}
		if total > len(raw) {
			t.Fatalf("%d bytes of tensors in a file of %d", total, len(raw))
		}
		var again bytes.Buffer
		if err := Write(&again, file.Metadata(), views); err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(again.Bytes()); err != nil {
			t.Fatal(err)
		}
	})
}
