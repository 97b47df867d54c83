package kvtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

func watchScenarios() []scenario {
	return []scenario{
		{"WatchFromThePastGivesEverythingSince", watchPast},
		{"WatchFromTheNextRevisionMissesNothing", watchNext},
		{"WatchFromZeroGivesWhatComes", watchZero},
		{"WatchFromTheFutureLeavesOutWhatIsBefore", watchFuture},
		{"EventsOfOneRevisionComeTogetherAndInTheirOrder", watchOrder},
		{"ManyRevisionsAreNeverSplit", watchMany},
		{"WatchSeesOnlyItsPrefix", watchPrefix},
		{"EventsSayWhatTheyDid", watchEvents},
		{"ProgressReachesTheNewestRevision", watchProgress},
		{"ProgressComesAfterAllEventsUpToIt", watchProgressOrder},
		{"TwoWatchesDoNotDisturbEachOther", watchTwo},
		{"WatchFromACompactedRevisionEnds", watchCompacted},
		{"WatchFromTheCompactedRevisionItselfWorks", watchAtCompaction},
		{"AnEndedContextEndsTheWatch", watchEnds},
	}
}

// watcher is an open watch under test; it checks what holds for every update.
type watcher struct {
	*env
	coordination.Watcher
	last    coordination.Revision // up to which all was delivered
	pending []coordination.Event  // delivered, but not asked for yet
}

func (e *env) watch(prefix string, from coordination.Revision) *watcher {
	e.Helper()
	inner, err := e.kv.Watch(e.ctx, e.key(prefix), from)
	if err != nil {
		e.Fatalf("Watch from %d: %v", from, err)
	}
	return &watcher{env: e, Watcher: inner, last: max(from, 1) - 1}
}

// next receives one update.
func (w *watcher) next() coordination.Update {
	w.Helper()
	select {
	case u, ok := <-w.Updates():
		if !ok {
			w.Fatal("the watch closed without an error")
		}
		if u.Err == nil {
			w.check(u)
		}
		return u
	case <-w.ctx.Done():
		w.Fatal("no update came")
	}
	return coordination.Update{}
}

func (w *watcher) check(u coordination.Update) {
	w.Helper()
	rev := w.last
	for i, e := range u.Events {
		// The first event of an update must begin a revision of its own.
		if e.Revision < rev || i == 0 && e.Revision <= w.last {
			w.Errorf("event of %s at %d comes after revision %d", e.Key, e.Revision, rev)
		}
		rev = e.Revision
	}
	if u.Revision < rev {
		w.Errorf("update of revision %d has an event of %d, after %d", u.Revision, rev, w.last)
	}
	w.last = u.Revision
}

// events gives the next n events.
func (w *watcher) events(n int) []coordination.Event {
	w.Helper()
	for len(w.pending) < n {
		u := w.next()
		if u.Err != nil {
			w.Fatalf("the watch ended: %v", u.Err)
		}
		w.pending = append(w.pending, u.Events...)
	}
	events := w.pending[:n]
	w.pending = w.pending[n:]
	return events
}

// wantEvents receives events and compares them, each as "key=value@revision" or "key!revision" for a deletion.
func (w *watcher) wantEvents(want ...string) {
	w.Helper()
	for i, e := range w.events(len(want)) {
		got := fmt.Sprintf("%s=%s@%d", e.Key[len(w.root):], e.Value, e.Revision)
		if e.IsDelete() {
			got = fmt.Sprintf("%s!%d", e.Key[len(w.root):], e.Revision)
		}
		if got != want[i] {
			w.Errorf("event %d is %s, want %s", i, got, want[i])
		}
	}
}

// progress asks until the watch says that it is at rev, and gives the events on the way.
func (w *watcher) progress(rev coordination.Revision) []coordination.Event {
	w.Helper()
	var events []coordination.Event
	for w.last < rev {
		if err := w.RequestProgress(w.ctx); err != nil {
			w.Fatalf("RequestProgress: %v", err)
		}
		select {
		case u, ok := <-w.Updates():
			if !ok || u.Err != nil {
				w.Fatalf("the watch ended: %v", u.Err)
			}
			w.check(u)
			events = append(events, u.Events...)
		case <-time.After(20 * time.Millisecond):
		case <-w.ctx.Done():
			w.Fatalf("at %d only, want %d", w.last, rev)
		}
	}
	return events
}

func watchPast(e *env) {
	one := e.put("a", "1")
	two := e.put("b", "2")
	three := e.put("a", "3")
	four := e.remove("b")
	e.watch("", one).wantEvents(at("a=1@", one), at("b=2@", two), at("a=3@", three), at("b!", four))
	w := e.watch("", three)
	w.wantEvents(at("a=3@", three), at("b!", four))
	w.wantEvents(at("c=5@", e.put("c", "5")))
}

func at(what string, rev coordination.Revision) string { return fmt.Sprint(what, rev) }

func watchNext(e *env) {
	rev := e.put("a", "1")
	w := e.watch("", rev+1)
	w.wantEvents(at("a=2@", e.put("a", "2")))
	w.wantEvents(at("b=3@", e.put("b", "3")))
}

func watchZero(e *env) {
	e.put("a", "1")
	w := e.watch("", 0)
	w.wantEvents(at("a=2@", e.put("a", "2")))
}

func watchFuture(e *env) {
	rev := e.put("a", "1")
	w := e.watch("", rev+3)
	e.put("a", "2")
	e.put("a", "3")
	three := e.put("a", "4")
	four := e.put("a", "5")
	if got := w.events(2); got[0].Revision != three || got[1].Revision != four || three != rev+3 {
		e.Errorf("events %+v, want those of %d and %d", got, three, four)
	}
}

func watchOrder(e *env) {
	live := e.watch("", 0)
	for _, k := range []string{"p/2", "p/1", "p/3"} {
		e.put(k, "x")
	}
	live.events(3)
	rev := e.commit(
		coordination.PutKey(e.key("z"), []byte("1")),
		coordination.DeletePrefix(e.key("p/")),
		coordination.PutKey(e.key("a"), []byte("1")),
		coordination.DeleteKey(e.key("none")),
		coordination.PutKey(e.key("m"), []byte("1")))
	later := e.put("a", "2")
	want := []string{at("z=1@", rev), at("p/1!", rev), at("p/2!", rev), at("p/3!", rev), at("a=1@", rev), at("m=1@", rev), at("a=2@", later)}
	for name, w := range map[string]*watcher{"live": live, "from the past": e.watch("", rev)} {
		e.Log(name)
		w.wantEvents(want...)
	}
}

func watchMany(e *env) {
	const revisions, keys = 2500, 3
	var first, last coordination.Revision
	for i := range revisions {
		var changes []coordination.Change
		for k := range keys {
			changes = append(changes, coordination.PutKey(e.key(fmt.Sprint(k)), fmt.Append(nil, i)))
		}
		last = e.commit(changes...)
		if i == 0 {
			first = last
		}
	}
	w := e.watch("", first)
	for n := 0; n < revisions*keys; {
		u := w.next()
		if u.Err != nil {
			e.Fatal(u.Err)
		}
		n += len(u.Events)
		if len(u.Events)%keys != 0 {
			e.Fatalf("an update of %d events up to %d splits a revision", len(u.Events), u.Revision)
		}
	}
	if w.last != last {
		e.Errorf("the watch is at %d, want %d", w.last, last)
	}
}

func watchPrefix(e *env) {
	w := e.watch("p/", 0)
	for _, k := range []string{"p", "p0", "o", "q/1"} {
		e.put(k, "x")
	}
	rev := e.commit(coordination.PutKey(e.key("o"), nil), coordination.PutKey(e.key("p/1"), []byte("x")), coordination.PutKey(e.key("p"), nil))
	w.wantEvents(at("p/1=x@", rev))
}

func watchEvents(e *env) {
	w := e.watch("", 0)
	one := e.put("a", "1")
	e.put("a", "2")
	e.remove("a")
	again := e.put("a", "")
	got := w.events(4)
	for i, want := range []struct {
		create, remove bool
		revision       coordination.Revision
	}{{true, false, one}, {false, false, one}, {false, true, 0}, {true, false, again}} {
		if g := got[i]; g.IsCreate() != want.create || g.IsDelete() != want.remove || g.Create != want.revision {
			e.Errorf("event %d = %+v: want create %t, delete %t, created at %d", i, g, want.create, want.remove, want.revision)
		}
	}
}

func watchProgress(e *env) {
	rev := e.put("other", "1")
	w := e.watch("p/", rev)
	if events := w.progress(rev); len(events) != 0 {
		e.Errorf("events %+v", events)
	}
	rev = e.put("other", "2")
	w.progress(rev)
	rev = e.put("p/1", "1")
	last := e.put("other", "3")
	if events := w.progress(last); len(events) != 1 || events[0].Revision != rev {
		e.Errorf("events %+v, want one of %d", events, rev)
	}
}

func watchProgressOrder(e *env) {
	first := e.put("p/x", "0")
	w := e.watch("p/", first)
	want := []coordination.Revision{first}
	for i := range 200 {
		want = append(want, e.put("p/x", fmt.Sprint(i)))
	}
	// check fails if progress overtakes an event.
	got := w.progress(want[len(want)-1])
	if len(got) != len(want) {
		e.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i, g := range got {
		if g.Revision != want[i] {
			e.Errorf("event %d at %d, want %d", i, g.Revision, want[i])
		}
	}
}

func watchTwo(e *env) {
	rev := e.put("a", "1")
	old, fresh := e.watch("", rev), e.watch("", rev+1)
	two := e.put("a", "2")
	if err := old.RequestProgress(e.ctx); err != nil {
		e.Fatal(err)
	}
	old.wantEvents(at("a=1@", rev), at("a=2@", two))
	fresh.wantEvents(at("a=2@", two))
	three := e.put("a", "3")
	// An update without events would be an answer to old's request: next gives what comes first.
	if u := fresh.next(); len(u.Events) != 1 || u.Revision != three {
		e.Errorf("the other watch got %+v, want the event of %d alone", u, three)
	}
	old.progress(three)
}

func watchCompacted(e *env) {
	one := e.put("a", "1")
	two := e.put("a", "2")
	synced := e.watch("other/", 0)
	e.compact(two)
	w := e.watch("", one)
	if u := w.next(); !errors.Is(u.Err, coordination.ErrCompacted) {
		e.Errorf("update %+v, want ErrCompacted", u)
	}
	if u, open := <-w.Updates(); open {
		e.Errorf("%+v after the end", u)
	}
	if err := w.RequestProgress(e.ctx); !errors.Is(err, coordination.ErrUnavailable) {
		e.Errorf("RequestProgress of an ended watch: %v, want ErrUnavailable", err)
	}
	synced.wantEvents(at("other/a=1@", e.put("other/a", "1")))
}

func watchAtCompaction(e *env) {
	e.put("a", "1")
	gone := e.remove("a")
	e.put("b", "1")
	e.compact(gone)
	e.watch("", gone).wantEvents(at("a!", gone), at("b=1@", gone+1))
}

func watchEnds(e *env) {
	ctx, cancel := context.WithCancel(e.ctx)
	w, err := e.kv.Watch(ctx, e.root, 0)
	if err != nil {
		e.Fatal(err)
	}
	cancel()
	for u := range w.Updates() {
		if u.Err != nil && !errors.Is(u.Err, coordination.ErrUnavailable) {
			e.Errorf("update %+v", u)
		}
	}
	if err := w.RequestProgress(e.ctx); !errors.Is(err, coordination.ErrUnavailable) {
		e.Errorf("RequestProgress of an ended watch: %v, want ErrUnavailable", err)
	}
}
