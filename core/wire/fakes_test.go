package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// fakeTopics is a stream that is never behind, unless hidden says so.
type fakeTopics struct {
	kv   *memory.KV
	keys coordination.Keys

	mu       sync.Mutex
	hidden   bool // until the next barrier nothing is seen
	barriers int
	failing  error
}

func (f *fakeTopics) ClusterID() string   { return "cluster" }
func (f *fakeTopics) FormatValue() []byte { return format }
func (f *fakeTopics) WaitRevision(context.Context, coordination.Revision) error {
	return nil
}

func (f *fakeTopics) Barrier(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.barriers++
	if f.failing == nil {
		f.hidden = false
	}
	return f.failing
}

func (f *fakeTopics) AllTopics() (out []*ledger.Topic) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hidden {
		return nil
	}
	page, err := f.kv.List(context.Background(), coordination.Range{Prefix: f.keys.Topics()})
	if err != nil {
		panic(err)
	}
	for _, item := range page.Items {
		t, err := ledger.DecodeTopic(strings.TrimPrefix(item.Key, f.keys.Topics()), item.Value, item.Mod)
		if err != nil {
			panic(err)
		}
		out = append(out, t)
	}
	return out
}

func (f *fakeTopics) TopicByName(name string) (*ledger.Topic, bool) {
	for _, t := range f.AllTopics() {
		if t.Name == name {
			return t, true
		}
	}
	return nil, false
}

func (f *fakeTopics) TopicByID(id record.TopicID) (*ledger.Topic, bool) {
	for _, t := range f.AllTopics() {
		if t.ID == id {
			return t, true
		}
	}
	return nil, false
}

type fakeCluster struct {
	self int32
	mu   sync.Mutex
	live []instance.Info
}

func (f *fakeCluster) Live() []instance.Info { return instance.Serving(f.Everyone()) }

func (f *fakeCluster) Everyone() []instance.Info {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.live
}

func (f *fakeCluster) Self() int32 { return f.self }

// set says who lives from now on: also while requests are served, which no network orders.
func (f *fakeCluster) set(live ...instance.Info) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = live
}

type fakeProducers struct {
	mu   sync.Mutex
	next record.ProducerID
}

func (f *fakeProducers) NextProducerID(context.Context) (record.ProducerID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	return f.next + 999, nil
}

// fakeLogs appends, reads and deletes records in memory.
type fakeLogs struct {
	mu      sync.Mutex
	logs    map[record.TopicPartition]*fakeLog
	news    chan struct{}
	adds    [][]ingest.Incoming
	outcome func(ingest.Incoming) *ingest.Outcome // nil: append
	gate    chan struct{}                         // Wait returns when it is closed
	reads   []fetch.Request
	looking func() // called by Bounds
}

type fakeLog struct {
	start, next record.Offset
	batches     [][]byte
}

func newFakeLogs() *fakeLogs {
	return &fakeLogs{logs: map[record.TopicPartition]*fakeLog{}, news: make(chan struct{})}
}

func (f *fakeLogs) log(tp record.TopicPartition) *fakeLog {
	if f.logs[tp] == nil {
		f.logs[tp] = &fakeLog{}
	}
	return f.logs[tp]
}

type fakePending struct {
	outcomes []ingest.Outcome
	gate     chan struct{}
}

func (p *fakePending) Wait(ctx context.Context) []ingest.Outcome {
	if p.gate != nil {
		select {
		case <-p.gate:
		case <-ctx.Done():
			for i := range p.outcomes {
				p.outcomes[i] = ingest.Outcome{Err: ingest.ErrUnknown, Base: -1, AppendTime: -1, LogStart: -1}
			}
		}
	}
	return p.outcomes
}

func (f *fakeLogs) add(_ context.Context, in []ingest.Incoming) waiter {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.adds = append(f.adds, in)
	p := &fakePending{gate: f.gate}
	for _, one := range in {
		if f.outcome != nil {
			if out := f.outcome(one); out != nil {
				p.outcomes = append(p.outcomes, *out)
				continue
			}
		}
		p.outcomes = append(p.outcomes, f.append(one))
	}
	close(f.news)
	f.news = make(chan struct{})
	return p
}

func (f *fakeLogs) append(in ingest.Incoming) ingest.Outcome {
	l := f.log(in.Partition)
	b := bytes.Clone(in.Batch)
	if len(b) < 61 {
		return ingest.Outcome{Err: record.ErrCorrupt, Base: -1}
	}
	base := l.next
	binary.BigEndian.PutUint64(b, uint64(base))
	binary.BigEndian.PutUint32(b[12:], 0)
	l.next += record.Offset(binary.BigEndian.Uint32(b[23:])) + 1
	l.batches = append(l.batches, b)
	return ingest.Outcome{Base: base, AppendTime: -1, LogStart: l.start}
}

func (f *fakeLogs) added() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.adds)
}

func (f *fakeLogs) polls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.reads)
}

func (f *fakeLogs) Fetch(ctx context.Context, r fetch.Request) []fetch.Result {
	f.mu.Lock()
	f.reads = append(f.reads, r)
	f.mu.Unlock()
	over := time.After(r.WaitMax)
	for {
		f.mu.Lock()
		news := f.news
		results, size, failed := f.readAll(r)
		f.mu.Unlock()
		if size >= max(r.BytesMin, 1) || failed || r.WaitMax == 0 {
			return results
		}
		select {
		case <-news:
		case <-over:
			return results
		case <-ctx.Done():
			return results
		}
	}
}

func (f *fakeLogs) readAll(r fetch.Request) (out []fetch.Result, size int, failed bool) {
	for _, p := range r.Partitions {
		l := f.log(p.TopicPartition)
		res := fetch.Result{TopicPartition: p.TopicPartition, HighWatermark: l.next, LastStable: l.next, LogStart: l.start}
		if p.Offset < l.start || p.Offset > l.next {
			res.Err, failed = fetch.ErrOutOfRange, true
		}
		for _, b := range l.batches {
			last := record.Offset(binary.BigEndian.Uint64(b)) + record.Offset(binary.BigEndian.Uint32(b[23:]))
			if res.Err == nil && last >= p.Offset {
				res.Batches = append(res.Batches, b...)
			}
		}
		size += len(res.Batches)
		out = append(out, res)
	}
	return out, size, failed
}

func (f *fakeLogs) Bounds(_ context.Context, tp record.TopicPartition) (fetch.Bounds, error) {
	if f.looking != nil {
		f.looking()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.log(tp)
	return fetch.Bounds{LogStart: l.start, HighWatermark: l.next, LastStable: max(l.next-1, l.start)}, nil
}

func (f *fakeLogs) AtTime(_ context.Context, _ record.TopicPartition, ms int64, _ bool) (fetch.Found, error) {
	if ms > 1000 {
		return fetch.Found{Offset: -1, Timestamp: -1}, nil
	}
	return fetch.Found{Offset: record.Offset(ms), Timestamp: ms + 5}, nil
}

func (f *fakeLogs) MaxTimestamp(context.Context, record.TopicPartition) (fetch.Found, error) {
	return fetch.Found{Offset: 77, Timestamp: 1234}, nil
}

func (f *fakeLogs) DeleteRecords(_ context.Context, tp record.TopicPartition, before record.Offset) (record.Offset, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.log(tp)
	if before > l.next {
		return 0, fetch.ErrOutOfRange
	}
	if before == -1 {
		before = l.next
	}
	l.start = max(l.start, before)
	return l.start, nil
}

// Bytes fails where the log's start is below zero.
func (f *fakeLogs) Bytes(tp record.TopicPartition) (n int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.log(tp)
	if l.start < 0 {
		return 0, fetch.ErrUnavailable
	}
	for _, b := range l.batches {
		n += int64(len(b))
	}
	return n, nil
}

func (f *fakeLogs) Producers(tp record.TopicPartition) (out []fetch.Producer, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.log(tp).batches {
		id := record.ProducerID(binary.BigEndian.Uint64(b[43:]))
		out = append(out, fetch.Producer{ID: id, Epoch: 3, Last: int32(binary.BigEndian.Uint32(b[23:])), Open: -1})
	}
	return out, nil
}

// lockedBuffer takes the log of many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
