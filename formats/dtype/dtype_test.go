package dtype

import (
	"strings"
	"testing"
)

func TestParseGivesBackEveryName(t *testing.T) {
	for typ := F32; typ <= Bool; typ++ {
		text, err := typ.MarshalText()
		if err != nil {
			t.Fatalf("%v: %v", typ, err)
		}
		var got Type
		if err := got.UnmarshalText(text); err != nil || got != typ {
			t.Errorf("UnmarshalText(%q) = %v, %v; want %v", text, got, err, typ)
		}
	}
}

func TestTypesThatDoNotExist(t *testing.T) {
	for _, name := range []string{"", "invalid", "F32", "f8", "bfloat16"} {
		if got, err := Parse(name); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", name, got)
		}
	}
	for _, typ := range []Type{Invalid, Bool + 1, 255} {
		if typ.Size() != 0 || typ.Float() {
			t.Errorf("type %d has size %d, float %v", typ, typ.Size(), typ.Float())
		}
		if _, err := typ.MarshalText(); err == nil {
			t.Errorf("type %d has a name", typ)
		}
	}
}

func TestSizes(t *testing.T) {
	want := map[Type]int{F32: 4, F64: 8, F16: 2, BF16: 2, I8: 1, U8: 1, I32: 4, I64: 8, Bool: 1}
	for typ, size := range want {
		if typ.Size() != size {
			t.Errorf("%v has size %d, want %d", typ, typ.Size(), size)
		}
		if want := strings.Contains(typ.String(), "f"); typ.Float() != want {
			t.Errorf("%v.Float() = %v", typ, typ.Float())
		}
	}
}
