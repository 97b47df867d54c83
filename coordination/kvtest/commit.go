package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/firnlog/firnlog/coordination"
)

func commitScenarios() []scenario {
	return []scenario{
		{"EachGuardHoldsOnlyWhereItShould", guards},
		{"OneFailedGuardStopsAllChanges", failedGuard},
		{"ElseGivesKeysInTheOrderAskedFor", orElse},
		{"ChangesOfOneCommitShareOneRevision", oneRevision},
		{"CreateRevisionLastsUntilDeletion", createRevision},
		{"DeletingNothingMakesNoRevision", deleteNothing},
		{"DeletePrefixRemovesOnlyKeysBelowIt", deletePrefix},
		{"AnEmptyValueIsThere", emptyValue},
		{"ABufferMayBeUsedAgainAfterCommit", bufferReuse},
		{"ACommitWithoutChangesEvaluatesItsGuards", guardsAlone},
		{"LimitsAreTooLargeAndNothingHappens", tooLarge},
		{"TwoChangesOfAKeyAreInvalid", invalid},
		{"ConcurrentCompareAndSwapHasOneWinner", oneWinner},
		{"AnEndedContextHasNoEffect", endedContext},
	}
}

func guards(e *env) {
	first := e.put("a", "m")
	second := e.put("a", "m")
	k, none := e.key("a"), e.key("none")
	for _, c := range []struct {
		name  string
		guard coordination.Guard
		holds bool
	}{
		{"missing, of a missing key", coordination.Missing(none), true},
		{"missing, of a key", coordination.Missing(k), false},
		{"mod", coordination.ModIs(k, second), true},
		{"mod, older", coordination.ModIs(k, first), false},
		{"mod 0, of a key", coordination.ModIs(k, 0), false},
		{"mod 0, of a missing key", coordination.ModIs(none, 0), true},
		{"mod, of a missing key", coordination.ModIs(none, second), false},
		{"create", coordination.CreateIs(k, first), true},
		{"create, but that is mod", coordination.CreateIs(k, second), false},
		{"create 0, of a missing key", coordination.CreateIs(none, 0), true},
		{"value", coordination.ValueIs(k, []byte("m")), true},
		{"value, another", coordination.ValueIs(k, []byte("mm")), false},
		{"value, of a missing key", coordination.ValueIs(none, []byte("m")), false},
		{"empty value, of a missing key", coordination.ValueIs(none, nil), false},
		{"below", coordination.ValueBelow(k, []byte("n")), true},
		{"below, longer", coordination.ValueBelow(k, []byte("m\x00")), true},
		{"below, equal", coordination.ValueBelow(k, []byte("m")), false},
		{"below, lower", coordination.ValueBelow(k, []byte("a")), false},
		{"below, by unsigned bytes", coordination.ValueBelow(k, []byte("\xff")), true},
		{"below, of a missing key", coordination.ValueBelow(none, []byte("z")), false},
	} {
		res, err := e.kv.Commit(e.ctx, []coordination.Guard{c.guard}, []coordination.Change{coordination.PutKey(e.key("seen"), nil)})
		if err != nil || res.Committed != c.holds {
			e.Errorf("%s: Commit = %+v, %v; want committed %t", c.name, res, err, c.holds)
		}
	}
}

func failedGuard(e *env) {
	e.put("a", "1")
	rev := e.put("b", "1")
	res, err := e.kv.Commit(e.ctx,
		[]coordination.Guard{coordination.ModIs(e.key("b"), rev), coordination.Missing(e.key("a"))},
		[]coordination.Change{coordination.PutKey(e.key("b"), []byte("2")), coordination.DeleteKey(e.key("a"))})
	if err != nil || res.Committed || res.Revision < rev || res.Else != nil {
		e.Fatalf("Commit = %+v, %v", res, err)
	}
	if got := e.get("b"); string(got.Value) != "1" || got.Mod != rev {
		e.Errorf("b is %s after a failed guard", show(got))
	}
	if got := e.get("a"); got.Value == nil {
		e.Error("a is gone after a failed guard")
	}
}

func orElse(e *env) {
	a := e.put("a", "1")
	b := e.put("b", "2")
	res, err := e.kv.Commit(e.ctx,
		[]coordination.Guard{coordination.Missing(e.key("a"))},
		[]coordination.Change{coordination.PutKey(e.key("c"), nil)},
		e.key("b"), e.key("c"), e.key("a"))
	if err != nil || res.Committed || len(res.Else) != 3 || res.Revision < b {
		e.Fatalf("Commit = %+v, %v", res, err)
	}
	e.wantItem(res.Else[0], "b", "2", b, b)
	e.wantMissing(res.Else[1], "c")
	e.wantItem(res.Else[2], "a", "1", a, a)

	res, err = e.kv.Commit(e.ctx, nil, []coordination.Change{coordination.PutKey(e.key("c"), nil)}, e.key("b"))
	if err != nil || !res.Committed || len(res.Else) != 0 {
		e.Errorf("Commit whose guards hold = %+v, %v; want no Else", res, err)
	}
}

func oneRevision(e *env) {
	e.put("gone", "x")
	before := e.put("a", "1")
	rev := e.commit(
		coordination.PutKey(e.key("c"), []byte("2")),
		coordination.PutKey(e.key("a"), []byte("2")),
		coordination.DeleteKey(e.key("gone")))
	if rev != before+1 {
		e.Errorf("revision %d follows %d", rev, before)
	}
	snap, err := e.kv.Get(e.ctx, e.key("c"), e.key("gone"), e.key("a"))
	if err != nil || len(snap.Items) != 3 || snap.Revision < rev {
		e.Fatalf("Get = %+v, %v", snap, err)
	}
	e.wantItem(snap.Items[0], "c", "2", rev, rev)
	e.wantMissing(snap.Items[1], "gone")
	e.wantItem(snap.Items[2], "a", "2", before, rev)
}

func createRevision(e *env) {
	first := e.put("a", "1")
	second := e.put("a", "2")
	e.wantItem(e.get("a"), "a", "2", first, second)
	e.remove("a")
	e.wantMissing(e.get("a"), "a")
	again := e.put("a", "3")
	e.wantItem(e.get("a"), "a", "3", again, again)
}

func deleteNothing(e *env) {
	before := e.revision()
	if rev := e.remove("none"); rev != before {
		e.Errorf("deleting a missing key: revision %d, before %d", rev, before)
	}
	if rev := e.commit(coordination.DeletePrefix(e.key("none"))); rev != before {
		e.Errorf("deleting an empty prefix: revision %d, before %d", rev, before)
	}
}

func deletePrefix(e *env) {
	for _, k := range []string{"p", "p/", "p/1", "p/2/x", "p0", "o/9"} {
		e.put(k, k)
	}
	e.commit(coordination.DeletePrefix(e.key("p/")), coordination.PutKey(e.key("new"), nil))
	for _, k := range []string{"p/", "p/1", "p/2/x"} {
		e.wantMissing(e.get(k), k)
	}
	for _, k := range []string{"p", "p0", "o/9", "new"} {
		if e.get(k).Value == nil {
			e.Errorf("%s is gone", k)
		}
	}
}

func emptyValue(e *env) {
	rev := e.commit(coordination.PutKey(e.key("a"), nil))
	e.wantItem(e.get("a"), "a", "", rev, rev)
	page, err := e.kv.List(e.ctx, coordination.Range{Prefix: e.root})
	if err != nil || len(page.Items) != 1 {
		e.Fatalf("List = %+v, %v", page, err)
	}
	e.wantItem(page.Items[0], "a", "", rev, rev)
	res, err := e.kv.Commit(e.ctx, []coordination.Guard{coordination.ValueIs(e.key("a"), nil)}, nil)
	if err != nil || !res.Committed {
		e.Errorf("a guard on the empty value: %+v, %v", res, err)
	}
}

func bufferReuse(e *env) {
	buf := []byte("before")
	e.commit(coordination.PutKey(e.key("a"), buf))
	copy(buf, "XXXXXX")
	if got := e.get("a"); string(got.Value) != "before" {
		e.Errorf("value %q follows the caller's buffer", got.Value)
	}
}

func guardsAlone(e *env) {
	rev := e.put("a", "1")
	for want, guard := range map[bool]coordination.Guard{true: coordination.ModIs(e.key("a"), rev), false: coordination.Missing(e.key("a"))} {
		res, err := e.kv.Commit(e.ctx, []coordination.Guard{guard}, nil)
		if err != nil || res.Committed != want || res.Revision < rev {
			e.Errorf("Commit = %+v, %v; want committed %t at %d or later", res, err, want, rev)
		}
	}
}

func tooLarge(e *env) {
	puts := func(n, size int) []coordination.Change {
		var changes []coordination.Change
		for i := range n {
			changes = append(changes, coordination.PutKey(e.key(fmt.Sprintf("%03d", i)), bytes.Repeat([]byte{'x'}, size)))
		}
		return changes
	}
	for name, changes := range map[string][]coordination.Change{
		"129 operations":         puts(coordination.OperationsMax+1, 1),
		"a value over the limit": puts(1, coordination.CommitBytesMax),
		"values over the limit":  puts(100, coordination.CommitBytesMax/100),
	} {
		if res, err := e.kv.Commit(e.ctx, nil, changes); !errors.Is(err, coordination.ErrTooLarge) {
			e.Errorf("%s: Commit = %+v, %v; want ErrTooLarge", name, res, err)
		}
	}
	many := make([]string, coordination.OperationsMax+1)
	for i := range many {
		many[i] = e.key(fmt.Sprint(i))
	}
	if _, err := e.kv.Get(e.ctx, many...); !errors.Is(err, coordination.ErrTooLarge) {
		e.Errorf("Get of 129 keys: %v, want ErrTooLarge", err)
	}
	e.wantMissing(e.get("000"), "000")

	e.commit(puts(coordination.OperationsMax, 100)...)
	e.commit(puts(1, coordination.CommitBytesMax-8192)...)
	fits := coordination.CommitBytesMax - coordination.CommitBytes(nil, puts(100, 0), nil)
	e.commit(puts(100, fits/100)...)
}

func invalid(e *env) {
	p := e.key("p/")
	for name, changes := range map[string][]coordination.Change{
		"two puts":              {coordination.PutKey(p+"a", nil), coordination.PutKey(p+"b", nil), coordination.PutKey(p+"a", nil)},
		"a put and a delete":    {coordination.PutKey(p+"a", nil), coordination.DeleteKey(p + "a")},
		"a put below a prefix":  {coordination.PutKey(p+"a", nil), coordination.DeletePrefix(p)},
		"a prefix in a prefix":  {coordination.DeletePrefix(p + "a"), coordination.DeletePrefix(p), coordination.PutKey(p+"b", nil)},
		"a delete in a prefix":  {coordination.DeletePrefix(p), coordination.DeleteKey(p + "z")},
		"a put of an empty key": {coordination.PutKey("", nil)},
	} {
		if res, err := e.kv.Commit(e.ctx, nil, changes); !errors.Is(err, coordination.ErrInvalid) {
			e.Errorf("%s: Commit = %+v, %v; want ErrInvalid", name, res, err)
		}
	}
	if _, err := e.kv.Commit(e.ctx, []coordination.Guard{coordination.Missing("")}, nil); !errors.Is(err, coordination.ErrInvalid) {
		e.Errorf("a guard without a key: %v, want ErrInvalid", err)
	}
	e.commit(coordination.DeletePrefix(p), coordination.PutKey(e.key("p"), nil), coordination.PutKey(e.key("p0"), nil))
}

func oneWinner(e *env) {
	rev := e.put("a", "0")
	var winners atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			res, err := e.kv.Commit(e.ctx,
				[]coordination.Guard{coordination.ModIs(e.key("a"), rev)},
				[]coordination.Change{coordination.PutKey(e.key("a"), []byte{byte(i)})}, e.key("a"))
			switch {
			case err != nil:
				e.Errorf("Commit: %v", err)
			case res.Committed:
				winners.Add(1)
			case len(res.Else) != 1 || res.Else[0].Mod <= rev:
				e.Errorf("a loser reads %+v", res.Else)
			}
		})
	}
	wg.Wait()
	if n := winners.Load(); n != 1 {
		e.Errorf("%d winners", n)
	}
}

func endedContext(e *env) {
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	wants := func(what string, err error) {
		e.Helper()
		if !errors.Is(err, coordination.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			e.Errorf("%s with an ended context: %v; want ErrUnavailable and context.Canceled", what, err)
		}
	}
	_, err := e.kv.Commit(ctx, nil, []coordination.Change{coordination.PutKey(e.key("a"), nil)})
	wants("Commit", err)
	_, err = e.kv.Get(ctx, e.key("a"))
	wants("Get", err)
	_, err = e.kv.List(ctx, coordination.Range{Prefix: e.root})
	wants("List", err)
	_, err = e.kv.Watch(ctx, e.root, 0)
	wants("Watch", err)
	_, err = e.kv.Grant(ctx, 10e9)
	wants("Grant", err)
	e.wantMissing(e.get("a"), "a")
}
