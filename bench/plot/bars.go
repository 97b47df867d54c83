package plot

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Bars is one diagram: groups of bars, one bar for each name.
type Bars struct {
	Title  string
	Unit   string // of the axis: "B" is shown as KiB, MiB …, anything else as plain numbers
	Names  []string
	Groups []Group
}

// Group is the bars that stand together; a value of NaN was not measured.
type Group struct {
	Name   string
	Values []float64 // one for each of Names
}

// DrawBars gives diagrams below each other as an SVG image.
func DrawBars(heading string, all []Bars) []byte {
	return image(heading, len(all), func(b *strings.Builder, i int, y float64) { all[i].draw(b, y) })
}

func (d *Bars) draw(b *strings.Builder, y float64) {
	most := 1e-9
	for _, g := range d.Groups {
		for _, v := range g.Values {
			if !math.IsNaN(v) {
				most = max(most, v)
			}
		}
	}
	step := step(d.Unit, most)
	ceiling := math.Ceil(most/step) * step
	atY := func(v float64) float64 { return y + top + (1-v/ceiling)*(high-top-bottom) }
	fmt.Fprintf(b, `<text x="%d" y="%.0f" font-weight="bold">%s</text>`+"\n", left, y+22, html.EscapeString(d.Title))
	for v := 0.0; v <= ceiling+step/2; v += step {
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left, wide-right, atY(v), atY(v), left-6, atY(v)+4, label(d.Unit, v))
	}
	each := float64(wide-left-right) / float64(max(len(d.Groups), 1))
	bar := each * 0.8 / float64(max(len(d.Names), 1))
	for i, g := range d.Groups {
		x := left + each*float64(i)
		for n, v := range g.Values {
			if !math.IsNaN(v) {
				fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x+each*0.1+bar*float64(n), atY(v), bar*0.95, atY(0)-atY(v), colors[n%len(colors)])
			}
		}
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", x+each/2, y+high-bottom+15, html.EscapeString(g.Name))
	}
	for n, name := range d.Names {
		at := y + top + float64(n)*17
		fmt.Fprintf(b, `<rect x="%d" y="%.1f" width="11" height="11" fill="%s"/><text x="%d" y="%.1f">%s</text>`+"\n", wide-right+14, at, colors[n%len(colors)], wide-right+30, at+10, html.EscapeString(name))
	}
}
