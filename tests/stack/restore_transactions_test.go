//go:build stack

package stack_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// lastCommit lists the commits that etcd holds.
var lastCommit = coordination.Range{Prefix: "/firnlog/default/log/commits/", KeysOnly: true}

// transactions is a producer that writes the same number to two partitions, in one transaction each.
type transactions struct {
	t     *testing.T
	seeds []string
	stop  context.CancelFunc // no new transaction
	runs  sync.WaitGroup
	mu    sync.Mutex
	done  map[string]bool // acknowledged as committed
}

const transactionsTopic = "pairs"

func startTransactions(t *testing.T, seeds []string) *transactions {
	t.Helper()
	createTopic(t, seeds, 2, nil, transactionsTopic)
	ctx, stop := context.WithCancel(context.Background())
	x := &transactions{t: t, seeds: seeds, stop: stop, done: map[string]bool{}}
	x.runs.Go(func() { x.run(ctx) })
	t.Cleanup(func() { stop(); x.runs.Wait() })
	return x
}

// run goes on with a new client, as an application does that was told that its producer is fenced.
func (x *transactions) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; {
		client, err := kgo.NewClient(kgo.SeedBrokers(x.seeds...), kgo.TransactionalID("pairs"), kgo.DefaultProduceTopic(transactionsTopic),
			kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionTimeout(20*time.Second), kgo.RetryTimeout(10*time.Second))
		if err != nil {
			x.t.Error(err)
			return
		}
		for ; ctx.Err() == nil; n++ {
			if err := x.pair(client, fmt.Sprint(n)); err != nil {
				x.t.Logf("transaction %d: %v", n, err)
				n++
				break
			}
		}
		client.Close()
	}
}

func (x *transactions) pair(client *kgo.Client, value string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	for p := range int32(2) {
		r := kgo.StringRecord(value)
		r.Partition = p
		if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
			return err
		}
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.done[value] = true
	return nil
}

// committed is what was acknowledged so far.
func (x *transactions) committed() map[string]bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return maps.Clone(x.done)
}

func (x *transactions) more(n int) time.Duration {
	x.t.Helper()
	from := len(x.committed())
	return harness.Await(x.t, 2*healMax, fmt.Sprint(n, " more transactions committed"), func() error {
		if got := len(x.committed()) - from; got < n {
			return fmt.Errorf("only %d", got)
		}
		return nil
	})
}

// check: what was committed and journaled is there; whatever is there is whole.
func (x *transactions) check(journaled map[string]bool) {
	x.t.Helper()
	x.stop()
	x.runs.Wait()
	halves := [2]map[string]bool{{}, {}}
	for _, r := range x.read() {
		if halves[r.Partition][string(r.Value)] {
			x.t.Errorf("pair %s is there twice", r.Value)
		}
		halves[r.Partition][string(r.Value)] = true
	}
	done := x.committed()
	for value := range journaled {
		if !halves[0][value] {
			x.t.Errorf("pair %s was committed and journaled, and is not there", value)
		}
	}
	torn := 0
	for p := range halves {
		for value := range halves[p] {
			if !halves[1-p][value] {
				torn++
				x.t.Errorf("pair %s is torn", value)
			}
		}
	}
	x.t.Logf("%d transactions acknowledged, %d of them there, %d journaled, %d torn", len(done), len(halves[0]), len(journaled), torn)
}

// read reads with read_committed up to where everything was decided.
func (x *transactions) read() (out []*kgo.Record) {
	x.t.Helper()
	left := map[int32]int64{}
	for p, end := range ends(x.t, x.seeds, transactionsTopic) {
		left[p] = end.end
	}
	c := newClient(x.t, x.seeds, kgo.ConsumeTopics(transactionsTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	ctx := within(x.t, time.Minute) // an open transaction of a client that was given up times out meanwhile
	for len(left) > 0 {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			x.t.Fatalf("read transactions, %v left: %v", left, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
			if end, ok := left[r.Partition]; ok && r.Offset+1 >= end {
				delete(left, r.Partition)
			}
		})
	}
	return out
}
