package invoke_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/upkeep"
)

// countingKV counts the commits that reads bring.
type countingKV struct {
	coordination.KV
	commits int
}

func (k *countingKV) Read(ctx context.Context, ranges ...coordination.Range) ([]coordination.Page, error) {
	pages, err := k.KV.Read(ctx, ranges...)
	for i := range pages {
		if strings.HasSuffix(ranges[i].Prefix, "/log/commits/") {
			k.commits += len(pages[i].Items)
		}
	}
	return pages, err
}

// Until the floor has passed them etcd keeps the empty keys of commits that heads cover: with busy brokers, those of some minutes.
func TestCost_AColdEnvironmentDoesNotReadCommitsThatHeadsCover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		slowFloor := func(s *upkeep.Settings) { s.Lag = time.Hour }
		broker := c.Instance("broker", coretest.Options{RunUpkeep: true, Upkeep: slowFloor}).Ready()
		defer broker.Stop()
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 2)}
		for range 40 {
			broker.MustProduce(coretest.Plain(tp, "a"))
		}
		time.Sleep(time.Minute) // checkpointed, and emptied
		broker.MustProduce(coretest.Plain(tp, "b"))
		kept := len(c.Items(coordination.NewKeys("test").Commits()))
		kv := &countingKV{KV: newEnvironment(c, "f").KV}
		e := withKV(c, kv)
		bases := mustProduce(t, e, "t", coretest.Plain(tp, "c"), coretest.Plain(record.TopicPartition{Topic: tp.Topic, Partition: 1}, "d"))
		if bases[0] != 41 || bases[1] != 0 {
			t.Errorf("offsets %v, want 41 and 0", bases)
		}
		if kept < 41 || kv.commits > 3 {
			t.Errorf("etcd has %d commits, and the invocation has read %d: want the two that no head covers", kept, kv.commits)
		}
	})
}

// withKV is newEnvironment on a KV of the test's.
func withKV(c *coretest.Cluster, kv coordination.KV) *invoke.Environment {
	s := newEnvironment(c, "f").Settings
	s.KV = kv
	return invoke.New(s)
}

// What is remembered of one etcd says nothing about another.
func TestVisit_ALostEtcdTakesWhatWasCoveredWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := coretest.NewCluster(t), coretest.NewCluster(t)
		broker := old.Instance("broker", coretest.Options{RunUpkeep: true}).Ready()
		tp := record.TopicPartition{Topic: old.CreateTopic("t", 1)}
		for range 40 {
			broker.MustProduce(coretest.Plain(tp, "a"))
		}
		time.Sleep(time.Minute)
		broker.MustProduce(coretest.Plain(tp, "a"))
		kv := &countingKV{KV: newEnvironment(old, "f").KV}
		e := withKV(old, kv)
		mustProduce(t, e, "t", coretest.Plain(tp, "b"))
		broker.Stop()

		other := fresh.Instance("broker", coretest.Options{}).Ready()
		defer other.Stop()
		tp.Topic = fresh.CreateTopic("t", 1)
		for range 3 {
			other.MustProduce(coretest.Plain(tp, "x"))
		}
		kv.KV = newEnvironment(fresh, "f").KV
		_, done, err := e.Begin(t.Context(), stream.Need{Topics: []string{"t"}})
		if err != nil {
			t.Fatal(err)
		}
		done()
		e.End()
		if bases := mustProduce(t, e, "t", coretest.Plain(tp, "y")); bases[0] != 3 {
			t.Errorf("offset %d, want 3", bases[0])
		}
	})
}

// A cold member of a group knows its partitions before it has read anything of the log.
func TestCost_AColdMemberDoesNotReadThemEither(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		slowFloor := func(s *upkeep.Settings) { s.Lag = time.Hour }
		broker := c.Instance("broker", coretest.Options{RunUpkeep: true, Upkeep: slowFloor}).Ready()
		defer broker.Stop()
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		for range 40 {
			broker.MustProduce(coretest.Plain(tp, "a"))
		}
		time.Sleep(time.Minute)
		kv := &countingKV{KV: newEnvironment(c, "f").KV}
		e := withKV(c, kv)
		ctx, done, err := e.Begin(t.Context(), stream.Need{Topics: []string{"t"}, Assigned: []record.TopicPartition{tp}})
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		defer e.End()
		if err := e.Stream.Barrier(ctx); err != nil || kv.commits > 0 {
			t.Errorf("%d commits read, %v; heads cover all", kv.commits, err)
		}
	})
}
