package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

var format = []byte("format")

// bench is a Server on fakes: topics in a store in memory, records in a slice.
type bench struct {
	*Server
	topics  *fakeTopics
	logs    *fakeLogs
	cluster *fakeCluster
	admin   *topic.Admin
	logged  *lockedBuffer
}

func newBench(t testing.TB, change ...func(*Settings)) *bench {
	t.Helper()
	kv := memory.New(memory.Settings{})
	keys := coordination.NewKeys("test")
	if _, err := kv.Commit(context.Background(), nil, []coordination.Change{coordination.PutKey(keys.Format(), format)}); err != nil {
		t.Fatal(err)
	}
	b := &bench{topics: &fakeTopics{kv: kv, keys: keys}, logs: newFakeLogs(), logged: &lockedBuffer{}}
	b.cluster = &fakeCluster{self: 1, live: []instance.Info{node(1, ""), node(2, ""), node(3, "")}}
	var n byte
	b.admin = topic.New(kv, keys, b.topics, func() record.TopicID { n++; return record.TopicID{0: 'i', 1: 'd', 15: n} }, topic.DefaultSettings())
	settings := DefaultSettings()
	for _, f := range change {
		f(&settings)
	}
	b.Server = New(settings, Backend{
		Topics: b.topics, Reader: b.logs, Cluster: b.cluster, Producers: &fakeProducers{}, Records: b.logs, Admin: b.admin,
	}, slog.New(slog.NewTextHandler(b.logged, nil)))
	b.Server.add = b.logs.add
	return b
}

func node(id int32, zone string) instance.Info {
	return instance.Info{Node: id, Zone: zone, Endpoints: []instance.Endpoint{
		{Host: "internal", Port: 9000 + id}, {Listener: "outside", Host: "example.test", Port: 19000 + id},
	}}
}

func (b *bench) topic(t testing.TB, name string, partitions int32, configs ...string) *ledger.Topic {
	t.Helper()
	spec := topic.Spec{Name: name, Partitions: partitions, ReplicationFactor: 3, Configs: map[string]string{}}
	for i := 0; i < len(configs); i += 2 {
		spec.Configs[configs[i]] = configs[i+1]
	}
	made, err := b.admin.Create(context.Background(), spec, false)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// client is one connection, on a pipe.
type client struct {
	t    testing.TB
	nc   net.Conn
	corr int32
	id   *string
}

func (b *bench) dial(t testing.TB) *client { return b.dialOn(t, "") }

func (b *bench) dialOn(t testing.TB, listener string) *client {
	t.Helper()
	ours, theirs := net.Pipe()
	if !b.start(theirs, listener) {
		t.Fatal("connection refused")
	}
	t.Cleanup(func() { ours.Close() })
	return &client{t: t, nc: ours, id: kmsg.StringPtr("test")}
}

func frameOf(req kmsg.Request, corr int32, id *string) []byte {
	f := kmsg.NewRequestFormatter()
	if id != nil {
		f = kmsg.NewRequestFormatter(kmsg.FormatterClientID(*id))
	}
	return f.AppendRequest(nil, req, corr)
}

// send gives the correlation id.
func (c *client) send(req kmsg.Request) int32 {
	c.t.Helper()
	c.corr++
	c.write(frameOf(req, c.corr, c.id))
	return c.corr
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.nc.Write(b); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// receive reads a response to req, with its correlation id.
func (c *client) receive(req kmsg.Request) (int32, kmsg.Response) {
	c.t.Helper()
	body, err := c.frame()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	corr := int32(binary.BigEndian.Uint32(body))
	resp := req.ResponseKind()
	body = body[4:]
	if resp.IsFlexible() && req.Key() != kmsg.ApiVersions.Int16() {
		if body[0] != 0 {
			c.t.Fatal("tags in a response header")
		}
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		c.t.Fatalf("decode: %v", err)
	}
	return corr, resp
}

func (c *client) frame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.nc, head[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(c.nc, body)
	return body, err
}

func (c *client) call(req kmsg.Request) kmsg.Response {
	c.t.Helper()
	sent := c.send(req)
	corr, resp := c.receive(req)
	if corr != sent {
		c.t.Fatalf("correlation id %d, want %d", corr, sent)
	}
	return resp
}

// ask is call with the type of the response.
func ask[R kmsg.Response](c *client, req kmsg.Request) R {
	c.t.Helper()
	resp, ok := c.call(req).(R)
	if !ok {
		c.t.Fatalf("response to %T", req)
	}
	return resp
}

// closed waits for the server to close, and fails if it answers.
func (c *client) closed() {
	c.t.Helper()
	c.nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := c.nc.Read(make([]byte, 1))
	if n > 0 || err == nil {
		c.t.Fatal("answered, want a closed connection")
	}
	if errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "timeout") {
		c.t.Fatal("neither answered nor closed")
	}
}

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
	live []instance.Info
}

func (f *fakeCluster) Live() []instance.Info { return f.live }
func (f *fakeCluster) Self() int32           { return f.self }

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

// batchOf makes a header of a batch with n records and a body of some bytes; the fakes look no further.
func batchOf(n, body int) []byte {
	b := make([]byte, 61+body)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	b[16] = 2
	binary.BigEndian.PutUint32(b[23:], uint32(n-1))
	binary.BigEndian.PutUint32(b[57:], uint32(n))
	return b
}

func produceOf(version int16, acks int16, name string, id record.TopicID, batches map[int32][]byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = version, acks, 5000
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = name, id
	for n := int32(0); n < 100; n++ {
		if b, ok := batches[n]; ok {
			p := kmsg.NewProduceRequestTopicPartition()
			p.Partition, p.Records = n, b
			t.Partitions = append(t.Partitions, p)
		}
	}
	req.Topics = append(req.Topics, t)
	return req
}
