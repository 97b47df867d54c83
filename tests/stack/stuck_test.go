//go:build stack

package stack_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

const mib = 1 << 20

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/mib) }

// Clients that ask for all there is and read no answer hold at most the memory set aside for
// answers, and only theirs: others go on.
func TestStuckClients_HarmOnlyThemselves(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	seeds := []string{b.Kafka}
	createTopic(t, seeds, 1, nil, "large")
	p := newClient(t, seeds, kgo.DefaultProduceTopic("large"), kgo.ProducerBatchCompression(kgo.NoCompression()))
	value := []byte(strings.Repeat("0123456789abcdef", 1<<10))
	for range 2 << 10 { // 32 MiB
		p.Produce(t.Context(), &kgo.Record{Value: value}, nil)
	}
	if err := p.Flush(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	tr := startTraffic(t, seeds, "unharmed", 2)
	alone := tr.more(5000)
	before := b.Resident()
	const clients, requests = 40, 30
	for range clients {
		w := dial(t, b)
		if err := w.Conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		for i := range requests {
			if _, err := w.Write(frame(fetchAll("large"), 12, int32(i))); err != nil {
				t.Fatal(err)
			}
		}
		for i := range requests {
			if _, err := w.Write(produceFrame(t, "large", int32(1000+i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	beside := tr.more(5000)
	after := b.Resident()
	harness.Table(t, "clients that never read", [][2]string{
		{"clients, requests of each", fmt.Sprint(clients, ", ", 2*requests)},
		{"memory of the broker before", mebibytes(before)},
		{"memory of the broker after", mebibytes(after)},
		{"5000 records of others before", alone.Round(time.Millisecond).String()},
		{"5000 records of others beside them", beside.Round(time.Millisecond).String()},
	})
	if after-before > 900*mib { // 256 MiB for answers, twice while they are encoded, and what the collector leaves
		t.Errorf("memory grew by %s", mebibytes(after-before))
	}
	tr.check()
}

// fetchAll asks for as much of partition 0 as a client may ask for.
func fetchAll(topic string) kmsg.Request {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MaxWaitMillis, req.MinBytes = 50*mib, 500, 1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.PartitionMaxBytes = 50 * mib
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

func produceFrame(t *testing.T, topic string, correlation int32) []byte {
	t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = batchOf(t, time.Now().UnixNano(), 0, 0)
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return frame(req, 9, correlation)
}

// idleMax is how many connections are tried; the limit of open files may allow fewer.
const idleMax = 10_000

func TestIdleConnections_CostLittle(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	n := min(idleMax, int(limit.Cur)-1000)
	b := harness.StartDev(t, t.TempDir())
	tr := startTraffic(t, []string{b.Kafka}, "unharmed", 2)
	alone := tr.more(5000)
	before := b.Resident()
	start := time.Now()
	connectIdle(t, b, n)
	took := time.Since(start)
	beside := tr.more(5000)
	after := b.Resident()
	harness.Table(t, "idle connections", [][2]string{
		{"open files allowed", fmt.Sprint(limit.Cur)},
		{"connections, opened in", fmt.Sprint(n, ", ", took.Round(time.Millisecond))},
		{"memory of the broker before", mebibytes(before)},
		{"memory of the broker after", mebibytes(after)},
		{"for each connection", fmt.Sprintf("%.1f KiB", float64(after-before)/float64(n)/1024)},
		{"5000 records of others before", alone.Round(time.Millisecond).String()},
		{"5000 records of others beside them", beside.Round(time.Millisecond).String()},
	})
	if each := (after - before) / int64(n); each > 64<<10 {
		t.Errorf("an idle connection costs %d bytes", each)
	}
	tr.check()
}

// connectIdle opens connections that have asked once and then are silent.
func connectIdle(t *testing.T, b *harness.Broker, n int) {
	t.Helper()
	hello := frame(kmsg.NewPtrApiVersionsRequest(), 0, 77)
	conns := make([]net.Conn, n)
	t.Cleanup(func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	})
	var group sync.WaitGroup
	const dialers = 16
	for d := range dialers {
		group.Go(func() {
			answer := make([]byte, 4<<10)
			for i := d; i < n; i += dialers {
				conn, err := net.DialTimeout("tcp", b.Kafka, 30*time.Second)
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
				conns[i] = conn
				_, err = conn.Write(hello)
				if err == nil {
					err = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
				}
				if err == nil {
					_, err = conn.Read(answer)
				}
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
			}
		})
	}
	group.Wait()
}
