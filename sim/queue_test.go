package sim

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/firnlog/firnlog/sim/queues"
)

// queueHistories is how many seeds an ordinary run takes.
const queueHistories = 24

// asQueues gives a history the workload of queues.
func asQueues(s *Settings, seed uint64) { *s = DrawQueues(seed) }

// TestQueues runs histories of queues: the first seeds, or one seed (-args -seed=N), or many (-args -first=N -seeds=M).
func TestQueues(t *testing.T) {
	first, n := *firstFlag, queueHistories
	switch {
	case *seedFlag != 0:
		first, n = *seedFlag, 1
	case *seedsFlag != 0:
		n = *seedsFlag
	}
	const workers = 2
	for k := range workers {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel()
			sum, start := queueSum{legal: map[queues.Class]int{}}, time.Now()
			for seed := first + uint64(k); seed < first+uint64(n); seed += workers {
				r := Run(t, seed, func(s *Settings) { asQueues(s, seed) })
				if r.bad() || r.Queue == nil {
					explain(t, r)
					t.Errorf("seed %d: %v", seed, r.Queue)
					if r.Queue != nil {
						t.Error(r.Queue.Findings)
					}
					return
				}
				if *seedFlag != 0 {
					t.Log(r.Queue)
					sayDigest(t, exactly(r.entries))
				}
				sum.add(r)
			}
			t.Logf("%v in %v", &sum, time.Since(start).Round(time.Millisecond))
		})
	}
}

// queueSum adds up what histories held.
type queueSum struct {
	virtual                                                                    time.Duration
	histories, ops, acknowledged, unknown, read, committed, aborted, undecided int
	legal                                                                      map[queues.Class]int
}

func (s *queueSum) add(r *Report) {
	s.histories++
	s.virtual += r.Tally.Virtual
	q := r.Queue
	s.ops, s.acknowledged, s.unknown, s.read = s.ops+q.Ops, s.acknowledged+q.Acknowledged, s.unknown+q.Unknown, s.read+q.Read
	s.committed, s.aborted, s.undecided = s.committed+q.Committed, s.aborted+q.Aborted, s.undecided+q.Undecided
	for c, n := range q.Legal {
		s.legal[c] += n
	}
}

func (s *queueSum) String() string {
	return fmt.Sprintf("%d histories, %v of virtual time: %d operations, %d acknowledged, %d unknown, %d reads; transactions: %d committed, %d aborted, %d unknown; legal %v",
		s.histories, s.virtual.Round(time.Second), s.ops, s.acknowledged, s.unknown, s.read, s.committed, s.aborted, s.undecided, maps.Clone(s.legal))
}
