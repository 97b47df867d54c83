package group

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

var format = []byte("format")

// hall is an etcd, topics, and coordinators that may not agree on who lives.
type hall struct {
	*testing.T
	store *memory.KV
	fault *coordination.Fault
	meter *coordination.Meter
	keys  coordination.Keys

	mu     sync.Mutex
	topics []*ledger.Topic
	decide func(coordination.Op, string) coordination.Decision
}

// AllTopics, FormatValue and Barrier make hall a View.
func (h *hall) AllTopics() []*ledger.Topic {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.topics)
}
func (h *hall) FormatValue() []byte           { return format }
func (h *hall) Barrier(context.Context) error { return nil }

// desk is one coordinator with what it believes.
type desk struct {
	*Coordinator
	mu   sync.Mutex
	self int32
	live []instance.Info
	skew time.Duration // of its clock
}

func (d *desk) Self() int32 { return d.self }
func (d *desk) Live() []instance.Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.live)
}

// sees sets who lives, as this coordinator believes.
func (d *desk) sees(nodes ...int32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.live = nil
	for _, n := range nodes {
		d.live = append(d.live, instance.Info{Node: n})
	}
}

func (d *desk) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().Add(d.skew)
}

// inHall runs a test in a bubble.
func inHall(t *testing.T, f func(h *hall)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(newHall(t))
	})
}

func newHall(t *testing.T) *hall {
	t.Helper()
	h := &hall{T: t, store: memory.New(memory.Settings{}), keys: coordination.NewKeys("c")}
	h.fault = coordination.NewFault(h.store, func(op coordination.Op, key string) coordination.Decision {
		h.mu.Lock()
		decide := h.decide
		h.mu.Unlock()
		if decide == nil {
			return coordination.Decision{}
		}
		return decide(op, key)
	}, func(ctx context.Context, d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	h.meter = coordination.NewMeter(h.fault, time.Now, nil)
	if _, err := h.store.Commit(t.Context(), nil, []coordination.Change{coordination.PutKey(h.keys.Format(), format)}); err != nil {
		t.Fatal(err)
	}
	h.topic("a", 1, 6)
	return h
}

func (h *hall) topic(name string, id byte, partitions int32) *ledger.Topic {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.topics = slices.DeleteFunc(slices.Clone(h.topics), func(t *ledger.Topic) bool { return t.Name == name })
	t := &ledger.Topic{Name: name, ID: record.TopicID{15: id}, Partitions: partitions}
	if partitions > 0 {
		h.topics = append(h.topics, t)
	}
	return t
}

// breaks sets what happens to requests; nil: nothing.
func (h *hall) breaks(decide func(coordination.Op, string) coordination.Decision) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.decide = decide
}

// desk starts a coordinator that believes that it lives alone.
func (h *hall) desk(node int32) *desk {
	d := h.idle(node)
	ctx, stop := context.WithCancel(h.Context())
	done := make(chan struct{})
	go func() {
		_ = d.Run(ctx)
		close(done)
	}()
	h.Cleanup(func() { stop(); <-done })
	return d
}

// idle makes one that does nothing by time.
func (h *hall) idle(node int32) *desk {
	d := &desk{self: node}
	d.sees(node)
	n := 0
	var mu sync.Mutex
	limits := DefaultLimits()
	limits.InitialDelay = 0
	d.Coordinator = New(Settings{
		KV: h.meter, Keys: h.keys, View: h, Cluster: d, Now: d.now, Log: slog.New(slog.DiscardHandler), Limits: limits, OffsetsRetention: time.Hour,
		NewID: func() string {
			mu.Lock()
			defer mu.Unlock()
			n++
			return fmt.Sprint(node, "-", n)
		},
	})
	return d
}

// member makes a stable classic group of one member.
func (h *hall) member(d *desk, group string) JoinResult {
	h.Helper()
	res := d.Join(h.Context(), group, joining(""))
	if res.Err != nil {
		h.Fatalf("join: %v", res.Err)
	}
	if s := d.Sync(h.Context(), group, SyncRequest{MemberID: res.MemberID, Generation: res.Generation}); s.Err != nil {
		h.Fatalf("sync: %v", s.Err)
	}
	return res
}

func (h *hall) commit(d *desk, group string, check CommitCheck, offset int64) error {
	return h.commitWith(h.Context(), d, group, check, offset)
}

func (h *hall) commitWith(ctx context.Context, d *desk, group string, check CommitCheck, offset int64) error {
	t := h.AllTopics()[0]
	return d.CommitOffsets(ctx, group, CommitRequest{check, []CommitTopic{{t.Name, t.ID, map[int32]Committed{0: {Offset: record.Offset(offset), LeaderEpoch: -1, Metadata: "m"}}}}})
}

// committed reads partition 0 of the first topic; -1: nothing.
func (h *hall) committed(d *desk, group string) record.Offset {
	h.Helper()
	got, err := d.FetchOffsets(h.Context(), group, FetchRequest{Epoch: -1})
	if err != nil {
		h.Fatalf("fetch offsets: %v", err)
	}
	if len(got) == 0 {
		return -1
	}
	return got[0].Partitions[0].Offset
}

func of(r JoinResult) CommitCheck { return CommitCheck{MemberID: r.MemberID, Generation: r.Generation} }
