package command

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

func TestFlagTable(t *testing.T) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.StringP("output", "o", "", "`FILE` to write")
	flags.String("type", "f32", "`TYPE` of all matrices: f32, f16 or bf16; vectors keep f32, which costs less than a thousandth of the file")
	flags.Bool("force", false, "replace the file")
	flags.Int("jobs", 0, "`N` workers; 0: one per processor")
	flags.String("secret", "", "not shown")
	if err := flags.MarkHidden("secret"); err != nil {
		t.Fatal(err)
	}
	want := `  -o, --output FILE  FILE to write
      --type TYPE    TYPE of all matrices: f32, f16 or bf16; vectors keep f32, which costs less than
                     a thousandth of the file (default f32)
      --force        replace the file
      --jobs N       N workers; 0: one per processor
`
	if diff := cmp.Diff(want, flagTable(flags)); diff != "" {
		t.Error("(-want +got)", diff)
	}
}
