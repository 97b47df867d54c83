package coordination

import (
	"context"
	"sync/atomic"
	"time"
)

// Meter counts requests, and what watches deliver.
type Meter struct {
	kv      KV
	now     func() time.Time
	observe func(Observation)
	counts  [OpRevoke + 1]struct{ requests, errors atomic.Int64 }

	refused, changes, bytesOut, items, events atomic.Int64
}

// Observation is one finished request, or one Update received (which took no time).
type Observation struct {
	Op   Op
	Took time.Duration
	Err  error
	// Refused: a guard of this Commit did not hold.
	Refused bool
}

// Counts of one kind of request since the Meter was made. Requests include those that failed.
type Counts struct{ Requests, Errors int64 }

// MeterSnapshot is what a Meter has counted. Each number is exact; numbers of requests that
// end while it is taken may be in one and not yet in another.
type MeterSnapshot struct {
	Get, List, Read, Commit, Watch, Progress, Grant, Renew, Revoke Counts
	// Updates are those that watches delivered; Errors of them ended a watch.
	Updates Counts
	Events  int64 // in these updates
	Items   int64 // that Get, List, Read and orElse asked for or gave
	// Of Commits: those answered by a failed guard; changes of those that committed; and the
	// size of all, as CommitBytes.
	Refused, Changes, BytesOut int64
}

// NewMeter wraps kv. observe, when not nil, is called at the end of every request, on its
// goroutine: it must not block.
func NewMeter(kv KV, now func() time.Time, observe func(Observation)) *Meter {
	return &Meter{kv: kv, now: now, observe: observe}
}

// Snapshot gives the counts so far.
func (m *Meter) Snapshot() MeterSnapshot {
	read := func(op Op) Counts {
		return Counts{Requests: m.counts[op].requests.Load(), Errors: m.counts[op].errors.Load()}
	}
	return MeterSnapshot{
		Get: read(OpGet), List: read(OpList), Read: read(OpRead), Commit: read(OpCommit), Watch: read(OpWatch), Progress: read(OpProgress),
		Grant: read(OpGrant), Renew: read(OpRenew), Revoke: read(OpRevoke), Updates: read(OpUpdate),
		Events: m.events.Load(), Items: m.items.Load(),
		Refused: m.refused.Load(), Changes: m.changes.Load(), BytesOut: m.bytesOut.Load(),
	}
}

func (m *Meter) count(op Op, started time.Time, err error) {
	m.counted(Observation{Op: op, Took: m.now().Sub(started), Err: err})
}

func (m *Meter) counted(o Observation) {
	m.counts[o.Op].requests.Add(1)
	if o.Err != nil {
		m.counts[o.Op].errors.Add(1)
	}
	if m.observe != nil {
		m.observe(o)
	}
}

// Get is KV's, counted.
func (m *Meter) Get(ctx context.Context, keys ...string) (Snapshot, error) {
	started := m.now()
	snap, err := m.kv.Get(ctx, keys...)
	m.items.Add(int64(len(snap.Items)))
	m.count(OpGet, started, err)
	return snap, err
}

// List is KV's, counted.
func (m *Meter) List(ctx context.Context, r Range) (Page, error) {
	started := m.now()
	page, err := m.kv.List(ctx, r)
	m.items.Add(int64(len(page.Items)))
	m.count(OpList, started, err)
	return page, err
}

// Read is KV's, counted.
func (m *Meter) Read(ctx context.Context, ranges ...Range) ([]Page, error) {
	started := m.now()
	pages, err := m.kv.Read(ctx, ranges...)
	for i := range pages {
		m.items.Add(int64(len(pages[i].Items)))
	}
	m.count(OpRead, started, err)
	return pages, err
}

// Commit is KV's, counted.
func (m *Meter) Commit(ctx context.Context, guards []Guard, changes []Change, orElse ...string) (Result, error) {
	started := m.now()
	res, err := m.kv.Commit(ctx, guards, changes, orElse...)
	m.bytesOut.Add(int64(CommitBytes(guards, changes, orElse)))
	m.items.Add(int64(len(res.Else)))
	switch {
	case err != nil:
	case res.Committed:
		m.changes.Add(int64(len(changes)))
	default:
		m.refused.Add(1)
	}
	m.counted(Observation{Op: OpCommit, Took: m.now().Sub(started), Err: err, Refused: err == nil && !res.Committed})
	return res, err
}

// Watch is KV's; what it delivers is counted when it is received.
func (m *Meter) Watch(ctx context.Context, prefix string, from Revision) (Watcher, error) {
	started := m.now()
	inner, err := m.kv.Watch(ctx, prefix, from)
	m.count(OpWatch, started, err)
	if err != nil {
		return nil, err
	}
	w := &meteredWatcher{inner, m, make(chan Update)}
	go w.run(ctx)
	return w, nil
}

// Grant is KV's, counted.
func (m *Meter) Grant(ctx context.Context, ttl time.Duration) (Lease, error) {
	started := m.now()
	lease, err := m.kv.Grant(ctx, ttl)
	m.count(OpGrant, started, err)
	if err != nil {
		return nil, err
	}
	return meteredLease{lease, m}, nil
}

type meteredWatcher struct {
	Watcher
	meter   *Meter
	updates chan Update
}

func (w *meteredWatcher) run(ctx context.Context) {
	defer close(w.updates)
	for u := range w.Watcher.Updates() {
		select {
		case w.updates <- u:
			w.meter.events.Add(int64(len(u.Events)))
			w.meter.count(OpUpdate, w.meter.now(), u.Err)
		case <-ctx.Done():
			return
		}
	}
}

func (w *meteredWatcher) Updates() <-chan Update { return w.updates }

func (w *meteredWatcher) RequestProgress(ctx context.Context) error {
	started := w.meter.now()
	err := w.Watcher.RequestProgress(ctx)
	w.meter.count(OpProgress, started, err)
	return err
}

type meteredLease struct {
	Lease
	meter *Meter
}

func (l meteredLease) Renew(ctx context.Context) error {
	started := l.meter.now()
	err := l.Lease.Renew(ctx)
	l.meter.count(OpRenew, started, err)
	return err
}

func (l meteredLease) Revoke(ctx context.Context) error {
	started := l.meter.now()
	err := l.Lease.Revoke(ctx)
	l.meter.count(OpRevoke, started, err)
	return err
}
