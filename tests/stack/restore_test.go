//go:build stack

package stack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/restore"
	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/storeurl"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// etcd is lost with all its data under load, and rebuilt from the bucket by firnlog restore, while the brokers run on. One of
// them was paused before and knows nothing of it.
func TestRestore_AfterEtcdWasLostClientsGoOn(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 3, Arguments: func(int) []string { return []string{"--journal-every", "1s"} }})
	tr := startTraffic(t, c.Seeds(), "restored", workers)
	group := startGroup(t, c.Seeds(), "restored")
	tx := startTransactions(t, c.Seeds())
	tr.more(3000)
	group.more(500)
	tx.more(5)
	c.Brokers[2].Pause() // in the middle of whatever it does
	tr.more(1000)

	before, committed, pairs := tr.acked(), group.committed(), tx.committed()
	awaitJournaled(t, c)
	tr.more(200)
	c.Etcd.Lose()
	c.Etcd.Up()
	for _, b := range c.Brokers[:2] {
		b.Said("etcd has lost this cluster")
	}
	start := time.Now()
	report := runRestore(t, c, 0)
	took := time.Since(start)
	start = time.Now()
	for _, b := range c.Brokers[:2] {
		harness.Await(t, time.Minute, b.Name+" serves", b.Serves)
	}
	ready := time.Since(start)
	t.Logf("restored in %v, brokers are ready %v later: %d topics, %d offsets, %d records put back, %d journal objects", took.Round(time.Millisecond), ready.Round(time.Millisecond),
		report.Topics, report.Records, report.RecordsPutBack(), report.JournalObjects)

	t.Logf("producers go on after %v", tr.more(1).Round(time.Millisecond))
	c.Brokers[2].Continue()
	c.Brokers[2].Said("reading the log anew")
	harness.Await(t, time.Minute, "the paused broker has begun anew", c.Brokers[2].Serves)
	tr.more(3000)
	t.Logf("the group goes on after %v, transactions after %v", group.more(500).Round(time.Millisecond), tx.more(5).Round(time.Millisecond))
	if c.Brokers[2].Ended() {
		t.Error("the paused broker has ended")
	}
	group.checkFrom(committed)
	tr.checkRestored(before)
	tx.check(pairs)
}

// Without a restore nobody begins a new cluster beside the old one's objects, unless told to.
func TestRestore_ABrokerBeginsNoNewClusterOverTheObjectsOfALostOne(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 1, Arguments: func(int) []string { return []string{"--journal-every", "1s"} }})
	tr := startTraffic(t, c.Seeds(), "kept", 1)
	tr.more(500)
	tr.stop()
	tr.workers.Wait()
	awaitJournaled(t, c)
	c.Brokers[0].Kill()
	c.Etcd.Lose()
	c.Etcd.Up()
	c.Brokers[0].Start()
	c.Brokers[0].Said("firnlog restore --cluster default --store")
	harness.Await(t, time.Minute, "the broker has given up", func() error {
		if !c.Brokers[0].Ended() {
			return errors.New("it runs")
		}
		return nil
	})
	if n, err := c.Etcd.Count(t.Context(), "/firnlog/default/log/"); err != nil || n != 0 {
		t.Errorf("%d keys of a new cluster, %v", n, err)
	}
	dry := runRestore(t, c, 0, "--dry-run")
	if n, err := c.Etcd.Count(t.Context(), "/firnlog/default/log/"); err != nil || n != 0 {
		t.Errorf("a dry run has written %d keys, %v", n, err)
	}
	report := runRestore(t, c, 0)
	if report.Records != dry.Records || report.Records != int64(tr.count()) {
		t.Errorf("%d offsets, the dry run said %d, acknowledged were %d", report.Records, dry.Records, tr.count())
	}
	runRestore(t, c, 2) // not empty any more
	c.Brokers[0].Up()
	tr.check()
}

// runRestore runs the command as an operator does.
func runRestore(t *testing.T, c *harness.Cluster, code int, args ...string) (report restore.Report) {
	t.Helper()
	args = append([]string{"restore", "--store", storeOf(c), "--etcd", c.Etcd.Endpoint, "--json"}, args...)
	p := harness.NewProcess(t, "restore", harness.Firnlog(t), c.MinIO.Environ(), args...)
	p.Start()
	if got := p.Wait(time.Minute); got != code {
		t.Fatalf("restore ended with %d, want %d: %s", got, code, p.Output())
	}
	if code == 0 {
		if err := json.Unmarshal([]byte(p.Line("{", time.Minute)), &report); err != nil {
			t.Fatalf("%v: %s", err, p.Output())
		}
	}
	return report
}

func storeOf(c *harness.Cluster) string {
	return "minio://" + c.MinIO.Endpoint + "/firnlog/stack?tls=false"
}

// bucketOf opens the cluster's store for the test's own look.
func bucketOf(t *testing.T, c *harness.Cluster) objectstore.Store {
	t.Helper()
	for _, v := range c.MinIO.Environ() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	store, err := storeurl.Open(t.Context(), storeOf(c))
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// awaitJournaled waits until backups and journal hold every commit that etcd holds now.
func awaitJournaled(t *testing.T, c *harness.Cluster) {
	t.Helper()
	kv := c.Etcd.KV()
	defer kv.Close()
	page, err := kv.List(within(t, time.Minute), lastCommit)
	if err != nil {
		t.Fatal(err)
	}
	want := coordination.Revision(0)
	for _, it := range page.Items {
		want = max(want, it.Create)
	}
	store := bucketOf(t, c)
	harness.Await(t, time.Minute, "the journal has come to now", func() error {
		through, err := journaledThrough(t.Context(), store)
		if err == nil && through < want {
			err = fmt.Errorf("it is at revision %d of %d", through, want)
		}
		return err
	})
}

func journaledThrough(ctx context.Context, store objectstore.Store) (through coordination.Revision, err error) {
	roots, err := backup.Roots(ctx, store)
	if err != nil {
		return 0, err
	}
	if len(roots) > 0 {
		root, err := backup.ReadRoot(ctx, store, roots[len(roots)-1])
		if err != nil {
			return 0, err
		}
		through = root.Revision
	}
	names, err := backup.Journals(ctx, store, "")
	if err != nil || len(names) == 0 {
		return through, err
	}
	h, _, err := backup.ReadJournal(ctx, store, names[len(names)-1])
	return max(through, h.Through), err
}

// acked is what was acknowledged so far.
func (tr *traffic) acked() map[place]string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return maps.Clone(tr.mu.acked)
}

// checkRestored ends the traffic: what was acknowledged before is at its offset; all else that was acknowledged is there; nothing
// is there twice or out of order.
func (tr *traffic) checkRestored(before map[place]string) {
	tr.t.Helper()
	tr.stop()
	tr.workers.Wait()
	seen, at := map[string]bool{}, map[place]string{}
	last := map[string]int{}
	for _, r := range readAll(tr.t, tr.seeds, tr.topic) {
		value := string(r.Value)
		if seen[value] {
			tr.t.Errorf("duplicate: %.20q", value)
		}
		seen[value], at[place{r.Partition, r.Offset}] = true, value
		tr.checkOrder(last, r)
	}
	for p, value := range before {
		if at[p] != value {
			tr.t.Errorf("%v holds %.20q; journaled was %.20q", p, at[p], value)
		}
	}
	lost, moved := 0, 0
	for p, value := range tr.acked() {
		if !seen[value] {
			lost++
		} else if at[p] != value {
			moved++
		}
	}
	if lost > 0 {
		tr.t.Errorf("lost: %d acknowledged records", lost)
	}
	tr.t.Logf("%d records acknowledged; %d of them journaled and at their offsets, %d at other ones than acknowledged, none lost, none twice", len(tr.acked()), len(before), moved)
}

// group is a consumer that commits what it reads.
type group struct {
	t      *testing.T
	client *kgo.Client
	mu     sync.Mutex
	read   int
	marks  map[int32]int64 // committed, as acknowledged
	lowest map[int32]int64 // offsets read since checkFrom's marks were taken
}

func startGroup(t *testing.T, seeds []string, topic string) *group {
	t.Helper()
	g := &group{t: t, marks: map[int32]int64{}, lowest: map[int32]int64{}, client: newClient(t, seeds, kgo.ConsumeTopics(topic), kgo.ConsumerGroup("restored"), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxPartitionBytes(32<<10), kgo.MetadataMinAge(250*time.Millisecond))}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { g.run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	return g
}

func (g *group) run(ctx context.Context) {
	for ctx.Err() == nil {
		fetches := g.client.PollRecords(ctx, 200)
		g.mu.Lock()
		fetches.EachRecord(func(r *kgo.Record) {
			g.read++
			if low, ok := g.lowest[r.Partition]; !ok || r.Offset < low {
				g.lowest[r.Partition] = r.Offset
			}
		})
		g.mu.Unlock()
		if g.client.CommitUncommittedOffsets(ctx) != nil {
			continue
		}
		g.mu.Lock()
		for _, parts := range g.client.CommittedOffsets() {
			for p, o := range parts {
				g.marks[p] = o.Offset
			}
		}
		g.mu.Unlock()
	}
}

func (g *group) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.read
}

func (g *group) more(n int) time.Duration {
	g.t.Helper()
	from := g.count()
	return harness.Await(g.t, 2*healMax, fmt.Sprint(n, " more records read by the group"), func() error {
		if got := g.count() - from; got < n {
			return fmt.Errorf("only %d", got)
		}
		return nil
	})
}

// committed gives what was committed, and begins to note how far back the group reads from here on.
func (g *group) committed() map[int32]int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.lowest)
	return maps.Clone(g.marks)
}

// checkFrom: the group has not gone back before what it had committed when that was journaled.
func (g *group) checkFrom(marks map[int32]int64) {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for p, mark := range marks {
		if low, ok := g.lowest[p]; ok && low < mark {
			g.t.Errorf("partition %d: offset %d was read again, committed and journaled was %d", p, low, mark)
		}
	}
}
