package month_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/firnlog/firnlog/sim/month"
)

func TestDraw_GivesWellFormedXMLOfAllKinds(t *testing.T) {
	svg := string(month.Draw("a & b", []month.Panel{{Title: "bytes <of> x", Unit: "B", Days: []float64{0, 1, 2}, Kinds: []month.Kind{
		{Name: "first", Values: []float64{0, 5000, 9000}}, {Name: "second", Values: []float64{1, 2, 3}}}}, {Title: "empty"}}))
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"first", "second", "5 KiB", "a &amp; b", "polygon"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in\n%s", want, svg)
		}
	}
}
