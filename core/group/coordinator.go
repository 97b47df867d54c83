package group

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
)

// View is what a Coordinator needs of the log.
type View interface {
	AllTopics() []*ledger.Topic
	// FormatValue is the value of log/format, nil before the log was read.
	FormatValue() []byte
	// Barrier returns once the view includes everything acknowledged before the call.
	Barrier(ctx context.Context) error
}

// Cluster is who lives.
type Cluster interface {
	Live() []instance.Info
	Self() int32
}

// Settings of a Coordinator.
type Settings struct {
	KV      coordination.KV
	Keys    coordination.Keys
	View    View
	Cluster Cluster
	Now     func() time.Time
	NewID   func() string // random, never given before: part of member ids
	Log     *slog.Logger
	Limits  Limits
	// OffsetsRetention is how long the offsets of a group without members are kept.
	OffsetsRetention time.Duration
}

// Coordinator coordinates the groups that this instance is preferred for. Run must be running: it does what
// is due by time.
type Coordinator struct {
	Settings
	mu struct {
		sync.Mutex
		groups    map[string]*cell
		farewells map[farewell]time.Time              // of members that left when it could not be stored: until when it is repeated
		cold      map[string]map[string]*topicOffsets // of groups that are not in memory, by group and topic; replaced, never changed
		catalog   *Catalog
		// catalogAt is when the catalog was compared with the view.
		catalogAt time.Time
		wakeAt    time.Time // when Run looks again; zero: it does not sleep now
	}
	wake   chan struct{}
	expire string // the last group that ExpireOffsets looked at; used by one at a time
}

// New makes a Coordinator.
func New(s Settings) *Coordinator {
	c := &Coordinator{Settings: s, wake: make(chan struct{}, 1)}
	c.mu.groups, c.mu.farewells = map[string]*cell{}, map[farewell]time.Time{}
	c.mu.catalog = NewCatalog(nil)
	return c
}

// ioTimeout bounds one step's requests to etcd.
const ioTimeout = 5 * time.Second

// io is a context for what must not end with the client that happened to cause it.
func (c *Coordinator) io(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), ioTimeout)
}

// Find gives the instance that coordinates a group (or whatever else has a name).
func (c *Coordinator) Find(name string) (instance.Info, error) {
	if c.Cluster.Self() == instance.AnyNode {
		return instance.Info{}, ErrUnavailable
	}
	in, ok := instance.PreferredFor(c.Cluster.Live(), name)
	if !ok {
		return in, ErrUnavailable
	}
	return in, nil
}

// mine says whether this instance is the preferred one for a group.
func (c *Coordinator) mine(name string) error {
	if name == "" {
		return ErrInvalidGroup
	}
	in, err := c.Find(name)
	if err == nil && in.Node != c.Cluster.Self() {
		err = ErrNotCoordinator
	}
	return err
}

// catalogAge is how old the topics may be that a step works with: to list them for every heartbeat would cost more
// than the heartbeat.
const catalogAge = 100 * time.Millisecond

// recent gives the catalog as it was up to catalogAge ago.
func (c *Coordinator) recent() (*Catalog, error) {
	c.mu.Lock()
	catalog, age := c.mu.catalog, c.Now().Sub(c.mu.catalogAt)
	c.mu.Unlock()
	if age >= 0 && age < catalogAge {
		return catalog, nil
	}
	return c.topics()
}

// topics gives the catalog of now: the same one until a topic changes.
func (c *Coordinator) topics() (*Catalog, error) {
	all := c.View.AllTopics()
	if c.View.FormatValue() == nil { // the log is not read: no topics does not mean that there are none
		return nil, fmt.Errorf("%w: the log has not been read yet", ErrUnavailable)
	}
	list := make([]Topic, len(all))
	for i, t := range all {
		list[i] = Topic{Name: t.Name, ID: t.ID, Partitions: t.Partitions}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.mu.catalog.is(list) {
		c.mu.catalog = NewCatalog(list)
	}
	c.mu.catalogAt = c.Now()
	return c.mu.catalog, nil
}

// step runs fn alone with a group, stores what it changed, and lets its replies go. The results of fn count only
// if step returns nil.
func (c *Coordinator) step(ctx context.Context, name string, fn func(g *cell, now time.Time, topics *Catalog)) error {
	topics, err := c.recent()
	if err != nil {
		return err
	}
	g, err := c.enter(ctx, name)
	if err != nil {
		return err
	}
	fn(g, c.Now(), topics)
	return c.leave(ctx, g)
}

// Join takes a JoinGroup. It waits until the group has a generation, or ctx ends.
func (c *Coordinator) Join(ctx context.Context, name string, r JoinRequest) JoinResult {
	if r.NewID == "" {
		r.NewID = c.newID(r.Instance, r.Client)
	}
	reply, err := c.park(ctx, name, func(g *cell, now time.Time, t Ticket, topics *Catalog) { g.machine.Join(now, t, r, topics) })
	if err != nil {
		return JoinResult{Err: err, MemberID: r.MemberID, Generation: -1}
	}
	return *reply.Join
}

// newID makes a member id that a person can read something from.
func (c *Coordinator) newID(instance, client string) string {
	if instance != "" {
		client = instance
	}
	return client + "-" + c.NewID()
}

// Sync takes a SyncGroup. It waits until the leader has assigned, or ctx ends.
func (c *Coordinator) Sync(ctx context.Context, name string, r SyncRequest) SyncResult {
	reply, err := c.park(ctx, name, func(g *cell, now time.Time, t Ticket, topics *Catalog) { g.machine.Sync(now, t, r, topics) })
	if err != nil {
		return SyncResult{Err: err}
	}
	return *reply.Sync
}

// park runs a step whose reply may come later, and waits for it without the turn.
func (c *Coordinator) park(ctx context.Context, name string, fn func(*cell, time.Time, Ticket, *Catalog)) (Reply, error) {
	var g *cell
	var t Ticket
	var ch chan Reply
	err := c.step(ctx, name, func(in *cell, now time.Time, topics *Catalog) {
		g = in
		t, ch = g.ticket()
		fn(g, now, t, topics)
	})
	if err != nil {
		return Reply{}, err
	}
	select {
	case reply, ok := <-ch:
		if !ok {
			return Reply{}, ErrNotCoordinator
		}
		return reply, nil
	case <-ctx.Done():
		c.abandon(ctx, g, t)
		return Reply{}, ErrAbandoned
	}
}

// abandon takes a parked request back.
func (c *Coordinator) abandon(ctx context.Context, g *cell, t Ticket) {
	ctx, cancel := c.io(ctx)
	defer cancel()
	if !g.take(ctx) {
		return // its reply goes nowhere; the member's session is not affected for longer than that
	}
	if g.dead {
		g.give()
		return
	}
	g.machine.Abandon(c.Now(), t)
	delete(g.waiting, t)
	_ = c.leave(ctx, g) // the others are told by it
}

// Heartbeat takes a Heartbeat of the classic protocol.
func (c *Coordinator) Heartbeat(ctx context.Context, name string, r HeartbeatRequest) error {
	var out error
	err := c.step(ctx, name, func(g *cell, now time.Time, _ *Catalog) { out = g.machine.Heartbeat(now, r) })
	return first(err, out)
}

// Leave takes members out; the error of each is in the order of members.
func (c *Coordinator) Leave(ctx context.Context, name string, members []LeaveRequest) ([]error, error) {
	var out []error
	err := c.step(ctx, name, func(g *cell, now time.Time, topics *Catalog) { out = g.machine.Leave(now, members, topics) })
	return out, err
}

// ConsumerHeartbeat takes a ConsumerGroupHeartbeat.
func (c *Coordinator) ConsumerHeartbeat(ctx context.Context, name string, r ConsumerRequest) (ConsumerResult, error) {
	if r.NewID == "" {
		r.NewID = c.NewID()
	}
	if r.Epoch == 0 {
		c.lookFor(ctx, r.Names)
	}
	var res ConsumerResult
	var out error
	err := c.step(ctx, name, func(g *cell, now time.Time, topics *Catalog) { res, out = g.machine.ConsumerHeartbeat(now, r, topics) })
	err = first(err, out)
	c.noteFarewell(name, &r, err)
	return res, err
}

// lookFor makes sure that topics that were just made are known where a member joins: it would have to wait for its next heartbeat
// otherwise. What goes wrong here shows later.
func (c *Coordinator) lookFor(ctx context.Context, names []string) {
	topics, err := c.topics()
	if err != nil {
		return
	}
	for _, name := range names {
		if _, ok := topics.name(name); !ok {
			if c.View.Barrier(ctx) == nil {
				_, _ = c.topics()
			}
			return
		}
	}
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// is says that a catalog holds just these topics, which come by name.
func (c *Catalog) is(list []Topic) bool {
	if len(list) != len(c.topics) {
		return false
	}
	for i, t := range list {
		if c.topics[i] != t {
			return false
		}
	}
	return true
}
