//go:build stack

package frames

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

var captureFlag = flag.Bool("capture", false, "write testdata anew")

// Bounds of what is kept: enough to reach every API that clients use, and small enough to be mutated often.
const (
	frameKeptMax   = 3 << 10
	framesKeptMax  = 40 // of a conversation
	sameKeptMax    = 2  // frames of one API in a conversation
	conversationsN = 14 // of a client
)

// wiretap is a proxy that writes down what clients send.
type wiretap struct {
	mu      sync.Mutex
	streams []*bytes.Buffer
}

// serve runs until the listener is closed.
func (w *wiretap) serve(listener net.Listener, target string) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		heard := &bytes.Buffer{}
		w.mu.Lock()
		w.streams = append(w.streams, heard)
		w.mu.Unlock()
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", target)
			if err != nil {
				return
			}
			defer server.Close()
			go func() {
				_, _ = io.Copy(client, server)
				client.Close()
			}()
			buffer := make([]byte, 64<<10)
			for {
				n, err := client.Read(buffer)
				w.mu.Lock()
				heard.Write(buffer[:n])
				w.mu.Unlock()
				if err != nil {
					return
				}
				if _, err := server.Write(buffer[:n]); err != nil {
					return
				}
			}
		}()
	}
}

// kept gives the conversations that show the most kinds of requests.
func (w *wiretap) kept() (out []conversation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []conversation
	for _, s := range w.streams {
		count := map[string]int{}
		var c conversation
		for _, frame := range parse(s.Bytes()) {
			if api := apiOf(frame); len(frame) <= frameKeptMax && len(c) < framesKeptMax && count[api] < sameKeptMax {
				count[api]++
				c = append(c, frame)
			}
		}
		all = append(all, c)
	}
	known := map[string]bool{}
	news := func(c conversation) (n int) {
		seen := map[string]bool{}
		for _, frame := range c {
			if api := apiOf(frame); !known[api] && !seen[api] {
				seen[api] = true
				n++
			}
		}
		return n
	}
	for len(out) < conversationsN && len(all) > 0 {
		best := slices.MaxFunc(all, func(a, b conversation) int { return news(a) - news(b) })
		if news(best) == 0 {
			break
		}
		for _, frame := range best {
			known[apiOf(frame)] = true
		}
		out = append(out, best)
	}
	return out
}

// TestCapture_OfRealClients writes testdata anew, when it is asked to.
func TestCapture_OfRealClients(t *testing.T) {
	if !*captureFlag {
		return
	}
	for client, talk := range map[string]func(t *testing.T, address string){
		"franz-go": franz,
		"kcat": func(t *testing.T, address string) {
			harness.Kcat(t, []byte("k:v\nk2:v2\n"), "-b", address, "-P", "-t", "kcat", "-K:", "-X", "enable.idempotence=true").Must(t)
			harness.Kcat(t, []byte("v\n"), "-b", address, "-P", "-t", "kcat", "-z", "lz4").Must(t)
			harness.Kcat(t, nil, "-b", address, "-C", "-t", "kcat", "-e").Must(t)
			harness.Kcat(t, nil, "-b", address, "-Q", "-t", "kcat:0:1").Must(t)
			harness.Kcat(t, nil, "-b", address, "-L").Must(t)
			harness.Kcat(t, nil, "-b", address, "-G", "kcat-group", "-e", "kcat").Must(t)
		},
		"python": func(t *testing.T, address string) { harness.Python(t, "round_trip.py", address, "python").Must(t) },
		"java":   func(t *testing.T, address string) { harness.Java(t, "RoundTrip.java", address, "java").Must(t) },
	} {
		listener, err := net.Listen("tcp", harness.Address(harness.FreePort(t)))
		if err != nil {
			t.Fatal(err)
		}
		b := harness.StartDev(t, t.TempDir(), "--advertise", listener.Addr().String())
		w := &wiretap{}
		go w.serve(listener, b.Kafka)
		talk(t, listener.Addr().String())
		listener.Close()
		var all conversation
		for _, c := range w.kept() {
			all = append(all, c.stream())
		}
		write(t, "testdata/"+client+".gz", all.stream())
		t.Logf("%s: %d conversations", client, len(all))
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// franz does what the other programs do, and what they do not: groups of both protocols, transactions, all of administration.
func franz(t *testing.T, address string) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	client := func(opts ...kgo.Opt) *kgo.Client {
		c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(address))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	admin := kadm.NewClient(client())
	_, err := admin.CreateTopics(ctx, 2, 1, map[string]*string{"retention.ms": kadm.StringPtr("3600000")}, "in", "out")
	check(err)
	txn := client(kgo.TransactionalID("t"), kgo.DefaultProduceTopic("in"))
	for i := range 3 {
		check(txn.BeginTransaction())
		check(txn.ProduceSync(ctx, kgo.KeyStringRecord("k", fmt.Sprint(i))).FirstErr())
		check(txn.EndTransaction(ctx, kgo.TransactionEndTry(i > 0)))
	}
	for _, modern := range []bool{false, true} {
		opts := []kgo.Opt{kgo.TransactionalID(fmt.Sprint("s", modern)), kgo.ConsumerGroup(fmt.Sprint("g", modern)), kgo.ConsumeTopics("in"), kgo.DefaultProduceTopic("out"),
			kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.InstanceID("one"), kgo.Rack("a")}
		if modern {
			opts = append(opts, kgo.WithContext(context.WithValue(ctx, "opt_in_kafka_next_gen_balancer_beta", true))) //nolint:staticcheck // the library's own key
		}
		s, err := kgo.NewGroupTransactSession(append(opts, kgo.SeedBrokers(address))...)
		check(err)
		check(s.PollFetches(ctx).Err())
		check(s.Begin())
		check(s.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr())
		_, err = s.End(ctx, kgo.TryCommit)
		check(err)
		s.Close()
	}
	administer(ctx, admin)
}

// administer calls what there is; the answers do not matter.
func administer(ctx context.Context, a *kadm.Client) {
	_, _ = a.Metadata(ctx)
	_, _ = a.DescribeGroups(ctx, "gfalse", "gtrue")
	_, _ = a.DescribeConsumerGroups(ctx, "gtrue")
	_, _ = a.ListGroups(ctx)
	_, _ = a.FetchOffsets(ctx, "gfalse")
	_, _ = a.DeleteOffsets(ctx, "gfalse", kadm.TopicsSet{"in": {0: {}}})
	_, _ = a.ListEndOffsets(ctx, "in")
	_, _ = a.ListOffsetsAfterMilli(ctx, 5, "in")
	_, _ = a.DescribeTopicConfigs(ctx, "in")
	_, _ = a.DescribeBrokerConfigs(ctx)
	_, _ = a.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr("100000")}}, "in")
	_, _ = a.CreatePartitions(ctx, 1, "in")
	_, _ = a.DeleteRecords(ctx, kadm.Offsets{"in": {0: {Topic: "in", At: 1, LeaderEpoch: -1}}})
	_, _ = a.DescribeProducers(ctx, kadm.TopicsSet{"in": {0: {}}})
	_, _ = a.DescribeTransactions(ctx, "t")
	_, _ = a.ListTransactions(ctx, nil, nil)
	_, _ = a.DescribeAllLogDirs(ctx, nil)
	_, _ = a.DescribeUserSCRAMs(ctx)
	_, _ = a.DescribeClientQuotas(ctx, false, nil)
	_, _ = a.DescribeACLs(ctx, kadm.NewACLs().Topics("in").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpAny).Allow("User:a").AllowHosts())
	_, _ = a.ElectLeaders(ctx, kadm.ElectPreferredReplica, nil)
	_, _ = a.OffsetForLeaderEpoch(ctx, kadm.OffsetForLeaderEpochRequest{})
	_, _ = a.DeleteGroups(ctx, "gfalse", "gtrue")
	_, _ = a.DeleteTopics(ctx, "in")
}

// apiOf is the API and its version, as they stand in a frame.
func apiOf(frame []byte) string {
	if len(frame) < 4 {
		return "none"
	}
	return fmt.Sprint(binary.BigEndian.Uint16(frame), " ", binary.BigEndian.Uint16(frame[2:]))
}
