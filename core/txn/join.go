package txn

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
)

// AddPartitions is AddPartitionsToTxn: the client says which partitions it will write to.
func (c *Coordinator) AddPartitions(ctx context.Context, id string, who Identity, parts []record.TopicPartition) error {
	return c.add(ctx, id, who, parts, "")
}

// AddGroup is AddOffsetsToTxn.
func (c *Coordinator) AddGroup(ctx context.Context, id string, who Identity, group string) error {
	return c.add(ctx, id, who, nil, group)
}

func (c *Coordinator) add(ctx context.Context, id string, who Identity, parts []record.TopicPartition, group string) error {
	return c.update(ctx, id, func(s *State, ms int64) (step, error) {
		changed, err := s.join(who, parts, group, ms)
		if err != nil || !changed {
			return step{}, err
		}
		return step{next: s}, nil
	})
}

// JoinRequest asks for the membership of batches that are on their way.
type JoinRequest struct {
	ID string
	Identity
	Partitions []record.TopicPartition
	// Implicit: the batches themselves make their partitions members (KIP-890). Else the client has said so before, or they
	// are refused.
	Implicit bool
}

// Member is what a membership comes to.
type Member struct {
	Serial int64
	// Refused are partitions that are none of the transaction's.
	Refused map[record.TopicPartition]bool
}

// JoinWithin is how long after its arrival a request of a client before KIP-890 may still be told its transaction. Such a client keeps its
// epoch: had it given the request up meanwhile, aborted, and begun anew, then what is read now is its next transaction. A client that
// waits longer than this for an answer is safe from that; the request is answered so that it is sent again.
const JoinWithin = 2 * time.Second

// Join makes partitions members of an open transaction, and gives its serial. It must return before their batches are committed.
//
// A KIP-890 epoch names its serial, so what is remembered of one is right, or its batches are fenced by the fold. An
// older client keeps its epoch over many transactions: its serial is read each time, after its batches arrived.
func (c *Coordinator) Join(ctx context.Context, r JoinRequest) (m Member, err error) {
	life := c.View.Life()
	if serial, ok := c.members.knows(&r, life); ok {
		return Member{Serial: serial}, nil
	}
	if !rule.On(rule.TxnRegister) {
		r.Implicit, r.Partitions = true, nil
	}
	err = c.update(ctx, r.ID, func(s *State, ms int64) (step, error) {
		if r.Implicit {
			changed, err := s.join(r.Identity, r.Partitions, "", ms)
			if err != nil {
				return step{}, err
			}
			if m.Serial = s.Serial; !changed {
				return step{}, nil
			}
			return step{next: s}, nil
		}
		if err := s.check(r.Identity); err != nil {
			return step{}, err
		}
		m = Member{Serial: s.Serial, Refused: map[record.TopicPartition]bool{}}
		for _, tp := range r.Partitions {
			if !s.has(tp) {
				m.Refused[tp] = true
			}
		}
		return step{}, nil
	})
	if err != nil {
		return Member{}, err
	}
	c.members.learn(&r, m.Serial, life)
	return m, nil
}

// JoinGroup gives what must hold and be written for the offsets of a group to become pending in a transaction. With implicit
// (KIP-890) they make the group a member; else the client has said so before.
func (c *Coordinator) JoinGroup(ctx context.Context, id string, who Identity, group string, implicit bool) ([]coordination.Guard, []coordination.Change, error) {
	s, mod, err := c.read(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if err := s.check(who); err != nil {
		return nil, nil, err
	}
	drawn, err := c.View.NewID()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	ms := int64(drawn.Time())
	if !implicit && s.Phase != Ongoing {
		return nil, nil, ErrState
	}
	changed, err := s.join(who, nil, group, ms)
	guards := []coordination.Guard{coordination.ModIs(c.Keys.Transaction(id), mod)}
	if err != nil || !changed {
		return guards, nil, err
	}
	if !implicit {
		return nil, nil, ErrState
	}
	s.UsedMs = ms
	return guards, []coordination.Change{coordination.PutKey(c.Keys.Transaction(id), s.encode())}, nil
}

// members is what this instance remembers of implicit memberships.
type members struct {
	sync.Mutex
	life  int64
	known map[memberKey]*membership
}

type memberKey struct {
	id string
	Identity
}

type membership struct {
	serial int64
	parts  map[record.TopicPartition]bool
}

// membersMax bounds what is remembered; forgetting costs a read.
const membersMax = 10_000

// knows gives the serial if all partitions of a request are members as far as is remembered. What was remembered before the log
// was read anew counts for nothing.
func (m *members) knows(r *JoinRequest, life int64) (serial int64, ok bool) {
	m.Lock()
	defer m.Unlock()
	if m.life != life || !r.Implicit {
		return 0, false
	}
	known := m.known[memberKey{r.ID, r.Identity}]
	if known == nil {
		return 0, false
	}
	for _, tp := range r.Partitions {
		if !known.parts[tp] {
			return 0, false
		}
	}
	return known.serial, true
}

func (m *members) learn(r *JoinRequest, serial, life int64) {
	if !r.Implicit {
		return
	}
	m.Lock()
	defer m.Unlock()
	if m.life != life || len(m.known) >= membersMax || m.known == nil {
		m.life, m.known = life, map[memberKey]*membership{}
	}
	key := memberKey{r.ID, r.Identity}
	known := m.known[key]
	if known == nil || known.serial != serial {
		known = &membership{serial: serial, parts: map[record.TopicPartition]bool{}}
		m.known[key] = known
	}
	for _, tp := range r.Partitions {
		known.parts[tp] = true
	}
}
