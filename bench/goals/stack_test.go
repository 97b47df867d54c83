//go:build stack

package goals

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/bench"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

var (
	sizeMiB = flag.Int64("size", 64, "MiB of each produce")
	rounds  = flag.Int("rounds", 1, "turns of what is put side by side")
	seconds = flag.Int("seconds", 5, "of each load at a fixed rate")
	idleFor = flag.Duration("idle", 5*time.Second, "how long after its start the memory of an idle broker counts")
	only    = flag.String("only", "puts,latency,memory,partitions,life", "what to measure")
)

func wanted(part string) bool { return strings.Contains(","+*only+",", ","+part+",") }

// TestGoals prints what is promised beside what is measured. It fails where something cannot be measured, not where a goal is missed: that
// depends on the machine, and on what else it does.
func TestGoals(t *testing.T) {
	var table Table
	before := Load()
	size := *sizeMiB * mib
	idle := idleMemory(t)
	if wanted("latency") { // first: nothing else works
		latencies(t, &table)
	}
	if wanted("memory") {
		addIdle(t, &table, <-idle)
	}
	var busiest []*node
	if wanted("puts") || wanted("partitions") {
		busiest = append(busiest, onMinIO(t), onFile(t, "", "--linger", "10ms"))
	}
	if wanted("puts") {
		besidePuts(t, &table, busiest[0], size)
	}
	if wanted("partitions") {
		manyPartitions(t, &table, busiest, size)
	}
	if wanted("memory") && len(busiest) > 0 {
		fullMemory(t, &table, busiest, size)
	}
	if wanted("life") {
		for _, b := range busiest {
			b.Kill()
		}
		wholeLife(t, &table, size)
	}
	t.Logf("\n%d cores, %s; load of one minute, five and fifteen before: %s, after: %s. Produce of %d MiB, %d rounds, medians; %d s of each load at a fixed rate.\n\n%s",
		runtime.NumCPU(), runtime.Version(), before, Load(), *sizeMiB, *rounds, *seconds, &table)
}

// node is a broker, with those processes that work for it.
type node struct {
	*harness.Broker
	what    string
	servers []int
	cluster *harness.Cluster // of the one on MinIO
}

func (n *node) watched() *bench.Watched {
	return &bench.Watched{PIDs: []int{n.Pid()}, HTTP: []string{n.HTTP}}
}

func onMinIO(t *testing.T) *node {
	t.Helper()
	c := harness.StartCluster(t, harness.Options{Brokers: 1})
	return &node{Broker: c.Brokers[0], what: "MinIO", servers: []int{c.MinIO.Pid(), c.Etcd.Pid()}, cluster: c}
}

// onFile keeps objects in a folder, with the parameters of a store URL.
func onFile(t *testing.T, query string, args ...string) *node {
	t.Helper()
	etcd := harness.NewEtcd(t)
	etcd.Up()
	b := harness.NewBroker(t, "on-file", nil, append([]string{"broker", "--store", "file://" + t.TempDir() + query, "--etcd", etcd.Endpoint}, args...)...)
	b.Up()
	return &node{Broker: b, what: "file", servers: []int{etcd.Pid()}}
}

// besidePuts is what the whole machine works for a byte that a broker takes, beside one that is put as it is.
func besidePuts(t *testing.T, table *Table, n *node, size int64) {
	t.Helper()
	store := bucket(t, n.cluster.MinIO, "raw")
	var through, raw []sums
	for round := -1; round < *rounds; round++ { // the first only warms up
		bytes := size
		if round < 0 {
			bytes = max(size/8, segmentBytes)
		}
		_, s := run(t, load(n.Kafka, name("puts-", round+1), 12, bytes), bench.WorkProduce, n.watched(), n.servers...)
		r := measured(t, bytes, n.servers, func() { put(t, store, round, bytes) })
		remove(t, store, round, bytes)
		if round >= 0 {
			through, raw = append(through, s), append(raw, r)
			t.Logf("through a broker: %.2f core-s/GiB, without the client %.2f, broker alone %.2f; raw PUTs: %.2f; others: %.2f and %.2f", s.machine, s.machine-s.client, s.broker, r.machine, s.others, r.others)
		}
	}
	machine := func(s *sums) float64 { return s.machine }
	own := func(s *sums) float64 { return s.machine - s.others }
	bare := of(raw, machine)
	table.AtLeast("bytes per core-second of the whole machine, client included, produce of 12 partitions to MinIO ÷ raw 8 MiB PUTs", 0.6, bare/of(through, machine), "%.2f")
	table.Note("the same without the client's own work (franz-go)", "%.2f", bare/of(through, func(s *sums) float64 { return s.machine - s.client }))
	table.Note("the same, client included, counting only processes that have to do with it (not what else the machine did)", "%.2f", of(raw, own)/of(through, own))
	table.Note("core-seconds a GiB: raw PUTs, through a broker, of these client, broker", "%.2f, %.2f, %.2f, %.2f", bare, of(through, machine),
		of(through, func(s *sums) float64 { return s.client }), of(through, func(s *sums) float64 { return s.broker }))
	others := func(s *sums) float64 { return s.others / s.machine }
	table.Note("share of the machine's work that was others' and the kernel's for nobody: raw PUTs, through a broker", "%.0f %%, %.0f %%", 100*of(raw, others), 100*of(through, others))
}

// manyPartitions puts 1,000 of them beside 12, with the same bytes.
func manyPartitions(t *testing.T, table *Table, nodes []*node, size int64) {
	t.Helper()
	for _, n := range nodes {
		few, many := make([]sums, 0, *rounds), make([]sums, 0, *rounds)
		for round := range *rounds {
			_, f := run(t, load(n.Kafka, name("few-", round), 12, size), bench.WorkProduce, n.watched(), n.servers...)
			_, m := run(t, load(n.Kafka, name("many-", round), 1000, size), bench.WorkProduce, n.watched(), n.servers...)
			few, many = append(few, f), append(many, m)
			t.Logf("%s: 12 partitions %.1f MiB/s, 1,000 partitions %.1f MiB/s", n.what, f.speed, m.speed)
		}
		pair := func(what, form string, number func(*sums) float64) {
			table.Note(fmt.Sprintf("%s, 12 and 1,000 partitions", what), form+", "+form, of(few, number), of(many, number))
		}
		speed := func(s *sums) float64 { return s.speed }
		puts := func(s *sums) float64 { return s.puts }
		table.AtLeast("produce throughput on "+n.what+", 1,000 partitions ÷ 12", 0.9, of(many, speed)/of(few, speed), "%.2f")
		table.AtMost("PUTs a GiB on "+n.what+", 1,000 partitions ÷ 12 (goal: the same, here within a tenth)", 1.1, of(many, puts)/of(few, puts), "%.2f")
		pair("MiB/s", "%.1f", speed)
		pair("PUTs a GiB", "%.0f", puts)
		pair("broker, core-seconds a GiB", "%.2f", func(s *sums) float64 { return s.broker })
		pair("client, core-seconds a GiB", "%.2f", func(s *sums) float64 { return s.client })
		pair("whole machine, core-seconds a GiB", "%.2f", func(s *sums) float64 { return s.machine })
	}
}
