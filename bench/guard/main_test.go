package main

import (
	"slices"
	"strings"
	"testing"
)

func TestCompare_FailsOverTheRatioAndOverOneMoreAllocation(t *testing.T) {
	tree := func(lines ...string) map[string]sample {
		all := map[string]sample{}
		for _, l := range lines {
			read([]byte(l), "./p", all)
		}
		return all
	}
	const base = "BenchmarkHotX-2   \t 1000\t 100.0 ns/op\t 99.5 MB/s\t 12 B/op\t 3 allocs/op"
	for what, c := range map[string]struct {
		after string
		good  bool
	}{
		"same":          {base, true},
		"a little more": {"BenchmarkHotX-2 10 129.0 ns/op 0 B/op 3 allocs/op", true},
		"slower":        {"BenchmarkHotX-2 10 131.0 ns/op 0 B/op 3 allocs/op", false},
		"allocates":     {"BenchmarkHotX-2 10 50.0 ns/op 0 B/op 4 allocs/op", false},
		"gone":          {"BenchmarkHotY-2 10 50.0 ns/op 0 B/op 4 allocs/op", false},
	} {
		var out strings.Builder
		if got := compare(&out, tree(base, strings.Replace(base, "100.0", "180.0", 1)), tree(c.after), 1.3); got != c.good {
			t.Errorf("%s: %v\n%s", what, got, &out)
		}
	}
}

func TestSuspects_ArePackagesOnceEachThatLookSlower(t *testing.T) {
	before := map[string]sample{"core/a BenchmarkX": {100, 1}, "core/a BenchmarkY": {100, 1}, "core/b BenchmarkX": {100, 1}}
	after := map[string]sample{"core/a BenchmarkX": {131, 1}, "core/a BenchmarkY": {200, 1}, "core/b BenchmarkX": {129, 1}, "core/c BenchmarkNew": {9, 1}}
	if got := suspects(before, after, 1.3); !slices.Equal(got, []string{"./core/a"}) {
		t.Error(got)
	}
}
