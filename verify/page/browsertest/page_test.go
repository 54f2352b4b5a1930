package browsertest

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"colakit/verify/verifytest"
)

const failing = "#bundle-2"

func TestPage(t *testing.T) {
	at := write(t)
	ctx := open(t)
	complaints := watch(t, ctx, at)
	do(t, ctx, screen(360, "light"), chromedp.Navigate(at))
	for _, tt := range []struct {
		name string
		test func(*testing.T, context.Context)
	}{
		{"the verdict comes first", verdictFirst}, {"nothing is wider than a phone", fits}, {"the switch", modeSwitch}, {"a tap", tap},
		{"keys", keys}, {"search", search}, {"sorting", sorting}, {"a link opens its bundle", link}, {"contrast", contrast}, {"paper", paper},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, ctx) })
	}
	if list := complaints.all(); len(list) > 0 {
		t.Errorf("the page %s", strings.Join(list, "; "))
	}
}

func verdictFirst(t *testing.T, ctx context.Context) {
	if got := text(t, ctx, `document.querySelector("header").innerText`); !strings.HasPrefix(got, "FAIL") || !strings.Contains(got, "dit.blocks.1.msa.out computes something else") {
		t.Errorf("begins with %q", got)
	}
	if got := text(t, ctx, `document.querySelector("`+failing+` h2").textContent`); !strings.HasSuffix(got, verifytest.Hostile) {
		t.Errorf("the failing bundle is called %q", got)
	}
	if got := text(t, ctx, `document.querySelector("`+failing+`").open`); got != "true" {
		t.Error("the failing bundle is closed")
	}
}

func fits(t *testing.T, ctx context.Context) {
	for _, width := range []int64{360, 1280} {
		do(t, ctx, screen(width, "light"))
		if got := text(t, ctx, `document.documentElement.scrollWidth`); got != fmt.Sprint(width) {
			t.Errorf("%s pixels wide on a screen of %d; too wide: %s", got, width, text(t, ctx,
				`Array.from(document.querySelectorAll("body *")).filter(function(e){return e.getBoundingClientRect().right>innerWidth+1&&!e.closest(".scroll")}).slice(0,5).map(function(e){return e.tagName+"."+e.className})`))
		}
	}
	do(t, ctx, screen(360, "light"))
}

// visible is an expression for the modes whose maps are shown in the failing bundle.
const visible = `Array.from(document.querySelectorAll("` + failing + ` .mode")).filter(function(m){return m.getClientRects().length}).map(function(m){return m.className})`

func modeSwitch(t *testing.T, ctx context.Context) {
	if got := text(t, ctx, visible); got != "mode isolated,mode isolated" { // maps and histograms
		t.Errorf("shows %s", got)
	}
	do(t, ctx, click(failing+` input[name="bundle-2-mode"][value=free]`))
	if got := text(t, ctx, visible); got != "mode free,mode isolated" {
		t.Errorf("shows %s after a click on free-running", got)
	}
	do(t, ctx, click(failing+` input[name="bundle-2-mode"][value=isolated]`))
}

const tip = `(document.getElementById("tip").hidden ? "" : document.getElementById("tip").textContent)`

func tap(t *testing.T, ctx context.Context) {
	do(t, ctx, click(failing+` .mode.isolated rect.bad`))
	if got := text(t, ctx, tip); !strings.Contains(got, "fail; worst msa.out") {
		t.Errorf("the tip of a failing cell is %q", got)
	}
	do(t, ctx, click(failing+" h3"))
	if got := text(t, ctx, tip); got != "" {
		t.Errorf("the tip stays: %q", got)
	}
}

func keys(t *testing.T, ctx context.Context) {
	do(t, ctx, chromedp.Focus(chromedp.CSS(failing+" svg.explore")), chromedp.KeyEvent(kb.ArrowRight))
	await(t, ctx, "a tip after an arrow key", tip+` != ""`)
	first := text(t, ctx, tip)
	do(t, ctx, chromedp.KeyEvent(kb.ArrowRight))
	await(t, ctx, "another tip after another", fmt.Sprintf("%s != %q", tip, first))
	do(t, ctx, chromedp.KeyEvent(kb.Escape))
	await(t, ctx, "no tip after Escape", tip+` == ""`)
}

// shown is an expression for the texts of a column of the rows that are shown.
func shown(column int) string {
	return fmt.Sprintf(`Array.from(document.querySelectorAll("%s-rows tbody tr")).filter(function(r){return !r.hidden}).map(function(r){return r.cells[%d].textContent}).join("\n")`, failing, column)
}

func search(t *testing.T, ctx context.Context) {
	do(t, ctx, chromedp.SendKeys(chromedp.CSS(failing+` input[type=search]`), "B01 uncond"))
	rows := strings.Split(text(t, ctx, shown(2)), "\n")
	for _, tap := range rows {
		if !strings.HasPrefix(tap, "b01/") || !strings.Contains(tap, "/uncond/") {
			t.Errorf("shows %q", tap)
		}
	}
	if got := text(t, ctx, `document.querySelector('[data-count="bundle-2-rows"]').textContent`); got != fmt.Sprintf("%d shown.", len(rows)) || len(rows) < 10 {
		t.Errorf("says %q of %d rows", got, len(rows))
	}
	text(t, ctx, `(function(){var s=document.querySelector("`+failing+` input[type=search]"); s.value=""; s.dispatchEvent(new Event("input"))})()`)
	do(t, ctx, click(`[data-failed="bundle-2-rows"]`))
	if got := text(t, ctx, shown(0)); got != strings.TrimSpace(strings.Repeat("FAIL\n", 9)) {
		t.Errorf("failures only: %q", got)
	}
	do(t, ctx, click(`[data-failed="bundle-2-rows"]`))
}

func sorting(t *testing.T, ctx context.Context) {
	head := failing + "-rows th:nth-child(4) button"
	for _, order := range []string{"descending", "ascending"} {
		do(t, ctx, click(head))
		if got := text(t, ctx, `document.querySelector("`+head+`").parentElement.getAttribute("aria-sort")`); got != order {
			t.Errorf("sorted %s, want %s", got, order)
		}
		last := math.NaN()
		for _, cell := range strings.Split(text(t, ctx, shown(3)), "\n") {
			v, err := strconv.ParseFloat(cell, 64)
			if err != nil || order == "ascending" && v < last || order == "descending" && v > last {
				t.Fatalf("%s: %v after %v (%v)", order, v, last, err)
			}
			last = v
		}
	}
}

func link(t *testing.T, ctx context.Context) {
	do(t, ctx, click(`a[href="#bundle-1"]`))
	await(t, ctx, "the bundle is open", `document.querySelector("#bundle-1").open`)
}

// contrast computes WCAG's ratio of texts to what lies behind them.
func contrast(t *testing.T, ctx context.Context) {
	const ratio = `(function(selector){
		function parts(c){return c.match(/[\d.]+/g).map(Number)}
		function light(c){return parts(c).slice(0,3).map(function(v){v/=255;return v<=0.04045?v/12.92:Math.pow((v+0.055)/1.055,2.4)}).reduce(function(s,v,i){return s+v*[0.2126,0.7152,0.0722][i]},0)}
		return Math.min.apply(null,Array.from(document.querySelectorAll(selector)).map(function(e){
			var back=e; while(back&&/, 0\)$|transparent/.test(getComputedStyle(back).backgroundColor)) back=back.parentElement;
			var a=light(getComputedStyle(e).color),b=light(back?getComputedStyle(back).backgroundColor:"rgb(255,255,255)");
			return (Math.max(a,b)+0.05)/(Math.min(a,b)+0.05)}))})`
	backs := map[string]bool{}
	for _, scheme := range []string{"light", "dark"} {
		do(t, ctx, screen(360, scheme))
		backs[text(t, ctx, `getComputedStyle(document.body).backgroundColor`)] = true
		for _, selector := range []string{"h1", ".quiet", ".badge", "dd", "td"} {
			got, err := strconv.ParseFloat(text(t, ctx, ratio+`("`+selector+`")`), 64)
			if err != nil || !(got >= 4.5) {
				t.Errorf("%s, %s: contrast %.2f, want at least 4.5 (%v)", scheme, selector, got, err)
			}
		}
	}
	if len(backs) != 2 {
		t.Errorf("light and dark share a background: %v", backs)
	}
	do(t, ctx, screen(360, "light"))
}

func paper(t *testing.T, ctx context.Context) {
	pdf, err := chromedp.Run(ctx, chromedp.PrintToPDF())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(pdf), "%PDF") {
		t.Errorf("printed %d bytes", len(pdf))
	}
	if dir := os.Getenv("PAGE_SHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "page.pdf"), pdf, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// TestScreenshots leaves pictures where PAGE_SHOTS says.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("PAGE_SHOTS")
	if dir == "" {
		t.Skip("not run: PAGE_SHOTS names no folder")
	}
	at := write(t)
	if path := os.Getenv("PAGE"); path != "" {
		at = address(path)
	}
	ctx := open(t)
	for _, width := range []int64{360, 1280} {
		for _, scheme := range []string{"light", "dark", "print"} {
			do(t, ctx, screen(width, scheme), chromedp.Navigate(at))
			png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d-%s.png", width, scheme)), png, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}
