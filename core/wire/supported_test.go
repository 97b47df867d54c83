package wire

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
)

var updateDocs = flag.Bool("update-docs", false, "write the table of APIs in docs/SUPPORTED.md")

const (
	apisBegin = "<!-- apis: written by go test ./core/wire -run Supported -args -update-docs -->\n"
	apisEnd   = "<!-- /apis -->\n"
)

// TestSupported_TheDocumentNamesWhatIsServed keeps docs/SUPPORTED.md and the table of APIs the same.
func TestSupported_TheDocumentNamesWhatIsServed(t *testing.T) {
	const path = "../../docs/SUPPORTED.md"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(doc), apisBegin)
	old, after, ok2 := strings.Cut(rest, apisEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no table of APIs between its markers", path)
	}
	want := apisAsTable()
	if *updateDocs {
		if err := os.WriteFile(path, []byte(before+apisBegin+want+apisEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != want {
		t.Errorf("%s is not what is served; go test ./core/wire -run Supported -args -update-docs writes it:\n%s", path, want)
	}
}

func apisAsTable() string {
	s := New(DefaultSettings(), Backend{}, slog.New(slog.DiscardHandler))
	var keys []int16
	for k := range s.apis {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b strings.Builder
	b.WriteString("| key | API | versions |\n|---|---|---|\n")
	for _, k := range keys {
		a := s.apis[k]
		fmt.Fprintf(&b, "| %d | %s | %d-%d |\n", k, a.key.Name(), a.min, a.max)
	}
	return b.String()
}
