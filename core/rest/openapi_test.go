package rest

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

var updateDocs = flag.Bool("update-docs", false, "write the table of routes in docs/SUPPORTED.md")

const (
	routesBegin = "<!-- routes: written by go test ./core/rest -run Supported -args -update-docs -->\n"
	routesEnd   = "<!-- /routes -->\n"
)

func routesAsTable() string {
	s := New(DefaultSettings(), Backend{}, slog.New(slog.DiscardHandler))
	var b strings.Builder
	b.WriteString("| method | path | what it does |\n|---|---|---|\n")
	for _, r := range s.routes {
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", r.method, r.path, r.summary)
	}
	return b.String()
}

// TestSupported_TheDocumentNamesTheRoutes keeps docs/SUPPORTED.md and the router the same.
func TestSupported_TheDocumentNamesTheRoutes(t *testing.T) {
	const path = "../../docs/SUPPORTED.md"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(doc), routesBegin)
	old, after, found2 := strings.Cut(rest, routesEnd)
	if !found || !found2 {
		t.Fatalf("%s has no table of routes between its markers", path)
	}
	want := routesAsTable()
	if *updateDocs {
		if err := os.WriteFile(path, []byte(before+routesBegin+want+routesEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != want {
		t.Errorf("%s is not what is served; go test ./core/rest -run Supported -args -update-docs writes it:\n%s", path, want)
	}
}

func TestOpenAPI_DescribesJustTheRoutesThatAreServed(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(description)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var described, served []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	for _, r := range New(DefaultSettings(), Backend{}, slog.New(slog.DiscardHandler)).routes {
		served = append(served, r.method+" "+r.path)
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described:\n%s\nserved:\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
}
