package group

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/instance"
)

// visitor is what an invocation has.
func (h *hall) visitor() *Visitor {
	limits := DefaultLimits()
	nobody := &desk{self: instance.AnyNode}
	return NewVisitor(Settings{
		KV: h.meter, Keys: h.keys, View: h, Cluster: nobody, Now: time.Now, Log: h.idle(9).Log, Limits: limits, NewID: func() string { return "new" },
	}, func(context.Context, []string, bool) error { return nil })
}

// sits takes a seat and joins.
func (h *hall) sits(v *Visitor, member string, names ...string) ConsumerResult {
	h.Helper()
	if _, err := v.TakeSeat(h.Context(), "g", member, 2*time.Minute, plainSeat("x")); err != nil {
		h.Fatal(err)
	}
	return h.beats(v, member, 0, nil, names...)
}

func (h *hall) beats(v *Visitor, member string, epoch int32, owned Partitions, names ...string) ConsumerResult {
	h.Helper()
	res, err := v.ConsumerHeartbeat(h.Context(), "g", ConsumerRequest{MemberID: member, Epoch: epoch, RebalanceMs: 60_000, Names: names, Owned: owned})
	if err != nil {
		h.Fatalf("heartbeat of %s: %v", member, err)
	}
	return res
}

func (h *hall) state() *State {
	h.Helper()
	snap, err := h.store.Get(h.Context(), h.keys.Group("g"))
	if err != nil {
		h.Fatal(err)
	}
	s, err := decodeState(snap.Items[0].Value)
	if err != nil {
		h.Fatal(err)
	}
	return s
}

// A member over TCP keeps its partitions for a session after its broker is gone, by etcd's clock, and goes on with a broker that comes
// back; or is put out.
func TestVisit_WhoOnlyABrokerCouldHearHasASessionOfGrace(t *testing.T) {
	for _, back := range []bool{true, false} {
		inHall(t, func(h *hall) {
			d := h.desk(1)
			tcp, err := d.ConsumerHeartbeat(h.Context(), "g", ConsumerRequest{MemberID: "tcp", RebalanceMs: 1000, Names: []string{"a"}})
			if err != nil || tcp.Assignment.count() != 6 {
				h.Fatalf("%+v, %v", tcp, err)
			}
			d.sees(2) // it is gone: it coordinates no more
			v := h.visitor()
			web := h.sits(v, "web", "a")
			if web.Assignment.count() != 0 {
				h.Errorf("the new member has %v, which the one over TCP has not given up", *web.Assignment)
			}
			time.Sleep(d.Limits.ConsumerSession - 5*time.Second)
			web = h.beats(h.visitor(), "web", web.Epoch, Partitions{}, "a")
			if got := h.state(); got.Members["tcp"] == nil || web.Assignment.count() != 0 {
				h.Fatalf("put out within its session: %v", got.ids())
			}
			if back {
				e := h.desk(2)
				e.sees(2)
				res, err := e.ConsumerHeartbeat(h.Context(), "g", ConsumerRequest{MemberID: "tcp", Epoch: tcp.Epoch, RebalanceMs: -1, Owned: *tcp.Assignment})
				if err != nil || res.Assignment == nil || res.Assignment.count() != 3 {
					h.Errorf("with the broker that came back: %+v, %v; want three of six to keep", res, err)
				}
				return
			}
			time.Sleep(10 * time.Second)
			web = h.beats(h.visitor(), "web", web.Epoch, Partitions{}, "a")
			if got := h.state(); got.Members["tcp"] != nil || web.Assignment.count() != 6 {
				h.Errorf("after its session: members %v, and %v", got.ids(), *web.Assignment)
			}
		})
	}
}

// The seat of a member is gone, and another invocation is about to put it out; then a new one by that name comes and is told what the
// old one had. One of the two must not happen.
func TestVisit_WhoComesBackIsNotPutOut(t *testing.T) {
	inHall(t, func(h *hall) {
		v := h.visitor()
		h.sits(v, "web", "a")
		time.Sleep(3 * time.Minute)
		came := false
		h.breaks(func(op coordination.Op, key string) coordination.Decision {
			if op == coordination.OpCommit && key == h.keys.Group("g") && !came {
				came = true
				h.breaks(nil)
				h.sits(h.visitor(), "web", "a")
			}
			return coordination.Decision{}
		})
		other := h.visitor()
		if _, err := other.TakeSeat(h.Context(), "g", "other", 2*time.Minute, plainSeat("x")); err != nil {
			h.Fatal(err)
		}
		h.beats(other, "other", 0, nil, "a")
		if s := h.state(); !came || s.Members["web"] == nil || s.Members["web"].Assigned.count() != 6 {
			h.Errorf("it came back: %v; the group has %v, and it holds what it was told", came, s.ids())
		}
	})
}

// A target must be made from the topics of all members.
func TestVisit_AStepKnowsTheTopicsOfAllMembers(t *testing.T) {
	inHall(t, func(h *hall) {
		h.topic("b", 2, 2)
		v := h.visitor()
		h.sits(v, "one", "b")
		v = h.visitor()
		var asked []string
		v.Know = func(_ context.Context, names []string, all bool) error {
			asked = names
			return nil
		}
		h.sits(v, "two", "a")
		if !slices.Contains(asked, "b") || !slices.Contains(asked, "a") {
			h.Errorf("asked for %v, want also what the other member subscribes to", asked)
		}
	})
}

func TestVisit_AStableHeartbeatIsOneRead(t *testing.T) {
	inHall(t, func(h *hall) {
		v := h.visitor()
		res := h.sits(v, "web", "a")
		var ops []string
		h.breaks(func(op coordination.Op, key string) coordination.Decision {
			ops = append(ops, op.String())
			return coordination.Decision{}
		})
		h.beats(h.visitor(), "web", res.Epoch, *res.Assignment, "a")
		if !slices.Equal(ops, []string{"read"}) {
			h.Errorf("requests %v", ops)
		}
	})
}

// A commit is refused for somebody while the group has members; those that do not live are put out for it.
func TestVisit_ACommitOfNobodyPutsOutWhoDoesNotLive(t *testing.T) {
	inHall(t, func(h *hall) {
		res := h.sits(h.visitor(), "web", "a")
		topic := h.AllTopics()[0]
		commit := CommitRequest{CommitCheck{Generation: -1, NewErrors: true}, []CommitTopic{{topic.Name, topic.ID, map[int32]Committed{0: {Offset: 3, LeaderEpoch: -1}}}}}
		if err := h.visitor().CommitOffsets(h.Context(), "g", commit); !errors.Is(err, ErrUnknownMember) {
			h.Errorf("beside a member that lives: %v", err)
		}
		time.Sleep(3 * time.Minute)
		if err := h.visitor().CommitOffsets(h.Context(), "g", commit); err != nil {
			h.Errorf("after it has ended: %v", err)
		}
		commit.MemberID, commit.Generation = "web", res.Epoch
		if err := h.visitor().CommitOffsets(h.Context(), "g", commit); !errors.Is(err, ErrUnknownMember) && !errors.Is(err, ErrUnknownGroup) {
			h.Errorf("of the member that was put out: %v", err)
		}
	})
}

// Many at once: whoever loses a swap looks again.
func TestVisit_FiftyJoinAtOnce(t *testing.T) {
	inHall(t, func(h *hall) {
		h.topic("a", 1, 50)
		done := make(chan struct{})
		for i := range 50 {
			go func() {
				h.sits(h.visitor(), string(rune('A'+i)), "a")
				done <- struct{}{}
			}()
		}
		for range 50 {
			<-done
		}
		if got := len(h.state().Members); got != 50 {
			h.Errorf("%d members", got)
		}
	})
}
