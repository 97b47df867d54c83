package quota

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/pause"
)

// Quotas is the live view of all quotas, what has been used of them, and what changes them. Without etcd the last view stays; before the first
// one there are no limits. A nil one has none.
type Quotas struct {
	Settings
	// limits is nil while there are no quotas: then a request costs this one load.
	limits  atomic.Pointer[[kinds]*limits]
	buckets *buckets
	loaded  chan struct{}
	mu      struct {
		sync.Mutex
		byID  map[string]Quota
		at    coordination.Revision
		known bool
		moved chan struct{}
	}
}

// Settings are what Quotas works on.
type Settings struct {
	KV   coordination.KV
	Keys coordination.Keys
	Now  func() time.Time
	Log  *slog.Logger
	// Max is how many entities may have quotas; 0: MaxUsual.
	Max int
	// TrackedMax is of how many users, client ids and addresses what they used is kept; 0: TrackedMax.
	TrackedMax int
}

// MaxUsual keeps all quotas together at some megabytes.
const MaxUsual = 10_000

const (
	pageItems = 1000
	// seenWithin is how long whoever changed something waits until it counts here.
	seenWithin = 5 * time.Second
	// waitMost is the longest that anybody is told to wait; what is left of their debt counts after it.
	waitMost = 10 * time.Minute
	// requestWaitMost is for time spent on requests, as in Kafka: who waits may be a member of a group.
	requestWaitMost = time.Second
)

// New makes Quotas; it starts nothing.
func New(s Settings) *Quotas {
	if s.Max == 0 {
		s.Max = MaxUsual
	}
	if s.TrackedMax == 0 {
		s.TrackedMax = TrackedMax
	}
	q := &Quotas{Settings: s, buckets: newBuckets(s.TrackedMax), loaded: make(chan struct{})}
	q.mu.byID, q.mu.moved = map[string]Quota{}, make(chan struct{})
	return q
}

// On says whether anything is limited at all.
func (q *Quotas) On() bool { return q != nil && q.limits.Load() != nil }

func (q *Quotas) of(kind Kind) *limits {
	if q == nil {
		return nil
	}
	all := q.limits.Load()
	if all == nil {
		return nil
	}
	return all[kind]
}

// Take notes that a client has used n, and gives how long it has to wait for that; 0: it has no limit, or has not reached it.
// With n = 0 it only asks.
func (q *Quotas) Take(kind Kind, user, client string, n float64) time.Duration {
	l := q.of(kind)
	if l == nil {
		return 0
	}
	rate, from, who, ok := l.of(user, client)
	if !ok {
		return 0
	}
	wait := q.buckets.take(q.Now(), kind, rate, from, who, n, false)
	if kind == Request {
		wait = min(wait, requestWaitMost)
	}
	return wait
}

// Spent is Take of time spent on a request.
func (q *Quotas) Spent(user, client string, busy time.Duration) time.Duration {
	return q.Take(Request, user, client, 100*busy.Seconds())
}

// Limit is what a client may use in a second; 0: as much as it likes.
func (q *Quotas) Limit(kind Kind, user, client string) float64 {
	l := q.of(kind)
	if l == nil {
		return 0
	}
	rate, _, _, _ := l.of(user, client)
	return rate
}

// Connect notes a connection from an address. Where it may have no more now it gives how long until it may, and nothing is noted.
func (q *Quotas) Connect(ip string) time.Duration {
	l := q.of(Connection)
	if l == nil {
		return 0
	}
	rate, from, who, ok := l.ofAddress(ip)
	if !ok {
		return 0
	}
	return q.buckets.take(q.Now(), Connection, rate, from, who, 1, true)
}

// Loaded is closed once there is a view.
func (q *Quotas) Loaded() <-chan struct{} { return q.loaded }

// Run follows etcd until ctx ends.
func (q *Quotas) Run(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		at, err := q.load(ctx)
		if err == nil {
			attempt = 0
			err = q.follow(ctx, at)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		q.Log.Warn("reading quotas again", "cause", err)
		if err := pause.For(ctx, pause.Backoff(attempt, 50*time.Millisecond, time.Second)); err != nil {
			return err
		}
	}
}

// readAll reads all keys at one revision.
func (q *Quotas) readAll(ctx context.Context) (items []coordination.Item, at coordination.Revision, err error) {
	r := coordination.Range{Prefix: q.Keys.Quotas(), Limit: pageItems}
	for {
		page, err := q.KV.List(ctx, r)
		if err != nil {
			return nil, 0, fmt.Errorf("read quotas: %w", err)
		}
		items = append(items, page.Items...)
		if !page.More {
			return items, page.Revision, nil
		}
		r.At, r.After = page.Revision, page.Items[len(page.Items)-1].Key
	}
}

func (q *Quotas) load(ctx context.Context) (coordination.Revision, error) {
	items, at, err := q.readAll(ctx)
	if err != nil {
		return 0, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.byID = map[string]Quota{}
	for _, it := range items {
		q.put(it.Key, it.Value)
	}
	q.mu.at = at
	q.news()
	if !q.mu.known {
		q.mu.known = true
		close(q.loaded)
	}
	return at, nil
}

func (q *Quotas) follow(ctx context.Context, at coordination.Revision) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := q.KV.Watch(ctx, q.Keys.Quotas(), at+1)
	if err != nil {
		return fmt.Errorf("watch quotas: %w", err)
	}
	for update := range w.Updates() {
		if update.Err != nil {
			return fmt.Errorf("watch quotas: %w", update.Err)
		}
		q.mu.Lock()
		for _, e := range update.Events {
			q.put(e.Key, e.Value)
		}
		q.mu.at = max(q.mu.at, update.Revision)
		q.news()
		q.mu.Unlock()
	}
	return fmt.Errorf("watch quotas: %w", coordination.ErrUnavailable)
}

// news makes the limits that count, and tells who waits for them; it needs the lock.
func (q *Quotas) news() {
	q.limits.Store(newLimits(q.mu.byID))
	close(q.mu.moved)
	q.mu.moved = make(chan struct{})
}

// put notes one key, or that it is gone; it needs the lock. A quota that cannot be read limits nobody.
func (q *Quotas) put(key string, value []byte) {
	id, ok := q.Keys.ParseQuota(key)
	if !ok {
		return
	}
	delete(q.mu.byID, id)
	if value == nil {
		return
	}
	one, err := decode(value)
	if err != nil {
		q.Log.Error("a quota cannot be read, and limits nobody: delete its key or run a newer version of firnlog", "key", key, "error", err)
		return
	}
	q.mu.byID[id] = one
}

// seen waits until the view has come to a revision, for as long as is reasonable: others do not wait either.
func (q *Quotas) seen(ctx context.Context, at coordination.Revision) {
	ctx, cancel := context.WithTimeout(ctx, seenWithin)
	defer cancel()
	for {
		q.mu.Lock()
		reached, moved := q.mu.at >= at, q.mu.moved
		q.mu.Unlock()
		if reached {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				q.Log.Warn("quotas were changed, but this instance has not heard of it yet")
			}
			return
		}
	}
}
