package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/core/txn"
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
	groups  *group.Coordinator
}

func newBench(t testing.TB, change ...func(*Settings)) *bench {
	t.Helper()
	kv := memory.New(memory.Settings{})
	keys := coordination.NewKeys("test")
	if _, err := kv.Commit(context.Background(), nil, []coordination.Change{coordination.PutKey(keys.Format(), format), coordination.PutKey(keys.Floor(), coordination.Mark(0).Bytes())}); err != nil {
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
		Topics: b.topics, Reader: b.logs, Inspector: b.logs, Cluster: b.cluster, Producers: &fakeProducers{}, Records: b.logs, Admin: b.admin, Groups: b.coordinator(kv, keys),
		Transactions: txn.New(txn.Settings{
			KV: kv, Keys: keys, View: txnView{b.topics}, Offsets: b.groups, Cluster: b.cluster, Producers: txn.NewProducerIDs(kv, keys, b.topics), Log: slog.New(slog.DiscardHandler),
			TimeoutMax: time.Minute, IDRetention: time.Hour,
		}),
		Shown: Shown{GroupLimits: group.DefaultLimits(), OffsetsRetention: 48 * time.Hour, ProducerExpiry: time.Hour},
	}, slog.New(slog.NewTextHandler(b.logged, nil)))
	b.Server.add = b.logs.add
	return b
}

// txnView is what transactions see of a log in which nothing happens.
type txnView struct{ *fakeTopics }

func (txnView) NewID() (ulid.ULID, error)          { return ulid.Make(), nil }
func (txnView) View(fn func(*ledger.Ledger)) error { fn(&ledger.Ledger{}); return nil }
func (txnView) Life() int64                        { return 1 }

// coordinator knows groups on the same fakes. It does not run: nothing is due by time.
func (b *bench) coordinator(kv coordination.KV, keys coordination.Keys) *group.Coordinator {
	limits := group.DefaultLimits()
	limits.InitialDelay = 0
	n := 0
	b.groups = group.New(group.Settings{
		KV: kv, Keys: keys, View: b.topics, Cluster: b.cluster, Now: time.Now, Log: slog.New(slog.DiscardHandler), Limits: limits,
		NewID: func() string { n++; return strconv.Itoa(n) }, OffsetsRetention: time.Hour,
	})
	return b.groups
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
