package invoke_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
)

// turn is one invocation of a member: it joins, reads what there is, and deals with it unless it dies before.
func turn(t *testing.T, e *invoke.Environment, member string, dies bool) (values []string, had int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ctx, done, err := e.BeginGroup(ctx, "g", member, stream.Need{Topics: []string{"t"}})
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	defer e.End()
	m, err := e.Join(ctx, "g", member, invoke.Subscription{Topics: []string{"t"}, Reset: consume.Earliest, Life: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Poll(ctx, 1<<20, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	next := map[record.TopicPartition]record.Offset{}
	for _, f := range got {
		if f.Err != nil {
			t.Fatal(f.Err)
		}
		next[f.Name()], err = consume.Walk(f.Result, f.Position, func(_ record.Header, one record.Record) (bool, error) {
			values = append(values, string(one.Value))
			return false, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !dies {
		if err := m.Commit(ctx, next); err != nil {
			t.Fatal(err)
		}
	}
	return values, len(m.Places())
}

// Two members in environments of their own, no broker, and minutes of freezing between any two steps.
func TestMember_TwoShareATopicThroughInvocationsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		c.Instance("broker", coretest.Options{}).Ready().Stop()
		id := c.CreateTopic("t", 4)
		writer := newEnvironment(c, "w")
		for i := range int32(4) {
			mustProduce(t, writer, "t", coretest.Plain(record.TopicPartition{Topic: id, Partition: i}, fmt.Sprint("v", i)))
		}
		a, b := newEnvironment(c, "a"), newEnvironment(c, "b")
		if got, had := turn(t, a, "one", true); len(got) != 4 || had != 4 {
			t.Errorf("the first has read %v of %d partitions", got, had)
		}
		time.Sleep(time.Minute)
		if got, had := turn(t, b, "two", false); len(got) != 0 || had != 0 {
			t.Errorf("the second has %v of %d partitions, which the first holds", got, had)
		}
		time.Sleep(time.Minute)
		a = newEnvironment(c, "a")
		got, had := turn(t, a, "one", false)
		time.Sleep(time.Minute)
		more, has := turn(t, b, "two", false)
		if had != 2 || has != 2 || len(got)+len(more) != 4 {
			t.Errorf("%v of %d partitions, and %v of %d", got, had, more, has)
		}
		time.Sleep(10 * time.Minute)
		if got, had := turn(t, a, "three", false); len(got) != 0 || had != 4 {
			t.Errorf("after both have ended: %v of %d partitions; all was committed", got, had)
		}
	})
}
