package watched

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/pause"
)

var (
	errUnavailable = errors.New("unavailable")
	errUnknown     = errors.New("unknown")
	errNoCluster   = errors.New("no cluster")
)

// holder is what a view fills.
type holder struct {
	*View
	mu struct {
		sync.Mutex
		values map[string]string
	}
}

func newHolder(kv coordination.KV, change ...func(*Settings)) *holder {
	h := &holder{}
	keys := coordination.NewKeys("c")
	s := Settings{KV: kv, Keys: keys, Prefix: keys.ACLs(), What: "ACLs", Now: time.Now, Log: slog.New(slog.DiscardHandler), Errors: Errors{errUnavailable, errUnknown, errNoCluster}}
	s.Replace = func(items []coordination.Item) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.mu.values = map[string]string{}
		for _, it := range items {
			h.mu.values[it.Key] = string(it.Value)
		}
	}
	s.Apply = func(events []coordination.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, e := range events {
			if e.IsDelete() {
				delete(h.mu.values, e.Key)
			} else {
				h.mu.values[e.Key] = string(e.Value)
			}
		}
	}
	for _, c := range change {
		c(&s)
	}
	h.View = New(s)
	return h
}

func (h *holder) has() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, key := range slices.Sorted(maps.Keys(h.mu.values)) {
		out = append(out, strings.TrimPrefix(key, h.Prefix)+"="+h.mu.values[key])
	}
	return strings.Join(out, " ")
}

func put(t *testing.T, kv coordination.KV, key, value string) coordination.Revision {
	t.Helper()
	res, err := kv.Commit(t.Context(), nil, []coordination.Change{coordination.PutKey(key, []byte(value))})
	if err != nil {
		t.Fatal(err)
	}
	return res.Revision
}

func (h *holder) follow(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = h.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ran })
}

func TestRun_AWatchThatIsCompactedUnderItBeginsAgainAndMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		under := memory.New(memory.Settings{})
		var outage atomic.Bool
		kv := coordination.NewFault(under, func(op coordination.Op, _ string) coordination.Decision {
			if outage.Load() && (op == coordination.OpWatch || op == coordination.OpUpdate || op == coordination.OpList) {
				return coordination.Decision{Fail: coordination.FailBefore}
			}
			return coordination.Decision{}
		}, pause.For)
		h := newHolder(kv)
		put(t, under, h.Prefix+"a", "1")
		h.follow(t)
		<-h.Loaded()
		put(t, under, h.Prefix+"b", "2")
		synctest.Wait()
		if got := h.has(); got != "a=1 b=2" {
			t.Fatalf("followed: %s", got)
		}
		outage.Store(true)
		put(t, under, h.Prefix+"a", "3") // ends the watch
		if _, err := under.Commit(t.Context(), nil, []coordination.Change{coordination.DeleteKey(h.Prefix + "b")}); err != nil {
			t.Fatal(err)
		}
		if err := under.Compact(t.Context(), put(t, under, h.Prefix+"c", "4")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := h.has(); got != "a=1 b=2" {
			t.Errorf("without etcd the last view stays, and it is %s", got)
		}
		outage.Store(false)
		time.Sleep(2 * time.Second)
		at := put(t, under, h.Prefix+"d", "5")
		h.Seen(t.Context(), at)
		if got := h.has(); got != "a=3 c=4 d=5" {
			t.Errorf("after it: %s", got)
		}
	})
}

func TestSeen_WaitsNoLongerThanIsReasonable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(memory.New(memory.Settings{}))
		h.follow(t)
		began := time.Now()
		h.Seen(t.Context(), 1000)
		if time.Since(began) != seenWithin {
			t.Errorf("%v", time.Since(began))
		}
	})
}

func TestRefresh_ReadsAgainWhatIsTooOldAndAllPagesOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := memory.New(memory.Settings{})
		h := newHolder(kv, func(s *Settings) { s.Visits = true })
		for n := range 2*pageItems + 1 {
			put(t, kv, fmt.Sprintf("%s%05d", h.Prefix, n), "v")
		}
		refresh := func(want int) {
			t.Helper()
			if err := h.Refresh(t.Context(), time.Minute); err != nil || len(h.mu.values) != want {
				t.Errorf("%d, %v; want %d", len(h.mu.values), err, want)
			}
		}
		refresh(2*pageItems + 1)
		at := put(t, kv, h.Prefix+"more", "v")
		refresh(2*pageItems + 1)
		time.Sleep(time.Minute)
		refresh(2*pageItems + 2)
		put(t, kv, h.Prefix+"still more", "v")
		h.Seen(t.Context(), at) // nobody watches, so it reads
		if len(h.mu.values) != 2*pageItems+3 {
			t.Errorf("%d", len(h.mu.values))
		}
	})
}

func TestRepeat_SaysWhetherTheChangeMayHaveBeenMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := memory.New(memory.Settings{})
		h := newHolder(kv)
		if _, _, err := h.Read(t.Context()); !errors.Is(err, errNoCluster) {
			t.Errorf("without a cluster: %v", err)
		}
		put(t, kv, h.Keys.Format(), "one")
		_, era, err := h.Read(t.Context(), h.Prefix+"a")
		if err != nil {
			t.Fatal(err)
		}
		put(t, kv, h.Keys.Format(), "two")
		if res, err := kv.Commit(t.Context(), []coordination.Guard{era}, []coordination.Change{coordination.PutKey(h.Prefix+"a", nil)}); err != nil || res.Committed {
			t.Errorf("written in another era: %+v, %v", res, err)
		}
		for _, c := range []struct {
			what  string
			tries []error
			want  error
			count int
		}{
			{"others changed it each time", nil, errUnavailable, changeTries},
			{"etcd is away", []error{coordination.ErrUnavailable}, errUnavailable, changeTries},
			{"one answer was lost", []error{coordination.ErrUnknown, coordination.ErrUnavailable}, errUnknown, changeTries},
			{"no cluster", []error{errNoCluster}, errNoCluster, 1},
		} {
			n, unsureAtLast := 0, false
			err := h.Repeat(t.Context(), func(unsure bool) (bool, error) {
				n++
				unsureAtLast = unsure
				if len(c.tries) == 0 {
					return false, nil
				}
				return false, c.tries[min(n, len(c.tries))-1]
			})
			if !errors.Is(err, c.want) || n != c.count || unsureAtLast != errors.Is(c.want, errUnknown) {
				t.Errorf("%s: %v after %d tries, unsure %v", c.what, err, n, unsureAtLast)
			}
		}
	})
}
