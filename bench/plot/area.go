package plot

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Panel is one diagram: amounts over days, one kind on top of the other.
type Panel struct {
	Title string
	Unit  string // of the axis: "B" is shown as KiB, MiB …, anything else as thousands
	Days  []float64
	Kinds []Kind // from the bottom up
}

// Kind is a part of the whole.
type Kind struct {
	Name   string
	Values []float64 // one for each of Days
}

// Draw gives panels below each other as an SVG image.
func Draw(heading string, panels []Panel) []byte {
	return image(heading, len(panels), func(b *strings.Builder, i int, y float64) { panels[i].draw(b, y) })
}

func (p *Panel) draw(b *strings.Builder, y float64) {
	last, most := 1.0, 1.0
	if n := len(p.Days); n > 0 {
		last = p.Days[n-1]
	}
	below := make([]float64, len(p.Days))
	for i := range p.Days {
		sum := 0.0
		for _, k := range p.Kinds {
			sum += k.Values[i]
		}
		most = max(most, sum)
	}
	step := step(p.Unit, most)
	ceiling := math.Ceil(most/step) * step
	atX := func(d float64) float64 { return left + d/last*(wide-left-right) }
	atY := func(v float64) float64 { return y + top + (1-v/ceiling)*(high-top-bottom) }
	fmt.Fprintf(b, `<text x="%d" y="%.0f" font-weight="bold">%s</text>`+"\n", left, y+22, html.EscapeString(p.Title))
	for v := 0.0; v <= ceiling+step/2; v += step {
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left, wide-right, atY(v), atY(v), left-6, atY(v)+4, label(p.Unit, v))
	}
	for d := 0.0; d <= last+0.01; d += math.Max(math.Round(last/10), 1) {
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%.0f</text>`+"\n", atX(d), y+high-bottom+15, d)
	}
	fmt.Fprintf(b, `<text x="%d" y="%.1f">day</text>`+"\n", wide-right+8, y+high-bottom+15)
	for n, k := range p.Kinds {
		color := colors[n%len(colors)]
		var line strings.Builder
		for i := range p.Days {
			fmt.Fprintf(&line, "%.1f,%.1f ", atX(p.Days[i]), atY(below[i]))
		}
		for i := len(p.Days) - 1; i >= 0; i-- {
			below[i] += k.Values[i]
			fmt.Fprintf(&line, "%.1f,%.1f ", atX(p.Days[i]), atY(below[i]))
		}
		fmt.Fprintf(b, `<polygon points="%s" fill="%s"/>`+"\n", strings.TrimSpace(line.String()), color)
		at := y + top + float64(len(p.Kinds)-1-n)*17
		fmt.Fprintf(b, `<rect x="%d" y="%.1f" width="11" height="11" fill="%s"/><text x="%d" y="%.1f">%s</text>`+"\n", wide-right+14, at, color, wide-right+30, at+10, html.EscapeString(k.Name))
	}
}
