// Package coretest starts instances of the core over one key-value store and one object store in memory,
// for the tests of the packages that an instance is made of.
//
// A Cluster is the world outside: etcd, the bucket, what goes wrong with them,
// and a record of every request. An Instance is stream, ingest, fetch and upkeep put together as
// core/broker does it, but without listeners, and with a clock that a test
// may set wrong. It is meant for testing/synctest bubbles, where time is fake.
//
// Owns: composition for tests, faults and transcripts. Does not own: any behaviour under test.
// Nothing but tests imports it.
package coretest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	kvmemory "github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
	storememory "github.com/firnlog/firnlog/objectstore/memory"
)

// Cluster is what instances share.
type Cluster struct {
	T     *testing.T
	Keys  coordination.Keys
	Etcd  *kvmemory.KV       // below all faults
	Disk  *storememory.Store // below all faults
	Start time.Time

	mu struct {
		sync.Mutex
		kv    func(who string, op coordination.Op, key string) coordination.Decision
		store func(who string, op objectstore.Op, key string) objectstore.Decision
		lines []string
		seed  uint64
	}
}

// NewCluster makes an empty world.
func NewCluster(t *testing.T) *Cluster {
	return &Cluster{T: t, Keys: coordination.NewKeys("test"), Etcd: kvmemory.New(kvmemory.Settings{}), Disk: storememory.New(), Start: time.Now()}
}

// FaultKV decides about every request of every instance from here on; nil: all pass.
func (c *Cluster) FaultKV(decide func(who string, op coordination.Op, key string) coordination.Decision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.kv = decide
}

// FaultStore decides about every request of every instance from here on; nil: all pass.
func (c *Cluster) FaultStore(decide func(who string, op objectstore.Op, key string) objectstore.Decision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.store = decide
}

func (c *Cluster) decideKV(who string, op coordination.Op, key string) coordination.Decision {
	c.mu.Lock()
	decide := c.mu.kv
	if op != coordination.OpUpdate {
		c.mu.lines = append(c.mu.lines, fmt.Sprintf("%s kv %s %s", who, op, c.short(key)))
	}
	c.mu.Unlock()
	if decide == nil {
		return coordination.Decision{}
	}
	return decide(who, op, key)
}

func (c *Cluster) decideStore(who string, op objectstore.Op, key string) objectstore.Decision {
	c.mu.Lock()
	decide := c.mu.store
	c.mu.lines = append(c.mu.lines, fmt.Sprintf("%s store %s %s", who, op, c.short(key)))
	c.mu.Unlock()
	if decide == nil {
		return objectstore.Decision{}
	}
	return decide(who, op, key)
}

// short leaves out what differs from run to run: the root, and ids.
func (c *Cluster) short(key string) string {
	key = strings.TrimPrefix(key, c.Keys.Root())
	dir, last, _ := cutLast(key)
	if len(last) == 26 {
		return dir + "<id>"
	}
	return key
}

func cutLast(key string) (dir, last string, ok bool) {
	i := strings.LastIndexByte(key, '/') + 1
	return key[:i], key[i:], i > 0
}

// Transcript gives the requests since it was last asked, one a line: who, where, what, which key.
func (c *Cluster) Transcript() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := c.mu.lines
	c.mu.lines = nil
	return lines
}

func (c *Cluster) entropy() io.Reader {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.seed++
	var seed [32]byte
	seed[0] = byte(c.mu.seed)
	return rand.NewChaCha8(seed)
}

// CreateTopic writes a topic as an admin would, with configs as pairs, and gives its id.
func (c *Cluster) CreateTopic(name string, partitions int32, configs ...string) record.TopicID {
	c.T.Helper()
	c.mu.Lock()
	c.mu.seed++
	id := record.TopicID{0: 0xaa, 1: byte(c.mu.seed >> 8), 2: byte(c.mu.seed), 15: 1}
	c.mu.Unlock()
	t := ledger.Topic{Name: name, ID: id, Partitions: partitions, ReplicationFactor: 1, Configs: map[string]string{}}
	for i := 0; i < len(configs); i += 2 {
		t.Configs[configs[i]] = configs[i+1]
	}
	c.Put(c.Keys.Topic(name), t.Encode())
	return id
}

// DeleteTopic is the one transaction that deletes a topic and its heads.
func (c *Cluster) DeleteTopic(name string, id record.TopicID) {
	c.T.Helper()
	c.commit(coordination.DeleteKey(c.Keys.Topic(name)), coordination.DeletePrefix(c.Keys.TopicHeads(id)))
}

// Put writes one key past all faults.
func (c *Cluster) Put(key string, value []byte) coordination.Revision {
	c.T.Helper()
	return c.commit(coordination.PutKey(key, value))
}

// Delete removes one key past all faults.
func (c *Cluster) Delete(key string) { c.T.Helper(); c.commit(coordination.DeleteKey(key)) }

func (c *Cluster) commit(changes ...coordination.Change) coordination.Revision {
	c.T.Helper()
	res, err := c.Etcd.Commit(context.Background(), nil, changes)
	if err != nil {
		c.T.Fatalf("change %q: %v", changes[0].Key, err)
	}
	return res.Revision
}

// Items lists what etcd holds below a prefix.
func (c *Cluster) Items(prefix string) []coordination.Item {
	c.T.Helper()
	page, err := c.Etcd.List(context.Background(), coordination.Range{Prefix: prefix})
	if err != nil {
		c.T.Fatalf("list %q: %v", prefix, err)
	}
	return page.Items
}

// Objects lists the segments in the bucket.
func (c *Cluster) Objects() (keys []string) {
	c.T.Helper()
	list, err := c.Disk.List(context.Background(), ledger.SegmentPrefix, "", 1000)
	if err != nil {
		c.T.Fatalf("list segments: %v", err)
	}
	for _, o := range list {
		keys = append(keys, o.Key)
	}
	return keys
}

// Mark reads stamp or floor.
func (c *Cluster) Mark(key string) coordination.Mark {
	c.T.Helper()
	snap, err := c.Etcd.Get(context.Background(), key)
	if err != nil {
		c.T.Fatalf("read %s: %v", key, err)
	}
	m, err := coordination.ParseMark(snap.Items[0].Value)
	if err != nil {
		c.T.Fatalf("read %s: %v", key, err)
	}
	return m
}

// Quiet is a log that nobody reads.
func Quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
