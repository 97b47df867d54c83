//go:build stack

package apachekafka

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// open begins a transaction with a record in each of the three partitions of t, and leaves it.
func (b *broker) open(id string) *kgo.Client {
	b.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(b.Kafka), kgo.TransactionalID(id), kgo.TransactionTimeout(10*time.Minute), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	if err := c.BeginTransaction(); err != nil {
		b.Fatal(err)
	}
	for p := range int32(3) {
		if err := c.ProduceSync(ctx, &kgo.Record{Topic: "t", Partition: p, Value: []byte("open")}).FirstErr(); err != nil {
			b.Fatal(err)
		}
	}
	return c
}

// held gives how many records of t readers with read_committed do not get yet.
func (b *broker) held(c *kgo.Client) (n int64) {
	b.Helper()
	adm := kadm.NewClient(c)
	ends, err := adm.ListEndOffsets(b.Context(), "t")
	stable, err2 := adm.ListCommittedOffsets(b.Context(), "t")
	if err := errors.Join(err, err2); err != nil {
		b.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		s, _ := stable.Lookup("t", o.Partition)
		n += o.Offset - s.Offset
	})
	return n
}

// startOffset is where the open transaction of a partition begins, as the tool says.
func (b *broker) startOffset(partition string) string {
	b.Helper()
	out := b.says(Transactions, []string{"describe-producers", "--topic", "t", "--partition", partition}, failed, `(?m)\s\d+\s*$`)
	m := regexp.MustCompile(`(?m)^\d+\s+\d+\s+.*\s(\d+)\s*$`).FindStringSubmatch(out)
	if m == nil {
		b.Fatalf("no open transaction in partition %s:\n%s", partition, out)
	}
	return m[1]
}

func TestTransactionsTool_ListsDescribesAndAbortsWhatIsOpen(t *testing.T) {
	b := startDev(t)
	c := b.open("orders")
	b.says(Transactions, []string{"list"}, failed, `(?m)^orders\s+\d+\s+\d+\s+Ongoing`)
	b.says(Transactions, []string{"list", "--duration-filter", "3600000"}, failed, `!orders`)
	b.says(Transactions, []string{"describe", "--transactional-id", "orders"}, failed, `orders\s+\d+\s+\d+\s+Ongoing\s+600000\s`, `(t-\d,){2}t-\d`)
	b.says(Transactions, []string{"describe", "--transactional-id", "nobody"}, `.nobody. failed because the ID could not be found`)
	// It is open, but somebody can end it: not hanging.
	b.says(Transactions, []string{"find-hanging", "--topic", "t", "--max-transaction-timeout", "0"}, failed, `!orders`, `!(?m)^t\s`)
	if n := b.held(c); n < 3 {
		t.Fatalf("%d records are held back, want the three of the open transaction", n)
	}
	b.says(Transactions, []string{"abort", "--topic", "t", "--partition", "1", "--start-offset", b.startOffset("1")}, failed)
	if n := b.held(c); n != 0 {
		t.Errorf("%d records are still held back after the abort", n)
	}
	b.says(Transactions, []string{"list"}, failed, `(?m)^orders\s+\d+\s+\d+\s+CompleteAbort`)
	if err := c.EndTransaction(t.Context(), kgo.TryCommit); !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
		t.Errorf("the producer commits what was aborted: %v", err)
	}
}

func TestTransactionsTool_ForceTerminatesATransactionalID(t *testing.T) {
	b := startDev(t)
	c := b.open("orders")
	b.says(Transactions, []string{"forceTerminateTransaction", "--transactionalId", "orders"}, failed, `!error`)
	if n := b.held(c); n != 0 {
		t.Errorf("%d records are still held back", n)
	}
	if err := c.EndTransaction(t.Context(), kgo.TryCommit); !errors.Is(err, kerr.ProducerFenced) {
		t.Errorf("the producer commits what was aborted: %v", err)
	}
}

// A transaction hangs when nobody knows its transactional id any more. That does not come about by itself: here the key is deleted
// in etcd, as by mistake.
func TestTransactionsTool_FindsAndAbortsOneThatHangs(t *testing.T) {
	etcd := harness.NewEtcd(t)
	etcd.Up()
	b := &broker{t, harness.NewBroker(t, "broker", nil, "broker", "--store", "file://"+t.TempDir(), "--etcd", etcd.Endpoint, "--linger", "10ms")}
	b.Up()
	b.run(Topics, "--create", "--topic", "t", "--partitions", "3")
	c := b.open("orders")
	b.forget(etcd, "orders")
	b.says(Transactions, []string{"list"}, failed, `!orders`)
	b.says(Transactions, []string{"find-hanging", "--topic", "t", "--max-transaction-timeout", "0"}, failed, `(?m)^t\s+0\s`, `(?m)^t\s+1\s`, `(?m)^t\s+2\s`)
	if n := b.held(c); n < 3 {
		t.Fatalf("%d records are held back, want the three of the open transaction", n)
	}
	// The tool is told of one partition; all of the transaction are freed.
	b.says(Transactions, []string{"abort", "--topic", "t", "--partition", "2", "--start-offset", b.startOffset("2")}, failed)
	if n := b.held(c); n != 0 {
		t.Errorf("%d records are still held back", n)
	}
	b.says(Transactions, []string{"find-hanging", "--topic", "t", "--max-transaction-timeout", "0"}, failed, `!(?m)^t\s`)
}

// forget deletes what etcd has of a transactional id.
func (b *broker) forget(etcd *harness.Etcd, id string) {
	b.Helper()
	kv := etcd.KV()
	defer kv.Close()
	key := coordination.NewKeys("default").Transaction(id)
	res, err := kv.Commit(b.Context(), nil, []coordination.Change{coordination.DeleteKey(key)})
	if err != nil || !res.Committed {
		b.Fatal(fmt.Errorf("delete %s: %v, %w", key, res.Committed, err))
	}
}
