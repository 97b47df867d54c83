package plot_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/firnlog/firnlog/bench/plot"
)

func TestDraw_GivesWellFormedXMLOfAllKinds(t *testing.T) {
	svg := string(plot.Draw("a & b", []plot.Panel{{Title: "bytes <of> x", Unit: "B", Days: []float64{0, 1, 2}, Kinds: []plot.Kind{
		{Name: "first", Values: []float64{0, 5000, 9000}}, {Name: "second", Values: []float64{1, 2, 3}}}}, {Title: "empty"}}))
	wellFormed(t, svg)
	for _, want := range []string{"first", "second", "5 KiB", "a &amp; b", "polygon"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in\n%s", want, svg)
		}
	}
}

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestDrawBars_LeavesOutWhatWasNotMeasured(t *testing.T) {
	svg := string(plot.DrawBars("a & b", []plot.Bars{{Title: "MiB/s", Names: []string{"one", "other"}, Groups: []plot.Group{
		{Name: "produce", Values: []float64{10, math.NaN()}}, {Name: "tail", Values: []float64{20, 5}}}}, {Title: "empty"}}))
	wellFormed(t, svg)
	if bars := strings.Count(svg, `fill="#0072B2"`); bars != 3 { // one of them in the legend
		t.Errorf("%d bars of the first", bars)
	}
	if bars := strings.Count(svg, `fill="#E69F00"`); bars != 2 || strings.Contains(svg, "NaN") {
		t.Errorf("%d bars of the other", bars)
	}
}
