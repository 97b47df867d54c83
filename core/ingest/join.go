package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firnlog/firnlog/core/txn"
)

// Transactions gives batches their membership; *txn.Coordinator is it.
type Transactions interface {
	Join(ctx context.Context, r txn.JoinRequest) (txn.Member, error)
}

// joinPatience is how long a segment that is stored waits for memberships: batches of others are in it.
const joinPatience = time.Second

// joining is one producer's request of a flush: one read, and one etcd transaction where partitions are new.
type joining struct {
	request txn.JoinRequest
	items   []int
	member  txn.Member
	err     error
	asked   time.Time     // after the answer
	done    chan struct{} // closed when member, err and asked are set
}

// join begins to ask for the membership of all transactional batches of a flush, beside its upload. The requests
// arrived before: so what is read about their transactions is no older than they are.
func (g *Ingest) join(ctx context.Context, items []item) (out []*joining) {
	type key struct {
		id string
		txn.Identity
		implicit bool
	}
	found := map[key]*joining{}
	for i := range items {
		it := &items[i]
		if it.entry.Serial == 0 {
			continue
		}
		k := key{it.transaction, txn.Identity{Producer: it.entry.Producer, Epoch: it.entry.Epoch}, it.implicit}
		j := found[k]
		if j == nil {
			j = &joining{request: txn.JoinRequest{ID: k.id, Identity: k.Identity, Implicit: k.implicit}, done: make(chan struct{})}
			found[k] = j
			out = append(out, j)
		}
		j.items = append(j.items, i)
		if n := len(j.request.Partitions); n == 0 || j.request.Partitions[n-1] != it.partition {
			j.request.Partitions = append(j.request.Partitions, it.partition)
		}
	}
	behind := map[string]*joining{} // the last one of a transactional id so far
	for _, j := range out {
		before := behind[j.request.ID]
		behind[j.request.ID] = j
		go func() {
			if before != nil {
				<-before.done // two of one id would conflict
			}
			g.ask(ctx, j)
		}()
	}
	return out
}

func (g *Ingest) ask(ctx context.Context, j *joining) {
	defer close(j.done)
	if g.Transactions == nil {
		j.err = ErrNoTransaction
		return
	}
	j.member, j.err = g.Transactions.Join(ctx, j.request)
	j.asked = time.Now()
}

// joined waits for the memberships, marks batches that have none, and says what the commit says of the others.
func (g *Ingest) joined(f *flush, joins []*joining) {
	patience := time.NewTimer(joinPatience)
	defer patience.Stop()
	over := false
	for _, j := range joins {
		if !over {
			select {
			case <-j.done:
			case <-patience.C:
				over = true
			}
		}
		j.apply(f.items)
	}
	f.runs = runsOf(f.items, f.sealed)
}

// leaveOut answers the batches that the commit does not have.
func (g *Ingest) leaveOut(f *flush) {
	f.items = slices.DeleteFunc(f.items, func(it item) bool {
		if it.refused != nil {
			g.done(&it, *refuse(it.refused))
		}
		return it.refused != nil
	})
}

// apply gives each batch its serial or the reason why it has none.
func (j *joining) apply(items []item) {
	var member txn.Member
	late := fmt.Errorf("%w: the membership of the transaction takes too long", ErrNotAppended)
	err := late
	select {
	case <-j.done:
		member, err = j.member, j.err
	default:
	}
	for _, i := range j.items {
		it := &items[i]
		switch {
		case errors.Is(err, txn.ErrFenced):
			it.refused = fmt.Errorf("%w: %w", ErrFenced, err)
		case errors.Is(err, txn.ErrMapping), errors.Is(err, ErrNotAppended), errors.Is(err, ErrNoTransaction):
			it.refused = err
		case errors.Is(err, txn.ErrState), err == nil && member.Refused[it.partition]:
			it.refused = ErrTxnState
		case err != nil:
			it.refused = fmt.Errorf("%w: %w", ErrNotAppended, err)
		case !it.implicit && elapsed(it.arrived, j.asked) > txn.JoinWithin:
			it.refused = late
		default:
			it.entry.Serial = member.Serial
		}
	}
}
