package progress

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"colakit/internal/units"
)

// barText returns the text of a bar of at most width columns.
func barText(e Event, width int) string {
	share := 1.0
	if e.Total > 0 {
		share = min(1, float64(e.Done)/float64(e.Total))
	}
	figures := fmt.Sprintf(" %3.0f%%  %s", math.Floor(100*share), amounts(e))
	if rate := float64(e.Done) / e.Seconds; e.Seconds > 0.2 && rate > 0 {
		if e.Unit == "" {
			figures += fmt.Sprintf("  %s/s", units.Bytes(int64(rate)))
		}
		if left := float64(e.Total-e.Done) / rate; e.Done < e.Total {
			figures += "  ETA " + clock(left)
		}
	}
	columns := min(16, width-len(figures))
	if e.Label != "" {
		columns = min(columns, max(8, width-len(figures)-30))
	}
	text := gauge(share, max(0, columns)) + figures
	if room := width - utf8.RuneCountInString(text) - 2; e.Label != "" && room >= 8 {
		text += "  " + shorten(e.Label, room)
	}
	return cut(text, width)
}

// amounts says how much is done: "1.50 GB/9.33 GB", "3/20 prompts".
func amounts(e Event) string {
	if e.Unit != "" {
		return fmt.Sprintf("%d/%d %s", e.Done, e.Total, e.Unit)
	}
	return units.Bytes(e.Done) + "/" + units.Bytes(e.Total)
}

// gauge draws a share of a bar in eighths of a column.
func gauge(share float64, columns int) string {
	const eighths = "▏▎▍▌▋▊▉"
	filled := int(share * float64(8*columns))
	text := strings.Repeat("█", filled/8)
	if part := filled % 8; part > 0 {
		text += string([]rune(eighths)[part-1])
	}
	return text + strings.Repeat("·", columns-utf8.RuneCountInString(text))
}

// shorten keeps the end of a label, which says more than its beginning.
func shorten(label string, columns int) string {
	runes := []rune(label)
	if len(runes) <= columns {
		return label
	}
	return "…" + string(runes[len(runes)-columns+1:])
}

func cut(text string, columns int) string {
	if runes := []rune(text); len(runes) > max(0, columns) {
		return string(runes[:max(0, columns)])
	}
	return text
}

// clock formats seconds as "0:07" or "1:02:03".
func clock(seconds float64) string {
	s := int64(math.Ceil(min(seconds, 359999)))
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
