package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// transcript is every call of every instance, with its virtual times.
type transcript struct {
	begin time.Time
	count *counter
	mu    struct {
		sync.Mutex
		entries []entry
		faults  int
	}
}

type entry struct {
	from, to time.Duration // since the beginning
	who      int           // instance; -1: the world
	op, key  string
	result   string
}

// note adds a call that ends now.
func (t *transcript) note(from time.Time, who int, op, key, result string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if kind := faultOf(op, result); kind != "" {
		t.count.fault(kind)
	}
	if who >= 0 && result != "" && result != "ok" && op != "send" {
		t.mu.faults++
	}
	t.mu.entries = append(t.mu.entries, entry{from.Sub(t.begin), time.Since(t.begin), who, op, key, result})
}

// sorted is the transcript in an order that does not depend on who was scheduled first.
func (t *transcript) sorted() []entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := slices.Clone(t.mu.entries)
	slices.SortFunc(out, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.to, b.to), cmp.Compare(a.from, b.from), cmp.Compare(a.who, b.who),
			strings.Compare(a.op, b.op), strings.Compare(a.key, b.key), strings.Compare(a.result, b.result))
	})
	return out
}

func (e entry) String() string {
	return fmt.Sprintf("%12.6fs -%9.3fms  i%-2d %-10s %-44s %s", e.to.Seconds(), float64(e.to-e.from)/1e6, e.who, e.op, e.key, e.result)
}

// tail gives the last n entries that name key, or the last n of all when none does.
func tail(entries []entry, key string, n int) []entry {
	var out []entry
	for i := len(entries) - 1; i >= 0 && len(out) < n; i-- {
		if key == "" || strings.Contains(entries[i].key, key) {
			out = append(out, entries[i])
		}
	}
	if len(out) == 0 && key != "" {
		return tail(entries, "", n)
	}
	slices.Reverse(out)
	return out
}
