package topic

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

var format = []byte(`{"version":1,"era":"test"}`)

// cluster is an Admin on a store in memory, with faults at will.
type cluster struct {
	*Admin
	kv   *faulty
	view *view
	keys coordination.Keys
	ids  byte
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	store := memory.New(memory.Settings{})
	c := &cluster{kv: &faulty{KV: store}, keys: coordination.NewKeys("test")}
	if _, err := store.Commit(t.Context(), nil, []coordination.Change{coordination.PutKey(c.keys.Format(), format)}); err != nil {
		t.Fatal(err)
	}
	c.view = &view{kv: store, keys: c.keys, format: format}
	c.Admin = New(c.kv, c.keys, c.view, c.draw, DefaultSettings())
	return c
}

func (c *cluster) draw() record.TopicID { c.ids++; return record.TopicID{c.ids} }

func (c *cluster) mustCreate(t *testing.T, name string) *ledger.Topic {
	t.Helper()
	made, err := c.Create(t.Context(), Spec{Name: name, Partitions: 3, ReplicationFactor: -1}, false)
	if err != nil {
		t.Fatalf("create %q: %v", name, err)
	}
	return made
}

// stored gives the topic as it stands in the store, nil for none.
func (c *cluster) stored(t *testing.T, name string) *ledger.Topic {
	t.Helper()
	for _, one := range c.view.AllTopics() {
		if one.Name == name {
			return one
		}
	}
	return nil
}

// view answers from the store itself, as a stream does that is never behind. It remembers how far it was asked to wait.
type view struct {
	kv       coordination.KV
	keys     coordination.Keys
	format   []byte
	waited   coordination.Revision
	barriers int
}

func (v *view) FormatValue() []byte { return v.format }

func (v *view) Barrier(context.Context) error { v.barriers++; return nil }

func (v *view) WaitRevision(_ context.Context, r coordination.Revision) error {
	v.waited = max(v.waited, r)
	return nil
}

func (v *view) AllTopics() (out []*ledger.Topic) {
	page, err := v.kv.List(context.Background(), coordination.Range{Prefix: v.keys.Topics()})
	if err != nil {
		panic(err)
	}
	for _, item := range page.Items {
		t, err := ledger.DecodeTopic(strings.TrimPrefix(item.Key, v.keys.Topics()), item.Value, item.Mod)
		if err != nil {
			panic(err)
		}
		out = append(out, t)
	}
	return out
}

func (v *view) TopicByID(id record.TopicID) (*ledger.Topic, bool) {
	for _, t := range v.AllTopics() {
		if t.ID == id {
			return t, true
		}
	}
	return nil, false
}

// fault is what happens to one Commit.
type fault struct {
	before  func() // runs first: what others do meanwhile
	err     error
	applied bool // err is the answer although the commit went through
}

// faulty takes the next fault for each Commit, while there are any.
type faulty struct {
	coordination.KV
	mu      sync.Mutex
	faults  []fault
	commits int
}

func (f *faulty) Commit(ctx context.Context, guards []coordination.Guard, changes []coordination.Change, orElse ...string) (coordination.Result, error) {
	f.mu.Lock()
	f.commits++
	var now fault
	if len(f.faults) > 0 {
		now, f.faults = f.faults[0], f.faults[1:]
	}
	f.mu.Unlock()
	if now.before != nil {
		now.before()
	}
	if now.err != nil && !now.applied {
		return coordination.Result{}, fmt.Errorf("commit: %w", now.err)
	}
	res, err := f.KV.Commit(ctx, guards, changes, orElse...)
	if now.err != nil {
		return coordination.Result{}, fmt.Errorf("commit: %w", now.err)
	}
	return res, err
}
