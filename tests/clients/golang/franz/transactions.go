package main

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/clients/golang"
)

// stepMax bounds each wait.
const stepMax = 40 * time.Second

type producer struct{ *kgo.Client }

func (c client) Producer(id string, timeout time.Duration) (golang.Producer, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.servers...), kgo.TransactionalID(id), kgo.TransactionTimeout(timeout), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	return producer{cl}, err
}

func (p producer) Send(topic string, values []golang.Value) error {
	ctx, cancel := context.WithTimeout(context.Background(), stepMax)
	defer cancel()
	if err := p.BeginTransaction(); err != nil {
		return err
	}
	var records []*kgo.Record
	for _, v := range values {
		records = append(records, &kgo.Record{Topic: topic, Partition: v.Partition, Value: []byte(v.Value)})
	}
	return p.ProduceSync(ctx, records...).FirstErr()
}

func (p producer) End(commit bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), stepMax)
	defer cancel()
	return p.EndTransaction(ctx, kgo.TransactionEndTry(commit))
}

func (c client) ReadCommitted(topic string, count int) (values []string, err error) {
	ctx, cl, done, err := c.connect(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return nil, err
	}
	defer done()
	got, err := take(ctx, cl, count)
	for _, r := range got {
		values = append(values, r.Value)
	}
	return values, err
}

// Fenced takes INVALID_TXN_STATE too: Apache Kafka says so to a producer that timed out.
func (client) Fenced(err error) string {
	for _, k := range []*kerr.Error{kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.InvalidTxnState} {
		if errors.Is(err, k) {
			return k.Message
		}
	}
	return ""
}

// Transform is what GroupTransactSession is for: an abort rewinds it to what is committed.
func (c client) Transform(from, to, group string, count int) error {
	ctx, cancel := context.WithTimeout(context.Background(), stepMax)
	defer cancel()
	s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(c.servers...), kgo.TransactionalID(group), kgo.ConsumerGroup(group), kgo.ConsumeTopics(from),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(time.Second))
	if err != nil {
		return err
	}
	defer s.Close()
	for done, round := 0, 0; done < count; round++ {
		fetches := s.PollRecords(ctx, count/6)
		if err := fetches.Err(); err != nil {
			return err
		}
		if err := s.Begin(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			s.Produce(ctx, &kgo.Record{Topic: to, Partition: r.Partition, Value: append([]byte("out-"), r.Value...)}, nil)
		})
		committed, err := s.End(ctx, kgo.TransactionEndTry(round != 1))
		if err != nil {
			return err
		}
		if committed {
			done += fetches.NumRecords()
		}
	}
	return nil
}
