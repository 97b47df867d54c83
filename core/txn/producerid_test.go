package txn

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/record"
)

type view []byte

func (v view) FormatValue() []byte { return v }

var keys = coordination.NewKeys("test")

func newKV(t *testing.T) *memory.KV {
	t.Helper()
	kv := memory.New(memory.Settings{})
	if _, err := kv.Commit(t.Context(), nil, []coordination.Change{coordination.PutKey(keys.Format(), []byte("f"))}); err != nil {
		t.Fatal(err)
	}
	return kv
}

func TestNextProducerID_IsNeverGivenTwiceWhateverBecomesOfTheAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newKV(t)
		var commits atomic.Int64
		fault := coordination.NewFault(kv, func(op coordination.Op, _ string) coordination.Decision {
			if op != coordination.OpCommit {
				return coordination.Decision{}
			}
			switch commits.Add(1) % 5 {
			case 1:
				return coordination.Decision{Fail: coordination.FailAfter}
			case 2:
				return coordination.Decision{Fail: coordination.FailLate}
			case 3:
				return coordination.Decision{Delay: 20 * time.Millisecond}
			}
			return coordination.Decision{}
		}, pause.For)
		var mu sync.Mutex
		given := map[record.ProducerID]int{}
		var group sync.WaitGroup
		for instance := range 3 {
			ids := NewProducerIDs(fault, keys, view("f"))
			for range 4 {
				group.Go(func() {
					for range 1000 {
						id, err := ids.NextProducerID(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						if other, twice := given[id]; twice {
							t.Errorf("id %d given by instance %d and %d", id, other, instance)
						}
						given[id] = instance
						mu.Unlock()
					}
				})
			}
		}
		group.Wait()
		for fault.Late() > 0 {
			if res, err := fault.Land(t.Context(), 0); err != nil || res.Committed {
				t.Errorf("a late block landed: %t, %v", res.Committed, err)
			}
		}
		if len(given) != 12_000 {
			t.Errorf("%d ids", len(given))
		}
	})
}

func TestNextProducerID_TakesABlockAtATime(t *testing.T) {
	kv := newKV(t)
	meter := coordination.NewMeter(kv, time.Now, nil)
	ids := NewProducerIDs(meter, keys, view("f"))
	for want := range record.ProducerID(2 * blockSize) {
		if id, err := ids.NextProducerID(t.Context()); err != nil || id != want {
			t.Fatalf("id %d, %v; want %d", id, err, want)
		}
	}
	if n := meter.Snapshot().Commit.Requests; n != 2 {
		t.Errorf("%d transactions for %d ids, want 2", n, 2*blockSize)
	}
}

func TestNextProducerID_AnotherEraGetsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := NewProducerIDs(newKV(t), keys, view("another"))
		if id, err := ids.NextProducerID(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("id %d, %v", id, err)
		}
	})
}

func TestNextProducerID_GoesOnAfterEtcdWasAway(t *testing.T) {
	kv := newKV(t)
	away := true
	fault := coordination.NewFault(kv, func(coordination.Op, string) coordination.Decision {
		if away {
			return coordination.Decision{Fail: coordination.FailBefore}
		}
		return coordination.Decision{}
	}, pause.For)
	ids := NewProducerIDs(fault, keys, view("f"))
	if _, err := ids.NextProducerID(t.Context()); !errors.Is(err, coordination.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	away = false
	if _, err := ids.NextProducerID(t.Context()); err != nil {
		t.Error(err)
	}
}
