package group

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/record"
)

// table is one machine with a clock, whose effects are carried out at once.
type table struct {
	testing.TB
	m      *Machine
	now    time.Time
	topics *Catalog
	limits Limits
	last   Ticket
	joins  map[Ticket]JoinResult
	syncs  map[Ticket]SyncResult
	stored []byte // what is in etcd
	ids    int
}

func topicID(name string) record.TopicID {
	return record.TopicID{0: 't', 1: name[0], 15: byte(len(name))}
}

func newTable(t testing.TB) *table {
	limits := DefaultLimits()
	limits.InitialDelay = 0
	b := &table{TB: t, now: time.UnixMilli(1_700_000_000_000).UTC(), limits: limits, joins: map[Ticket]JoinResult{}, syncs: map[Ticket]SyncResult{}}
	b.topics = NewCatalog([]Topic{{"a", topicID("a"), 6}, {"bb", topicID("bb"), 3}})
	b.m = NewMachine(nil, limits, b.now)
	return b
}

// settle carries out effects.
func (b *table) settle() {
	e := b.m.Take()
	if e.Store {
		b.stored, b.m.stored = b.m.encode(), true
	}
	for _, r := range e.Replies {
		if r.Join != nil {
			b.joins[r.Ticket] = *r.Join
		} else {
			b.syncs[r.Ticket] = *r.Sync
		}
	}
}

// takeover makes a machine of what is stored, as the next coordinator does.
func (b *table) takeover() {
	b.Helper()
	if b.stored == nil {
		b.m = NewMachine(nil, b.limits, b.now)
		return
	}
	s, err := decodeState(b.stored)
	if err != nil {
		b.Fatal(err)
	}
	b.m = NewMachine(s, b.limits, b.now)
}

func (b *table) pass(d time.Duration) {
	b.now = b.now.Add(d)
	b.m.Tick(b.now, b.topics)
	b.settle()
}

func wants(names ...string) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version, m.Topics = 1, names
	return m.AppendTo(nil)
}

// joining is a request with what most of them say.
func joining(id string) JoinRequest {
	return JoinRequest{
		MemberID: id, Client: "c", SessionMs: 10_000, RebalanceMs: 20_000, ProtocolType: "consumer",
		Protocols: []Protocol{{"range", wants("a")}, {"roundrobin", wants("a")}},
	}
}

// join gives the reply, if there is one already.
func (b *table) join(r JoinRequest) (Ticket, JoinResult) {
	b.last++
	b.ids++
	if r.NewID == "" {
		r.NewID = fmt.Sprintf("m%d", b.ids)
	}
	b.m.Join(b.now, b.last, r, b.topics)
	b.settle()
	return b.last, b.joins[b.last]
}

func (b *table) sync(r SyncRequest) (Ticket, SyncResult) {
	b.last++
	b.m.Sync(b.now, b.last, r, b.topics)
	b.settle()
	return b.last, b.syncs[b.last]
}

func (b *table) heartbeat(id string, generation int32) error {
	err := b.m.Heartbeat(b.now, HeartbeatRequest{MemberID: id, Generation: generation})
	b.settle()
	return err
}

func (b *table) leave(id string) error {
	err := b.m.Leave(b.now, []LeaveRequest{{MemberID: id}}, b.topics)[0]
	b.settle()
	return err
}

func (b *table) consumer(r ConsumerRequest) (ConsumerResult, error) {
	res, err := b.m.ConsumerHeartbeat(b.now, r, b.topics)
	b.settle()
	return res, err
}

// consuming is a request to join by KIP-848.
func consuming(id string) ConsumerRequest {
	return ConsumerRequest{MemberID: id, RebalanceMs: 20_000, Names: []string{"a"}, Owned: Partitions{}}
}

func (b *table) is(got, want error) {
	b.Helper()
	if !errors.Is(got, want) || got != nil && want == nil {
		b.Errorf("got %v, want %v", got, want)
	}
}

// stable makes a stable classic group of n members, the first of which leads.
func (b *table) stable(n int) (ids []string) {
	b.Helper()
	tickets := []Ticket{}
	for range n {
		r := joining("")
		t, _ := b.join(r)
		tickets = append(tickets, t)
		if len(ids) == 0 && len(b.joins) > 0 { // the first is alone for now
			ids = append(ids, b.joins[t].MemberID)
		}
	}
	if n > 1 {
		t, _ := b.join(joining(ids[0]))
		tickets[0] = t
	}
	ids = ids[:0]
	for _, t := range tickets {
		res, ok := b.joins[t]
		if !ok || res.Err != nil {
			b.Fatalf("member has not joined: %+v", res)
		}
		ids = append(ids, res.MemberID)
	}
	assignments := map[string][]byte{}
	for i, id := range ids {
		a := kmsg.NewConsumerMemberAssignment()
		topic := kmsg.NewConsumerMemberAssignmentTopic()
		topic.Topic, topic.Partitions = "a", []int32{int32(i)}
		a.Topics = append(a.Topics, topic)
		assignments[id] = a.AppendTo(nil)
	}
	for i := len(ids) - 1; i >= 0; i-- { // the leader last
		b.sync(SyncRequest{MemberID: ids[i], Generation: b.m.Generation, Assignments: assignments})
	}
	if b.m.Current() != Stable {
		b.Fatalf("group is %s", b.m.Current())
	}
	return ids
}
