//go:build stack

package clients

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// transactionSteps are the columns of the table of transactions.
var transactionSteps = []string{"commit", "abort", "offsets", "fenced", "timeout"}

// quickTransactions are one client of transactions version 1, and the two of version 2.
var quickTransactions = []string{"confluent-kafka (Python)", "franz-go", "kafka-clients 4 (Java)"}

const (
	perStep = 60  // records that a step writes
	inputs  = 120 // committed records of the topic that is transformed
)

// TestTransactions runs the steps of transactions with each client that has them, and looks itself at what came of it.
func TestTransactions(t *testing.T) {
	start, title, servers := time.Now(), heading(t), bootstrap(t)
	clients := slices.DeleteFunc(roster(t), func(c client) bool {
		return c.transactions == "" || *quick && !slices.Contains(quickTransactions, c.name)
	})
	rows := make([]*row, len(clients))
	t.Run("each", func(t *testing.T) {
		for i, c := range clients {
			t.Run(c.slug(), func(t *testing.T) {
				t.Parallel() // they wait for time-outs
				rows[i] = c.transact(t, servers)
				for _, f := range rows[i].failuresOf(transactionSteps) {
					t.Errorf("%s: %s", c.name, f)
				}
			})
		}
	})
	t.Logf("%d clients in %v\n%s", len(rows), time.Since(start).Round(time.Second), transactionsTable(clients, rows))
	if *updateDocs && !*quick {
		writeBetween(t, "transactions", title+transactionsTable(clients, rows))
	}
}

// transact runs a client through the steps, then reads what it has written with another.
func (c client) transact(t *testing.T, bootstrap string) *row {
	r, topic := &row{name: c.name, steps: map[string]outcome{}}, "transactions-"+c.slug()
	if err := inputOf(t, bootstrap, topic); err != nil {
		t.Fatal(err)
	}
	result := c.run(t, "transact", bootstrap, topic, topic+"-group")
	r.read(result.Output)
	if strings.Contains(result.Output, "FAIL ") || result.Err != nil {
		t.Logf("%v, said:\n%s\n%.4000s", result.Err, result.Output, result.Errors)
	}
	if r.steps["offsets"].state != "ok" {
		return r
	}
	if err := errors.Join(committedAlone(t, bootstrap, topic, r.steps["fenced"].state == "ok"), offsetsAtTheEnd(t, bootstrap, topic)); err != nil {
		r.steps["offsets"] = outcome{"FAIL", err.Error()}
	}
	return r
}

// inputOf makes the topics, and writes TOPIC-in with some records that were aborted between those that count.
func inputOf(t *testing.T, bootstrap, topic string) error {
	p := kafka(t, bootstrap, kgo.TransactionalID(topic+"-input"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	ctx, cancel := context.WithTimeout(t.Context(), appMax)
	defer cancel()
	if _, err := kadm.NewClient(p).CreateTopics(ctx, partitions, 1, nil, topic, topic+"-in"); err != nil {
		return err
	}
	for part, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := p.BeginTransaction(); err != nil {
			return err
		}
		var records []*kgo.Record
		for n := range inputs / 2 {
			value := fmt.Sprint("in-", part/2*inputs/2+n)
			if !commit {
				value = "aborted-" + value
			}
			records = append(records, &kgo.Record{Topic: topic + "-in", Partition: int32(n % partitions), Value: []byte(value)})
		}
		if err := p.ProduceSync(ctx, records...).FirstErr(); err != nil {
			return err
		}
		if err := p.EndTransaction(ctx, commit); err != nil {
			return err
		}
	}
	return nil
}

// committedAlone reads all that a client has written, and wants each value that was committed once, in its partition, and no other. Read
// uncommitted, those of the aborted transactions must be there: otherwise nothing was tried.
func committedAlone(t *testing.T, bootstrap, topic string, fenced bool) error {
	written, aborted := []string{"commit", "after", "past"}, []string{"abort", "late"}
	if fenced {
		written, aborted = append(written, "second"), append(aborted, "zombie")
	}
	committed, err := wholeTopic(t, bootstrap, topic, kgo.ReadCommitted())
	if err != nil {
		return err
	}
	all, err := wholeTopic(t, bootstrap, topic, kgo.ReadUncommitted())
	if err != nil {
		return err
	}
	want := map[string]int{}
	for _, prefix := range written {
		for n := range perStep {
			want[fmt.Sprint(prefix, "-", n)] = 1
		}
	}
	for n := range inputs {
		want[fmt.Sprint("out-in-", n)] = 1
	}
	for value, times := range committed {
		if times != want[value] {
			return fmt.Errorf("%s was read %d times, read committed, want %d", value, times, want[value])
		}
	}
	if len(committed) != len(want) {
		return fmt.Errorf("%d values were read, read committed, want %d", len(committed), len(want))
	}
	for _, prefix := range aborted {
		if all[prefix+"-0"] != 1 {
			return fmt.Errorf("%s-0 was read %d times, read uncommitted, want 1", prefix, all[prefix+"-0"])
		}
	}
	return nil
}

// wholeTopic counts the values of a topic up to its end.
func wholeTopic(t *testing.T, bootstrap, topic string, level kgo.IsolationLevel) (map[string]int, error) {
	c := kafka(t, bootstrap, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(level), kgo.KeepControlRecords())
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), appMax)
	defer cancel()
	ends, err := kadm.NewClient(c).ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	values, missing := map[string]int{}, map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			missing[o.Partition] = o.Offset
		}
	})
	for len(missing) > 0 {
		fetches := c.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("read %s up to its end: %d partitions are not: %v", topic, len(missing), missing)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				values[string(r.Value)]++
			}
			if r.Offset+1 >= missing[r.Partition] {
				delete(missing, r.Partition) // the last of a partition is a marker, which no isolation hides
			}
		})
	}
	return values, nil
}

// offsetsAtTheEnd wants the group that read TOPIC-in to have committed that it has read all of it.
func offsetsAtTheEnd(t *testing.T, bootstrap, topic string) error {
	adm := kadm.NewClient(kafka(t, bootstrap))
	got, err := adm.FetchOffsets(t.Context(), topic+"-group")
	if err != nil {
		return err
	}
	var read int64
	for n := range int32(partitions) {
		o, ok := got.Lookup(topic+"-in", n)
		if !ok {
			return fmt.Errorf("no offset of partition %d was committed", n)
		}
		read += o.At
	}
	// Per partition: 10 records, their marker, 10 aborted, their marker, 10 records. The last marker need not be counted as read.
	if least := int64(partitions * (3*inputs/2/partitions + 2)); read < least || read > least+partitions {
		return fmt.Errorf("the offsets of the group come to %d together, want %d", read, least)
	}
	return nil
}

func transactionsTable(clients []client, rows []*row) string {
	var b, notes strings.Builder
	b.WriteString("| client | transactions | " + strings.Join(transactionSteps, " | ") + " |\n|" + strings.Repeat("---|", len(transactionSteps)+2) + "\n")
	for i, r := range rows {
		if r == nil {
			continue
		}
		b.WriteString("| " + r.name + " | " + clients[i].transactions)
		for _, step := range transactionSteps {
			cell := r.cell(step)
			if o := r.steps[step]; o.state == "ok" && o.why != "" {
				cell = o.why
			}
			b.WriteString(" | " + cell)
		}
		b.WriteString(" |\n")
		for _, f := range append(r.failuresOf(transactionSteps), r.skipped()...) {
			fmt.Fprintf(&notes, "\n- %s, %s", r.name, f)
		}
	}
	if notes.Len() > 0 {
		notes.WriteString("\n")
	}
	return b.String() + notes.String()
}
