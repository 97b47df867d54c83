// Package plot draws diagrams as SVG images: amounts over days (Draw), and measurements side by side (DrawBars).
//
// Owns: how they look. Does not own: what they show.
package plot

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// colors are told apart by people who see colors otherwise, too (Okabe and Ito).
var colors = []string{"#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999"}

const (
	wide, high         = 900, 230 // of a panel
	left, right        = 80, 170
	top, bottom, title = 34, 30, 30
)

// image lets each of n panels be drawn at its height, below a heading.
func image(heading string, n int, draw func(b *strings.Builder, i int, y float64)) []byte {
	var b strings.Builder
	height := title + n*high
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", wide, height, wide, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", wide, height)
	fmt.Fprintf(&b, `<text x="%d" y="22" font-size="15">%s</text>`+"\n", left, html.EscapeString(heading))
	for i := range n {
		draw(&b, i, float64(title+i*high))
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

// step is the distance of the lines: 1, 2 or 5 times a power of ten, of units.
func step(unit string, most float64) float64 {
	size, _ := scale(unit, most)
	raw := most / size / 4
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, f := range []float64{1, 2, 5} {
		if raw <= f*power {
			return f * power * size
		}
	}
	return 10 * power * size
}

// scale is what numbers around most are shown in.
func scale(unit string, most float64) (size float64, name string) {
	if unit != "B" {
		return 1, ""
	}
	for _, name := range []string{" B", " KiB", " MiB", " GiB"} {
		if size = max(size*1024, 1); most < 4*size*1024 {
			return size, name
		}
	}
	return 1 << 40, " TiB"
}

func label(unit string, v float64) string {
	size, name := scale(unit, v)
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v/size), ".0") + name
}
