package deliver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/record"
)

// seated is a member with partitions that a test gives and takes. It is used by one goroutine.
type seated struct {
	places    []consume.Place
	batches   map[record.TopicPartition][]byte
	committed map[record.TopicPartition]record.Offset
	polled    func(s *seated) // before each poll
}

func newSeated(tp record.TopicPartition, values ...string) *seated {
	in := coretest.Plain(tp, values...)
	record.Stamp(in.Batch, 0)
	return &seated{
		places:    []consume.Place{{Topic: "t", ID: tp.Topic, Partition: tp.Partition}},
		batches:   map[record.TopicPartition][]byte{tp: in.Batch},
		committed: map[record.TopicPartition]record.Offset{},
	}
}

func (s *seated) Poll(_ context.Context, skip, _ func(record.TopicPartition) bool, _ int, wait time.Duration) (out []consume.Fetched, err error) {
	if s.polled != nil {
		s.polled(s)
	}
	for i := range s.places {
		p := &s.places[i]
		if !skip(p.Name()) && s.batches[p.Name()] != nil {
			out = append(out, consume.Fetched{Place: p, Result: fetch.Result{Batches: s.batches[p.Name()], HighWatermark: 100}})
			delete(s.batches, p.Name())
		}
	}
	if len(out) == 0 {
		time.Sleep(wait)
	}
	return out, nil
}

func (s *seated) Leaving(record.TopicPartition) bool           { return false }
func (s *seated) Reset(context.Context, consume.Fetched) error { return nil }
func (s *seated) Places() []consume.Place                      { return s.places }
func (s *seated) Commit(_ context.Context, next map[record.TopicPartition]record.Offset) error {
	for i := range s.places {
		if at, has := next[s.places[i].Name()]; has {
			s.places[i].Position, s.committed[s.places[i].Name()] = at, at
		}
	}
	return nil
}

type target func(ctx context.Context, payload []byte) ([]byte, error)

func (f target) Invoke(ctx context.Context, payload []byte) ([]byte, error) { return f(ctx, payload) }

func settingsOf(m Member, f target) Settings {
	return Settings{
		Member: m, Target: f, Rule: Rule{RecordsMax: 1, BytesMax: PayloadBytesMax, Attempts: 1}, Parallel: 2, Wait: time.Second, FetchBytes: 1 << 20,
		Now: time.Now, Random: func() float64 { return 0 }, Log: coretest.Quiet(),
	}
}

// The function says that a record is bad in the moment in which the time for work ends: it is in no dead-letter topic, so it is delivered again.
func TestRun_ARecordGivenUpWhenTimeIsOverIsNotCommittedPast(t *testing.T) {
	for name, answer := range map[string]func() ([]byte, error){
		"failed": func() ([]byte, error) { return nil, &FunctionError{Message: "poison"} },
		"named": func() ([]byte, error) {
			return []byte(`{"batchItemFailures":[{"itemIdentifier":{"partition":"t-0","offset":1}}]}`), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tp := record.TopicPartition{Topic: record.TopicID{1}}
				m := newSeated(tp, "a", "poison", "c")
				work, cancel := context.WithCancel(t.Context())
				calls := 0
				r, err := Run(t.Context(), work, settingsOf(m, func(context.Context, []byte) ([]byte, error) {
					if calls++; calls == 1 {
						return nil, nil
					}
					cancel()
					return answer()
				}))
				if at := m.committed[tp]; at > 1 {
					t.Errorf("offset %d is committed, and record 1 is neither delivered nor a dead letter: %+v, %v", at, r, err)
				}
			})
		})
	}
}

// A member that was put out of its group begins no further batch of what it had: somebody else has it.
func TestRun_NoFurtherBatchOfAPartitionThatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := record.TopicPartition{Topic: record.TopicID{1}}
		m := newSeated(tp, "a", "b", "c", "d")
		polls := 0
		m.polled = func(s *seated) {
			if polls++; polls == 2 {
				s.places = nil
			}
		}
		calls := 0
		_, err := Run(t.Context(), t.Context(), settingsOf(m, func(context.Context, []byte) ([]byte, error) {
			calls++
			time.Sleep(3 * beat) // the group is asked meanwhile
			return nil, nil
		}))
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if calls != 1 {
			t.Errorf("%d batches, want the one that was on its way", calls)
		}
	})
}
