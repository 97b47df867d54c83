package quota

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/watched"
)

// Quotas is the live view of all quotas, what has been used of them, and what changes them.
//
// A process runs Run, which watches. A function, which cannot watch, calls Refresh. Without etcd the last view stays; before the first one there are no
// limits. A nil one has none.
type Quotas struct {
	Settings
	// limits is nil while there are no quotas: then a request costs this one load.
	limits  atomic.Pointer[[kinds]*limits]
	buckets *buckets
	view    *watched.View
	mu      struct {
		sync.Mutex
		byID map[string]Quota
	}
}

// Settings are what Quotas works on.
type Settings struct {
	KV   coordination.KV
	Keys coordination.Keys
	Now  func() time.Time
	Log  *slog.Logger
	// Visits: nobody runs Run; whoever changes something reads it again.
	Visits bool
	// Max is how many entities may have quotas; 0: MaxUsual.
	Max int
	// TrackedMax is of how many users, client ids and addresses what they used is kept; 0: TrackedMax.
	TrackedMax int
}

// MaxUsual keeps all quotas together at some megabytes.
const MaxUsual = 10_000

const (
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
	q := &Quotas{Settings: s, buckets: newBuckets(s.TrackedMax)}
	q.mu.byID = map[string]Quota{}
	q.view = watched.New(watched.Settings{
		KV: s.KV, Keys: s.Keys, Prefix: s.Keys.Quotas(), What: "quotas", Now: s.Now, Log: s.Log, Visits: s.Visits, Replace: q.replace, Apply: q.apply,
		Errors: watched.Errors{Unavailable: ErrUnavailable, Unknown: ErrUnknown, NoCluster: ErrNoCluster},
	})
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
func (q *Quotas) Loaded() <-chan struct{} { return q.view.Loaded() }

// Run follows etcd until ctx ends.
func (q *Quotas) Run(ctx context.Context) error { return q.view.Run(ctx) }

// Refresh reads all anew if the view is older than age.
func (q *Quotas) Refresh(ctx context.Context, age time.Duration) error {
	return q.view.Refresh(ctx, age)
}

func (q *Quotas) replace(items []coordination.Item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.byID = map[string]Quota{}
	for _, it := range items {
		q.put(it.Key, it.Value)
	}
	q.limits.Store(newLimits(q.mu.byID))
}

func (q *Quotas) apply(events []coordination.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range events {
		q.put(e.Key, e.Value)
	}
	q.limits.Store(newLimits(q.mu.byID))
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
