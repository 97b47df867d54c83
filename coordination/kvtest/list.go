package kvtest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/firnlog/firnlog/coordination"
)

func listScenarios() []scenario {
	return []scenario{
		{"ListGivesKeysBelowThePrefixInByteOrder", listOrder},
		{"PagesAtOneRevisionAreOneSnapshot", listPages},
		{"ListAtAnOldRevisionSeesTheOldState", listAt},
		{"ListAtAFutureRevisionIsUnavailable", listFuture},
		{"MinCreateLeavesOutOlderKeys", listMinCreate},
		{"KeysOnlyLeavesValuesEmpty", listKeysOnly},
		{"ListBeforeACompactionIsCompacted", listCompacted},
		{"ReadGivesSeveralRangesAtOneRevision", readSeveral},
		{"ReadRefusesWhatIsNoReadOfOneRevision", readRefused},
	}
}

// list gives the keys of a page, relative to root.
func (e *env) list(r coordination.Range) (keys []string, page coordination.Page) {
	e.Helper()
	r.Prefix = e.key(r.Prefix)
	if r.After != "" {
		r.After = e.key(r.After)
	}
	page, err := e.kv.List(e.ctx, r)
	if err != nil {
		e.Fatalf("List(%+v): %v", r, err)
	}
	for _, i := range page.Items {
		keys = append(keys, i.Key[len(e.root):])
	}
	return keys, page
}

func (e *env) wantKeys(r coordination.Range, more bool, want ...string) coordination.Page {
	e.Helper()
	got, page := e.list(r)
	if !slices.Equal(got, want) || page.More != more {
		e.Errorf("List(%+v) = %q, more %t; want %q, %t", r, got, page.More, want, more)
	}
	return page
}

func listOrder(e *env) {
	for _, k := range []string{"b/2", "b/\xff", "b/1", "a/9", "b0", "b/10", "b", "b/"} {
		e.put(k, k)
	}
	rev := e.remove("b/2")
	page := e.wantKeys(coordination.Range{Prefix: "b/"}, false, "b/", "b/1", "b/10", "b/\xff")
	if page.Revision < rev {
		e.Errorf("revision %d, after a commit at %d", page.Revision, rev)
	}
	e.wantKeys(coordination.Range{Prefix: "b/", After: "b/1"}, false, "b/10", "b/\xff")
	e.wantKeys(coordination.Range{Prefix: "b/", After: "b/11"}, false, "b/\xff")
	e.wantKeys(coordination.Range{Prefix: "b/", After: "a"}, false, "b/", "b/1", "b/10", "b/\xff")
	e.wantKeys(coordination.Range{Prefix: "b/", After: "b0"}, false)
	e.wantKeys(coordination.Range{Prefix: "b/", Limit: 2}, true, "b/", "b/1")
	e.wantKeys(coordination.Range{Prefix: "b/", Limit: 4}, false, "b/", "b/1", "b/10", "b/\xff")
	e.wantKeys(coordination.Range{Prefix: "b/", After: "b/", Limit: 1}, true, "b/1")
	e.wantKeys(coordination.Range{Prefix: "c/"}, false)
	e.wantKeys(coordination.Range{Prefix: "b/1"}, false, "b/1", "b/10")
}

func listPages(e *env) {
	const keys = 25
	for i := range keys {
		e.put(fmt.Sprintf("%02d", i), "old")
	}
	got, page := e.list(coordination.Range{Limit: 10})
	at := page.Revision
	for i := range keys {
		switch i % 3 {
		case 0:
			e.remove(fmt.Sprintf("%02d", i))
		case 1:
			e.put(fmt.Sprintf("%02d", i), "new")
		default:
			e.put(fmt.Sprintf("%02d+", i), "new")
		}
	}
	for page.More {
		var more []string
		more, page = e.list(coordination.Range{After: got[len(got)-1], Limit: 10, At: at})
		got = append(got, more...)
		for _, i := range page.Items {
			if string(i.Value) != "old" {
				e.Errorf("%s at %d is %q", i.Key, at, i.Value)
			}
		}
		if page.Revision != at {
			e.Errorf("a page at %d has revision %d", at, page.Revision)
		}
	}
	if len(got) != keys || !slices.IsSorted(got) {
		e.Errorf("pages give %q", got)
	}
}

func listAt(e *env) {
	one := e.put("a", "1")
	two := e.put("a", "2")
	gone := e.remove("a")
	again := e.put("a", "3")
	e.put("a", "4")
	e.wantKeys(coordination.Range{At: gone}, false)
	for at, want := range map[coordination.Revision]string{one: "1", two: "2", again: "3"} {
		page := e.wantKeys(coordination.Range{At: at}, false, "a")
		create := one
		if at == again {
			create = again
		}
		e.wantItem(page.Items[0], "a", want, create, at)
	}
}

func listFuture(e *env) {
	rev := e.put("a", "1")
	if page, err := e.kv.List(e.ctx, coordination.Range{Prefix: e.root, At: rev + 100}); !errors.Is(err, coordination.ErrUnavailable) {
		e.Errorf("List = %+v, %v; want ErrUnavailable", page, err)
	}
}

func listMinCreate(e *env) {
	e.put("a", "1")
	b := e.put("b", "1")
	c := e.put("c", "1")
	e.put("a", "2")
	d := e.put("d", "1")
	e.wantKeys(coordination.Range{MinCreate: b}, false, "b", "c", "d")
	e.wantKeys(coordination.Range{MinCreate: c}, false, "c", "d")
	e.wantKeys(coordination.Range{MinCreate: b, Limit: 2}, true, "b", "c")
	e.wantKeys(coordination.Range{MinCreate: b, At: c}, false, "b", "c")
	e.wantKeys(coordination.Range{MinCreate: d + 1}, false)
}

func listKeysOnly(e *env) {
	a := e.put("a", "value")
	b := e.put("a", "value")
	page := e.wantKeys(coordination.Range{KeysOnly: true}, false, "a")
	e.wantItem(page.Items[0], "a", "", a, b)
}

func listCompacted(e *env) {
	one := e.put("a", "1")
	gone := e.put("gone", "1")
	e.remove("gone")
	two := e.put("a", "2")
	e.put("a", "3")
	e.compact(two)
	for _, at := range []coordination.Revision{one, gone, two - 1} {
		if _, err := e.kv.List(e.ctx, coordination.Range{Prefix: e.root, At: at}); !errors.Is(err, coordination.ErrCompacted) {
			e.Errorf("List at %d after Compact(%d): %v; want ErrCompacted", at, two, err)
		}
	}
	page := e.wantKeys(coordination.Range{At: two}, false, "a")
	e.wantItem(page.Items[0], "a", "2", one, two)
	e.wantKeys(coordination.Range{}, false, "a")
}

func readSeveral(e *env) {
	e.put("a/1", "old")
	before := e.put("b/1", "b")
	after := e.put("a/1", "new")
	e.put("a/2", "x")
	ranges := func(at, minCreate coordination.Revision) []coordination.Range {
		return []coordination.Range{{Prefix: e.key("a/"), At: at, MinCreate: minCreate}, {Prefix: e.key("b/"), At: at}, {Prefix: e.key("c/"), At: at}}
	}
	pages, err := e.kv.Read(e.ctx, ranges(before, 0)...)
	if err != nil || len(pages) != 3 || len(pages[0].Items) != 1 || string(pages[0].Items[0].Value) != "old" || len(pages[1].Items) != 1 || len(pages[2].Items) != 0 {
		e.Errorf("Read at %d = %+v, %v; want a/1 as it was, b/1, nothing", before, pages, err)
	}
	for _, p := range pages {
		if p.Revision != before {
			e.Errorf("page at revision %d, want %d", p.Revision, before)
		}
	}
	pages, err = e.kv.Read(e.ctx, ranges(0, after+1)...)
	if err != nil || len(pages) != 3 || len(pages[0].Items) != 1 || pages[0].Items[0].Key != e.key("a/2") || len(pages[1].Items) != 1 {
		e.Fatalf("Read of what was created after %d = %+v, %v; want a/2 and b/1", after, pages, err)
	}
	if r := pages[0].Revision; r <= after || r != pages[1].Revision || r != pages[2].Revision {
		e.Errorf("pages at revisions %d, %d, %d; want one, the newest", pages[0].Revision, pages[1].Revision, pages[2].Revision)
	}
	if _, err = e.kv.Read(e.ctx, ranges(1<<40, 0)...); !errors.Is(err, coordination.ErrUnavailable) {
		e.Errorf("Read at a revision to come: %v, want ErrUnavailable", err)
	}
}

func readRefused(e *env) {
	at := e.put("a", "x")
	if _, err := e.kv.Read(e.ctx); !errors.Is(err, coordination.ErrInvalid) {
		e.Errorf("Read of nothing: %v, want ErrInvalid", err)
	}
	if _, err := e.kv.Read(e.ctx, coordination.Range{Prefix: e.key("a")}, coordination.Range{Prefix: e.key("a"), At: at}); !errors.Is(err, coordination.ErrInvalid) {
		e.Errorf("Read at two revisions: %v, want ErrInvalid", err)
	}
	if _, err := e.kv.Read(e.ctx, make([]coordination.Range, coordination.OperationsMax+1)...); !errors.Is(err, coordination.ErrTooLarge) {
		e.Errorf("Read of too many ranges: %v, want ErrTooLarge", err)
	}
}
