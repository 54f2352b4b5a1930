package command

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

const exitCodes = "Exit codes: 0 good · 1 numerically wrong · 2 usage · 3 damaged input · 4 incomplete · 130 interrupted\n"

func (p Program) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\nUsage: %s COMMAND [arguments]\n", p.Name, p.Short, p.Name)
	unnamed, hasUnnamed := p.find("")
	if hasUnnamed {
		fmt.Fprintf(&b, "       %s %s\n", p.Name, unnamed.Args)
	}
	b.WriteString("\nCommands:\n")
	width := 0
	for _, v := range p.Verbs {
		width = max(width, len(v.Name))
	}
	for _, v := range p.Verbs {
		if v.Name != "" {
			fmt.Fprintf(&b, "  %-*s  %s\n", width, v.Name, v.Short)
		}
	}
	if hasUnnamed {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		flags.SortFlags = false
		unnamed.Setup(flags)
		fmt.Fprintf(&b, "\nWithout a command: %s\n%s", unnamed.Short, flagTable(flags))
	}
	if p.Long != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(p.Long))
	}
	fmt.Fprintf(&b, "\n`%s COMMAND --help` describes a command, `%s --version` names the release.\n%s", p.Name, p.Name, exitCodes)
	return b.String()
}

func (p Program) verbHelp(v Verb, flags *pflag.FlagSet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\nUsage: %s %s\n", p.path(v), v.Short, p.path(v), v.Args)
	if v.Long != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(v.Long))
	}
	if flags.HasFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", flagTable(flags))
	}
	fmt.Fprintf(&b, "\n%s", exitCodes)
	return b.String()
}
