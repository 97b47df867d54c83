package golang

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// PerStep is how many records a step of the transactions writes.
const PerStep = 60

// Input is how many records TOPIC-in holds that are committed.
const Input = 120

// Value is a record of a transaction.
type Value struct {
	Partition int32
	Value     string
}

// Transactor is a client that has transactions.
type Transactor interface {
	// Producer makes a producer with a transactional id and a transaction time-out.
	Producer(id string, timeout time.Duration) (Producer, error)
	// ReadCommitted reads count records from the beginning, read_committed.
	ReadCommitted(topic string, count int) ([]string, error)
	// Transform reads count records as a member of a group and writes each, with "out-" before its value, to the same partition of
	// another topic, some in a transaction, with the offsets. The second transaction is aborted, and made anew from what is committed.
	Transform(from, to, group string, count int) error
	// Fenced gives the name of the error that a fenced producer gets, "" for any other.
	Fenced(err error) string
}

// Producer is a transactional producer.
type Producer interface {
	// Send begins a transaction and returns once all its records are acknowledged.
	Send(topic string, values []Value) error
	End(commit bool) error
	Close()
}

// values gives the records of a step.
func values(prefix string) (out []Value) {
	for n := range PerStep {
		out = append(out, Value{int32(n % Partitions), fmt.Sprint(prefix, "-", n)})
	}
	return out
}

// transactions runs the steps of the verb transact.
type transactions struct {
	Transactor
	topic string
	want  []string // what is committed
}

// Transact runs the steps of transactions.
func Transact(c Transactor, topic, group string) {
	t := transactions{Transactor: c, topic: topic}
	step("commit", t.commit())
	step("abort", t.abort())
	t.fails("fenced", t.fenced)
	t.fails("timeout", t.timeout)
	step("offsets", c.Transform(topic+"-in", topic, group, Input))
}

// fails runs a step that ends with the error of a fenced producer.
func (t *transactions) fails(name string, work func() (fenced, err error)) {
	fenced, err := work()
	if err == nil && fenced == nil {
		err = fmt.Errorf("the producer was not fenced")
	}
	said := ""
	if err == nil {
		if said = t.Fenced(fenced); said == "" {
			err = fmt.Errorf("a fenced producer got: %w", fenced)
		}
	}
	if err != nil {
		step(name, err)
	}
	fmt.Printf("ok %s: %s\n", name, said)
}

// with runs work with a producer that is closed in the end.
func (t *transactions) with(id string, timeout time.Duration, work func(Producer) error) error {
	p, err := t.Producer(t.topic+"-"+id, timeout)
	if err != nil {
		return err
	}
	defer p.Close()
	return work(p)
}

// write commits a transaction of records that begin with prefix.
func (t *transactions) write(p Producer, prefix string) error {
	batch := values(prefix)
	for _, v := range batch {
		t.want = append(t.want, v.Value)
	}
	return firstOf(p.Send(t.topic, batch), func() error { return p.End(true) })
}

// visible wants what was committed to be read, and nothing else.
func (t *transactions) visible() error {
	got, err := t.ReadCommitted(t.topic, len(t.want))
	if err != nil {
		return err
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(t.want))
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			return fmt.Errorf("read %d records, %v; want %s", len(got), got[min(i, len(got)):min(i+3, len(got))], want[i])
		}
	}
	return nil
}

func (t *transactions) commit() error {
	return t.with("id", time.Minute, func(p Producer) error {
		return firstOf(t.write(p, "commit"), t.visible)
	})
}

func (t *transactions) abort() error {
	return t.with("id", time.Minute, func(p Producer) error {
		if err := p.Send(t.topic, values("abort")); err != nil {
			return err
		}
		err := firstOf(p.End(false), func() error { return t.write(p, "after") })
		return firstOf(err, t.visible)
	})
}

func (t *transactions) fenced() (fenced, err error) {
	err = t.with("id", time.Minute, func(first Producer) error {
		if err := first.Send(t.topic, values("zombie")); err != nil {
			return err
		}
		return t.with("id", time.Minute, func(second Producer) error {
			err := t.write(second, "second")
			fenced = first.End(true)
			return firstOf(err, t.visible)
		})
	})
	return fenced, err
}

// timeout has a producer that stalls; what another commits cannot be read before the first has timed out.
func (t *transactions) timeout() (fenced, err error) {
	err = t.with("late", 2*time.Second, func(late Producer) error {
		if err := late.Send(t.topic, values("late")); err != nil {
			return err
		}
		err := t.with("id", time.Minute, func(p Producer) error { return t.write(p, "past") })
		err = firstOf(err, t.visible)
		fenced = late.End(true)
		return err
	})
	return fenced, err
}

// Source is a group's member that reads for Pump.
type Source interface {
	// Take gives the next records, read_committed, at most count.
	Take(count int) ([]Value, error)
	Close() error
}

// Pump does what Transform says: open gives a new member, which begins at what is committed, and send puts the offsets that a
// source has come to into the producer's transaction.
func Pump(p Producer, open func() (Source, error), send func(Source) error, to string, count int) error {
	from, err := open()
	if err != nil {
		return err
	}
	for done, round := 0, 0; done < count; round++ {
		in, err := from.Take(min(count-done, count/6))
		if err != nil {
			return err
		}
		out := slices.Clone(in)
		for i := range out {
			out[i].Value = "out-" + out[i].Value
		}
		err = firstOf(p.Send(to, out), func() error { return send(from) })
		err = firstOf(err, func() error { return p.End(round != 1) })
		if err != nil {
			return fmt.Errorf("transaction %d: %w", round, err)
		}
		if round != 1 {
			done += len(in)
			continue
		}
		if err := from.Close(); err != nil {
			return err
		}
		if from, err = open(); err != nil {
			return err
		}
	}
	return from.Close()
}

// transact is the verb, where the client has transactions.
func transact(c Client, topic string) {
	t, ok := c.(Transactor)
	if !ok {
		fmt.Println("skip commit: it has no transactions")
		return
	}
	Transact(t, topic, strings.Join(os.Args[4:], ""))
}
