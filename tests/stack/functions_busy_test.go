//go:build stack

package stack_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/localstack/lambda"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// What is short on each change and long for the figures (make figures-functions).
var (
	busyFor   = flag.Duration("busy", 6*time.Second, "how long brokers commit before functions are measured beside them")
	busyRate  = flag.Int("rate", 200, "records a second, each a commit of its own as far as brokers get so far")
	freezeFor = flag.Duration("freeze", 7*time.Second, "how long functions are frozen while all leases end")
	atOnce    = flag.Int("at-once", 20, "functions that are invoked at the same time")
)

const busyPartitions = 24

// counted stands between functions and etcd and counts what etcd sends.
type counted struct {
	address string
	bytes   atomic.Int64
}

func startCounted(t *testing.T, target string) *counted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c := &counted{address: l.Addr().String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(client, target)
		}
	}()
	return c
}

func (c *counted) serve(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client) // ends with either connection
		server.Close()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		c.bytes.Add(int64(n))
		if err != nil {
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// busy is a cluster whose brokers commit many times a second, and functions beside it. Objects lie in a folder: what is measured is etcd.
type busy struct {
	*functions
	etcd    *harness.Etcd
	brokers []*harness.Broker
	wire    *counted
	kv      coordination.KV
}

func startBusy(t *testing.T) *busy {
	t.Helper()
	b := &busy{etcd: harness.NewEtcd(t)}
	b.etcd.Up()
	kv := b.etcd.KV()
	t.Cleanup(func() { kv.Close() })
	b.kv = kv
	store := "file://" + t.TempDir()
	for i := range 3 {
		one := harness.NewBroker(t, fmt.Sprint("broker-", i), nil, "broker", "--store", store, "--etcd", b.etcd.Endpoint, "--linger", "1ms", "--settle-age", "0")
		b.brokers = append(b.brokers, one)
		one.Up()
	}
	b.wire = startCounted(t, b.etcd.Endpoint)
	b.functions = startFunctionsOn(t, []string{"FIRNLOG_STORE=" + store, "FIRNLOG_ETCD=" + b.wire.address}, 4)
	createTopic(t, []string{b.brokers[0].Kafka}, 1, nil, "t")
	createTopic(t, []string{b.brokers[0].Kafka}, busyPartitions, nil, "busy")
	return b
}

// commit has brokers commit until the test ends: one record at a time, each to the next partition.
func (b *busy) commit(t *testing.T, rate int) {
	t.Helper()
	client := newClient(t, []string{b.brokers[0].Kafka, b.brokers[1].Kafka, b.brokers[2].Kafka}, kgo.DefaultProduceTopic("busy"), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0), kgo.MetadataMinAge(250*time.Millisecond))
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	t.Cleanup(func() { cancel(); <-over })
	go func() {
		defer close(over)
		begin := time.Now()
		for i := 0; ctx.Err() == nil; i++ {
			time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(rate)))) // the pace is what is asked for
			client.Produce(ctx, &kgo.Record{Partition: int32(i % busyPartitions), Value: []byte("a record of some bytes, as there are many")}, nil)
		}
	}()
}

// commits counts the commits in etcd, those that have their values still, and their bytes.
func (b *busy) commits(t *testing.T, since coordination.Revision) (all, full, bytes int, at coordination.Revision) {
	t.Helper()
	page, err := b.kv.List(t.Context(), coordination.Range{Prefix: coordination.NewKeys("default").Commits(), MinCreate: since})
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range page.Items {
		all++
		if len(it.Value) > 0 {
			full++
		}
		bytes += len(it.Key) + len(it.Value)
	}
	return all, full, bytes, page.Revision
}

// measure invokes something and gives what etcd sent for it.
func (b *busy) measure(do func() lambda.Result) (bytes int64, r lambda.Result) {
	before := b.wire.bytes.Load()
	r = do()
	return b.wire.bytes.Load() - before, r
}

// seen are the measurements of one kind of invocation.
type seen struct {
	bytes []int64
	took  []time.Duration
	peak  int64
}

func (s *seen) add(bytes int64, r lambda.Result) {
	s.bytes, s.took, s.peak = append(s.bytes, bytes), append(s.took, r.Took), max(s.peak, r.PeakBytes)
}

func (s *seen) row(name string) [2]string {
	slices.Sort(s.bytes)
	slices.Sort(s.took)
	n := len(s.took)
	return [2]string{name, fmt.Sprintf("%6d KiB from etcd, %s (most %s), %.1f MiB of memory at most", s.bytes[n/2]>>10, inMillis(s.took[n/2]), inMillis(s.took[n-1]), float64(s.peak)/(1<<20))}
}

func inMillis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// What a cold function reads beside busy brokers is bounded: by what was committed since the last checkpoint, not by what etcd keeps of commits
// that heads cover. The bound that fails this test is generous; the table says what was measured.
func TestFunctions_ColdBesideBusyBrokersReadWhatWasCommittedLately(t *testing.T) {
	b := startBusy(t)
	b.write("first")
	b.commit(t, *busyRate)
	_, _, _, from := b.commits(t, 1<<60)
	begin := time.Now()
	time.Sleep(*busyFor) // that is what is measured
	made, _, _, _ := b.commits(t, from+1)
	rate := float64(made) / time.Since(begin).Seconds()
	var coldWrite, warmWrite, coldBusy, coldRead seen
	read := func(topic string) lambda.Result {
		_, r := b.request("consumer", "GET", "/topics/"+topic+"/partitions/0/records?offset=0&timeout=0&max_bytes=1000", "", "", 200)
		return r
	}
	for range 7 {
		b.Recycle("producer")
		coldWrite.add(b.measure(func() lambda.Result { return b.write("cold") }))
		warmWrite.add(b.measure(func() lambda.Result { return b.write("warm") }))
		b.Recycle("consumer")
		coldRead.add(b.measure(func() lambda.Result { return read("t") }))
		b.Recycle("consumer")
		coldBusy.add(b.measure(func() lambda.Result { return read("busy") }))
	}
	all, full, bytes, _ := b.commits(t, 0)
	harness.Table(t, fmt.Sprintf("functions beside three brokers that commit %.0f times a second (asked for: %d), after %v", rate, *busyRate, *busyFor), [][2]string{
		{"commits in etcd", fmt.Sprintf("%d, %d of them with values, %d KiB", all, full, bytes>>10)},
		coldWrite.row("write, cold"), warmWrite.row("write, warm"), coldRead.row("read a quiet topic, cold"), coldBusy.row("read a busy topic, cold"),
	})
	if os.Getenv("CI") == "" && rate < float64(*busyRate)/2 {
		t.Logf("the machine was too busy for the rate that was asked for")
	}
}
