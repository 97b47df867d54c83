package month

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

// colors are told apart by people who see colors otherwise, too (Okabe and Ito).
var colors = []string{"#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999"}

const (
	wide, high         = 900, 230 // of a panel
	left, right        = 80, 170
	top, bottom, title = 34, 30, 30
)

// Draw gives panels below each other as an SVG image.
func Draw(heading string, panels []Panel) []byte {
	var b strings.Builder
	height := title + len(panels)*high
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", wide, height, wide, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", wide, height)
	fmt.Fprintf(&b, `<text x="%d" y="22" font-size="15">%s</text>`+"\n", left, html.EscapeString(heading))
	for i := range panels {
		panels[i].draw(&b, float64(title+i*high))
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
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
	step := p.step(most)
	ceiling := math.Ceil(most/step) * step
	atX := func(d float64) float64 { return left + d/last*(wide-left-right) }
	atY := func(v float64) float64 { return y + top + (1-v/ceiling)*(high-top-bottom) }
	fmt.Fprintf(b, `<text x="%d" y="%.0f" font-weight="bold">%s</text>`+"\n", left, y+22, html.EscapeString(p.Title))
	for v := 0.0; v <= ceiling+step/2; v += step {
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left, wide-right, atY(v), atY(v), left-6, atY(v)+4, p.label(v))
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

// step is the distance of the lines: 1, 2 or 5 times a power of ten, of units.
func (p *Panel) step(most float64) float64 {
	unit, _ := p.unit(most)
	raw := most / unit / 4
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, f := range []float64{1, 2, 5} {
		if raw <= f*power {
			return f * power * unit
		}
	}
	return 10 * power * unit
}

// unit is what numbers around most are shown in.
func (p *Panel) unit(most float64) (size float64, name string) {
	if p.Unit != "B" {
		return 1, ""
	}
	for _, name := range []string{" B", " KiB", " MiB", " GiB"} {
		if size = max(size*1024, 1); most < 4*size*1024 {
			return size, name
		}
	}
	return 1 << 40, " TiB"
}

func (p *Panel) label(v float64) string {
	size, name := p.unit(v)
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v/size), ".0") + name
}
