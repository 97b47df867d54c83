package broker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/firnlog/firnlog/objectstore/memory"
)

// versions are the two kinds of clients: those of KIP-890, and those before, as librdkafka and sarama are.
func versions() map[string]kgo.Opt {
	return map[string]kgo.Opt{"version 2": kgo.MaxVersions(kversion.Tip()), "version 1": kgo.MaxVersions(kversion.V3_5_0())}
}

// readCommitted gives n values from the beginning of a topic, and fails when more come within a moment.
func readCommitted(t *testing.T, ctx context.Context, kafka, topic string, n int) map[string]int {
	t.Helper()
	c := client(t, kgo.SeedBrokers(kafka), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	got := map[string]int{}
	poll := func(ctx context.Context) {
		fetches := c.PollFetches(ctx)
		fetches.EachRecord(func(r *kgo.Record) { got[string(r.Value)]++ })
	}
	for len(got) < n && ctx.Err() == nil {
		poll(ctx)
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	for short.Err() == nil {
		poll(short)
	}
	if len(got) != n {
		t.Errorf("%s: %d values, want %d: %v", topic, len(got), n, got)
	}
	for v, times := range got {
		if times != 1 {
			t.Errorf("%s: %q read %d times", topic, v, times)
		}
	}
	return got
}

func TestTransactions_CommittedOnesAreReadAndAbortedOnesAreNot(t *testing.T) {
	for name, version := range versions() {
		t.Run(name, func(t *testing.T) {
			store, kv := memory.New(), newKV()
			brokers := []*running{start(t, store, kv), start(t, store, kv)}
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			if _, err := kadm.NewClient(client(t, kgo.SeedBrokers(brokers[0].kafka))).CreateTopic(ctx, 5, 1, nil, "t"); err != nil {
				t.Fatal(err)
			}
			p := client(t, version, kgo.SeedBrokers(brokers[0].kafka), kgo.DefaultProduceTopic("t"), kgo.TransactionalID("id"))
			for i := range 10 {
				if err := p.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
				for k := range 20 {
					p.Produce(ctx, kgo.StringRecord(fmt.Sprintf("%d/%d", i, k)), func(_ *kgo.Record, err error) {
						if err != nil {
							t.Errorf("transaction %d: %v", i, err)
						}
					})
				}
				if err := p.Flush(ctx); err != nil {
					t.Fatal(err)
				}
				if err := p.EndTransaction(ctx, kgo.TransactionEndTry(i%2 == 0)); err != nil {
					t.Fatalf("transaction %d: %v", i, err)
				}
			}
			for _, b := range brokers {
				for v := range readCommitted(t, ctx, b.kafka, "t", 100) {
					var i, k int
					if fmt.Sscanf(v, "%d/%d", &i, &k); i%2 != 0 {
						t.Errorf("%s was aborted", v)
					}
				}
			}
		})
	}
}

func TestTransactions_AZombieIsFenced(t *testing.T) {
	for name, version := range versions() {
		t.Run(name, func(t *testing.T) {
			b := start(t, memory.New(), newKV())
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			open := func(value string) *kgo.Client {
				p := client(t, version, kgo.SeedBrokers(b.kafka), kgo.DefaultProduceTopic("t"), kgo.TransactionalID("id"), kgo.AllowAutoTopicCreation())
				if err := p.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
				if err := p.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr(); err != nil {
					t.Fatal(err)
				}
				return p
			}
			zombie := open("zombie")
			p := open("alive")
			if err := p.EndTransaction(ctx, kgo.TryCommit); err != nil {
				t.Fatal(err)
			}
			err := zombie.EndTransaction(ctx, kgo.TryCommit)
			if !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
				t.Errorf("the zombie's commit: %v", err)
			}
			if got := readCommitted(t, ctx, b.kafka, "t", 1); got["alive"] != 1 {
				t.Errorf("%v", got)
			}
		})
	}
}

// Consume, transform, produce: what was read once is written once, whichever sessions are thrown away.
func TestTransactions_ExactlyOnceThroughAGroup(t *testing.T) {
	for name, version := range versions() {
		t.Run(name, func(t *testing.T) {
			store, kv := memory.New(), newKV()
			brokers := []*running{start(t, store, kv), start(t, store, kv)}
			ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
			defer cancel()
			if _, err := kadm.NewClient(client(t, kgo.SeedBrokers(brokers[0].kafka))).CreateTopics(ctx, 4, 1, nil, "in", "out"); err != nil {
				t.Fatal(err)
			}
			const n = 300
			p := client(t, kgo.SeedBrokers(brokers[0].kafka), kgo.DefaultProduceTopic("in"))
			for i := range n {
				p.Produce(ctx, kgo.StringRecord(fmt.Sprint(i)), nil)
			}
			if err := p.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			done := 0
			for session := 0; done < n; session++ {
				moved, err := transform(ctx, brokers[session%2].kafka, fmt.Sprint("id-", session%2), version, session < 2)
				if err != nil {
					t.Fatalf("session %d: %v", session, err)
				}
				done += moved
			}
			readCommitted(t, ctx, brokers[0].kafka, "out", n)
		})
	}
}

// transform moves a part of "in" to "out" in one session. With abort its last transaction is thrown away.
func transform(ctx context.Context, kafka, id string, version kgo.Opt, abort bool) (moved int, err error) {
	s, err := kgo.NewGroupTransactSession(version, kgo.SeedBrokers(kafka), kgo.TransactionalID(id), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("in"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.DefaultProduceTopic("out"), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return 0, err
	}
	defer s.Close()
	for round := 0; round < 2; round++ {
		short, cancel := context.WithTimeout(ctx, 3*time.Second)
		fetches := s.PollRecords(short, 50)
		cancel()
		if fetches.NumRecords() == 0 {
			return moved, ctx.Err()
		}
		if err := s.Begin(); err != nil {
			return moved, err
		}
		fetches.EachRecord(func(r *kgo.Record) { s.Produce(ctx, kgo.StringRecord(string(r.Value)), nil) })
		committed, err := s.End(ctx, kgo.TransactionEndTry(!(abort && round == 1)))
		if err != nil {
			return moved, err
		}
		if committed {
			moved += fetches.NumRecords()
		}
	}
	return moved, nil
}
