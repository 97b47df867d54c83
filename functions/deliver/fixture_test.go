package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crypto/rand"

	"github.com/aws/aws-lambda-go/events"

	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/deliver"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/functions/place"
)

// user is the function that records are delivered to.
type user struct {
	behave func(ctx context.Context, partition string, values []string) ([]byte, error) // called without a lock; nil: takes everything
	mu     struct {
		sync.Mutex
		taken map[string][]string // by partition, values of events that were answered well
		calls int
	}
}

func (u *user) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var e events.KafkaEvent
	if err := json.Unmarshal(payload, &e); err != nil || len(e.Records) != 1 {
		return nil, fmt.Errorf("%w: %w", deliver.ErrRefused, err)
	}
	u.mu.Lock()
	u.mu.calls++
	u.mu.Unlock()
	for partition, records := range e.Records {
		var values []string
		for _, r := range records {
			value, _ := base64.StdEncoding.DecodeString(r.Value)
			values = append(values, string(value))
		}
		var answer []byte
		if u.behave != nil {
			var err error
			if answer, err = u.behave(ctx, partition, values); err != nil {
				return nil, err
			}
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.mu.taken == nil {
			u.mu.taken = map[string][]string{}
		}
		u.mu.taken[partition] = append(u.mu.taken[partition], values...)
		return answer, nil
	}
	return nil, nil
}

func (u *user) took(partition string) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.mu.taken[partition])
}

// stage is a cluster without a broker that lives, topics t and dead, and the function.
type stage struct {
	*testing.T
	c       *coretest.Cluster
	t, dead record.TopicID
	user    *user
	set     config.Deliver
	names   int
}

func newStage(t *testing.T, partitions int32, configs ...string) *stage {
	s := &stage{T: t, c: coretest.NewCluster(t), user: &user{}}
	s.c.Instance("maker", coretest.Options{}).Ready().Stop()
	s.t, s.dead = s.c.CreateTopic("t", partitions), s.c.CreateTopic("dead", 1, configs...)
	s.set = config.Deliver{Function: "user", Group: "g", Topics: []string{"t"}, Batch: 4, Attempts: 2, Bisect: true, DeadLetter: "dead", Parallel: 4, Start: "earliest",
		Wait: time.Second, Reserve: time.Second, Fetch: 1 << 20}
	return s
}

// fresh is the function in an environment of its own.
func (s *stage) fresh() *function {
	s.names++
	kv, store, entropy := s.c.Reach(fmt.Sprint("f", s.names))
	p := &place.Place{Log: coretest.Quiet(), Environment: invoke.New(invoke.Settings{
		Store: store, KV: kv, Cluster: "test", Now: time.Now, Entropy: entropy, Log: coretest.Quiet(), Margin: time.Second, CacheBytes: 4 << 20,
		Topics: topic.DefaultSettings(), NewTopicID: func() record.TopicID { return record.TopicID{9} }, NewID: rand.Text,
	})}
	return &function{place: p, set: s.set, target: func(context.Context, string) (deliver.Target, error) { return s.user, nil }, release: func() {}}
}

// run is one invocation of a fresh environment with so much time.
func (s *stage) run(limit time.Duration, event string) (*deliver.Report, error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	return s.fresh().invoke(ctx, json.RawMessage(event))
}

// wants is run with a report that says this, as JSON without what is zero.
func (s *stage) wants(limit time.Duration, event, want string) {
	s.Helper()
	r, err := s.run(limit, event)
	if err != nil {
		s.Fatal(err)
	}
	if got := fmt.Sprintf("%d delivered, %d dead, %d failed, lag %d", r.Delivered, r.DeadLettered, r.Failed, r.Lag); got != want {
		s.Errorf("%s, want %s (%+v)", got, want, r)
	}
}

func (s *stage) write(partition int32, values ...string) {
	s.Helper()
	s.broker(func(b *coretest.Instance) {
		b.MustProduce(coretest.Plain(record.TopicPartition{Topic: s.t, Partition: partition}, values...))
	})
}

// broker lives for the time of fn.
func (s *stage) broker(fn func(b *coretest.Instance)) {
	s.Helper()
	s.names++
	b := s.c.Instance(fmt.Sprint("b", s.names), coretest.Options{}).Ready()
	fn(b)
	b.Stop()
}

// letters are the dead-letter topic's records, as value and headers.
func (s *stage) letters() (out []map[string]string) {
	s.Helper()
	s.broker(func(b *coretest.Instance) {
		b.Barrier()
		got := b.Read(record.TopicPartition{Topic: s.dead}, 0)
		for batch, err := range record.Batches(got.Batches) {
			if err != nil {
				s.Fatal(err)
			}
			for r, err := range record.Records(batch, 1<<20) {
				if err != nil {
					s.Fatal(err)
				}
				one := map[string]string{"value": string(r.Value), "key": string(r.Key)}
				for _, h := range r.Headers {
					one[h.Key] = string(h.Value)
				}
				out = append(out, one)
			}
		}
	})
	return out
}

func (s *stage) took(partition string, want ...string) {
	s.Helper()
	if got := s.user.took(partition); !slices.Equal(got, want) {
		s.Errorf("%s: the function took %v, want %v", partition, got, want)
	}
}

// failing fails events with a value that has this in it.
func failing(part string) func(context.Context, string, []string) ([]byte, error) {
	return func(_ context.Context, _ string, values []string) ([]byte, error) {
		if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, part) }) {
			return nil, &deliver.FunctionError{Message: "poison"}
		}
		return nil, nil
	}
}
