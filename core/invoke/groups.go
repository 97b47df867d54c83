package invoke

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/group/relay"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/stream"
)

// Groups are consumer groups as an invocation reaches them. A step of a coordinator goes this way:
//
//  1. One read: the group, its seats, who lives.
//  2. Where an instance lives, the one that is preferred for the group is asked, by the Kafka request that a client would send. It
//     holds the sessions of members that nothing else speaks for.
//  3. It cannot be reached, or says for longer than patience that it does not coordinate the group; or none lives: the
//     invocation takes the step (group.Visitor).
//
// A request that was sent and not answered may have happened; the step here is then the repetition that heartbeats and commits may
// have. An instance that lives but is not reached takes its role back with its next heartbeat: that costs both sides some
// reads, and nothing else.
//
// Connections last as long as the invocation: over a freeze their other end may be gone without a word.
type Groups struct {
	*group.Visitor
	relay *relay.Relay
	e     *Environment
}

const (
	askTime     = 2 * time.Second // for one answer of a coordinator
	askPatience = 3 * time.Second // for one that is just changing
	askPauseMin = 50 * time.Millisecond
	askPauseMax = 500 * time.Millisecond
)

func newGroups(e *Environment, keys coordination.Keys) *Groups {
	g := &Groups{e: e}
	g.Visitor = group.NewVisitor(group.Settings{
		KV: e.KV, Keys: keys, View: e.Stream, Cluster: nobody{}, Now: e.Now, NewID: e.NewID, Log: e.Log, Limits: group.DefaultLimits(),
	}, e.know)
	g.relay = relay.New(relay.Settings{Dial: e.Dial, Peers: auth.CallerOf(e.KV, keys, e.Now)})
	return g
}

// nobody: no instance lives in a function.
type nobody struct{}

func (nobody) Live() []instance.Info { return nil }
func (nobody) Self() int32           { return instance.AnyNode }

// ConsumerHeartbeat is a member's heartbeat (KIP-848).
func (g *Groups) ConsumerHeartbeat(ctx context.Context, name string, r group.ConsumerRequest) (res group.ConsumerResult, err error) {
	if err := g.e.know(ctx, r.Names, r.Regex != nil && *r.Regex != ""); err != nil { // who is assigned a topic looks for it
		return res, fmt.Errorf("%w: %w", group.ErrUnavailable, err)
	}
	err = g.ask(ctx, name, r.MemberID, func(ctx context.Context, at instance.Info) (err error) {
		res, err = g.relay.HeartbeatAt(ctx, at, name, r)
		g.Spend()
		return err
	}, func(ctx context.Context) (err error) {
		res, err = g.Visitor.ConsumerHeartbeat(ctx, name, r)
		return err
	})
	return res, err
}

// CommitOffsets commits for a member, or (generation -1) for somebody.
func (g *Groups) CommitOffsets(ctx context.Context, name string, r group.CommitRequest) error {
	r.NewErrors = true
	return g.ask(ctx, name, r.MemberID, func(ctx context.Context, at instance.Info) error {
		return g.relay.CommitAt(ctx, at, name, r)
	}, func(ctx context.Context) error {
		return g.Visitor.CommitOffsets(ctx, name, r)
	})
}

// ask takes a step to the coordinator that lives, or takes it here.
func (g *Groups) ask(ctx context.Context, name, member string, there func(context.Context, instance.Info) error, here func(context.Context) error) error {
	begin := g.e.Now()
	for try := 0; ; try++ {
		s, err := g.Sight(ctx, name, member)
		if err != nil {
			return err
		}
		at, lives := instance.PreferredFor(s.Live, name)
		if !lives || g.e.Dial == nil {
			return here(ctx)
		}
		limited, cancel := context.WithTimeout(ctx, askTime)
		err = there(limited, at)
		cancel()
		switch {
		case errors.Is(err, relay.ErrUnreached):
			g.e.Log.Info("the group's coordinator is not reached; the step is taken here", "group", name, "node", at.Node, "error", err)
			return here(ctx)
		case !errors.Is(err, group.ErrNotCoordinator) && !errors.Is(err, group.ErrUnavailable):
			return err
		case g.e.Now().Sub(begin) > askPatience:
			g.e.Log.Info("the group's coordinator takes no step; it is taken here", "group", name, "node", at.Node, "error", err)
			return here(ctx)
		}
		g.Spend()
		if pause.For(ctx, pause.Backoff(try, askPauseMin, askPauseMax)) != nil {
			return err
		}
	}
}

// end ends the invocation's part in groups.
func (g *Groups) end() {
	g.Forget()
	g.relay.CloseIdle()
}

// BeginGroup begins an invocation that is about a group, and about one of its members if that has a name. The group is read first,
// so that one more read brings what its members subscribe to, and what this one has.
func (e *Environment) BeginGroup(ctx context.Context, name, member string, need stream.Need) (context.Context, context.CancelFunc, error) {
	return e.begin(ctx, func(ctx context.Context) (stream.Need, error) {
		s, err := e.Groups.Look(ctx, name, member)
		if errors.Is(err, group.ErrInvalidGroup) {
			return need, nil // the step says so
		}
		if err != nil {
			return need, fmt.Errorf("%w: %w", stream.ErrNotReady, err)
		}
		names, all := s.Wants()
		need.Topics, need.AllTopics = append(need.Topics, names...), need.AllTopics || all
		need.Assigned = append(need.Assigned, s.Assigned()...)
		if s.Seat == nil {
			return need, nil
		}
		if state, err := consume.Decode(s.Seat.Value); err == nil {
			need.Topics = append(need.Topics, state.Names...)
			for _, p := range state.Places {
				need.Topics, need.Assigned = append(need.Topics, p.Topic), append(need.Assigned, p.Name())
			}
		}
		return need, nil
	})
}

// ask notes what the invocation has asked for.
func (e *Environment) ask(need stream.Need) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.asked, e.mu.askedAll = map[string]bool{}, need.AllTopics
	for _, name := range need.Topics {
		e.mu.asked[name] = true
	}
}

// know makes sure that topics are known, if they are there. What was asked for once in an invocation is not asked for again.
func (e *Environment) know(ctx context.Context, names []string, all bool) error {
	e.mu.Lock()
	ask := all && !e.mu.askedAll
	e.mu.askedAll = e.mu.askedAll || all
	var fresh []string
	for _, name := range names {
		if !e.mu.askedAll && !e.mu.asked[name] {
			e.mu.asked[name] = true
			fresh = append(fresh, name)
		}
	}
	e.mu.Unlock()
	if ask {
		e.Stream.WantAllTopics()
	}
	for _, name := range fresh {
		_, known := e.Stream.TopicByName(name) // the next read brings it if not
		ask = ask || !known
	}
	if !ask {
		return nil
	}
	return e.Stream.Barrier(ctx)
}
