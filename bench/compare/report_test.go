package compare

import (
	"strings"
	"testing"

	"github.com/firnlog/firnlog/bench"
)

func TestReport_ShowsMediansRatiosAndWhatFailed(t *testing.T) {
	produce := Tasks()[0]
	contender := func(name string, speeds ...int64) *Contender {
		c := &Contender{Name: name, Results: map[string][]*bench.Result{}, Failed: map[string]string{}}
		for _, s := range speeds {
			c.Results[produce.name()] = append(c.Results[produce.name()], &bench.Result{Bytes: s << 20, Seconds: 1})
		}
		return c
	}
	slow := contender("slow", 10, 900, 20)
	slow.Failed[Tasks()[6].name()] = "too many"
	r := &Report{Contenders: []*Contender{contender("fast", 30, 50), slow}, Pairs: [][2]string{{"fast", "slow"}, {"fast", "none"}}, Missing: []string{"other: not built"}}
	got := string(r.Markdown())
	for _, want := range []string{
		"| produce, 12 partitions | MiB/s | 40.0 | 20.0 | 2.00× |", "| catchup, 12 partitions | MiB/s | – | – | – |",
		"slow failed at produce, 1000 partitions: `too many`", "missing: other: not built",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if !strings.Contains(string(r.SVG()), "produce 12") {
		t.Error("no diagram of produce")
	}
}
