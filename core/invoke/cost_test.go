package invoke_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
)

func wantRequests(t *testing.T, c *coretest.Cluster, name, want string) {
	t.Helper()
	if got := strings.Join(c.Transcript(), "\n"); got != strings.TrimSpace(want) {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, strings.TrimSpace(want))
	}
}

// Three round trips to etcd and one PUT, cold or warm, whatever the number of partitions and batches.
func TestCost_OfAnInvocationThatWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		c.Instance("broker", coretest.Options{}).Ready()
		id := c.CreateTopic("t", 40)
		e := newEnvironment(c, "f")
		synctest.Wait()
		var batches []ingest.Incoming
		for i := range int32(40) {
			tp := record.TopicPartition{Topic: id, Partition: i}
			batches = append(batches, coretest.Plain(tp, "a"), coretest.Idempotent(tp, 7, 0, 0, "b"))
		}
		for _, name := range []string{"cold", "warm"} {
			c.Transcript()
			if name == "warm" {
				batches = []ingest.Incoming{coretest.Plain(record.TopicPartition{Topic: id}, "c")}
			}
			mustProduce(t, e, "t", batches...)
			var own []string
			for _, line := range c.Transcript() {
				if strings.HasPrefix(line, "f ") {
					own = append(own, line)
				}
			}
			want := "f kv read log/format\nf store put segments/<id>\nf kv commit log/commits/<id>\nf kv read log/format"
			if got := strings.Join(own, "\n"); got != want {
				t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
			}
		}
	})
}

// One round trip says where a partition ends and where its bytes are, when the topic is remembered.
func TestCost_OfAnInvocationThatReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		broker := c.Instance("broker", coretest.Options{}).Ready()
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		broker.MustProduce(coretest.Plain(tp, "a", "b"))
		e := newEnvironment(c, "f")
		read := func() string {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			ctx, done, err := e.Begin(ctx, stream.Need{Topics: []string{"t"}, Partitions: map[string][]int32{"t": {0}}})
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			defer e.End()
			got := e.Reader.Fetch(ctx, fetch.Request{Partitions: []fetch.Partition{{TopicPartition: tp, BytesMax: 1 << 20}}, BytesMin: 1, BytesMax: 1 << 20})[0]
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			var values []string
			for _, r := range coretest.Records(t, got.Batches) {
				values = append(values, r.Value)
			}
			return strings.Join(values, "")
		}
		synctest.Wait()
		c.Transcript()
		if got := read(); got != "ab" {
			t.Errorf("read %q", got)
		}
		wantRequests(t, c, "cold", "f kv read log/format\nf kv read log/format\nf store get segments/<id>")
		broker.MustProduce(coretest.Plain(tp, "c"))
		synctest.Wait()
		c.Transcript()
		if got := read(); got != "abc" {
			t.Errorf("read %q, written after the environment was frozen", got)
		}
		wantRequests(t, c, "warm", "f kv read log/format\nf store get segments/<id>")
	})
}

// An invocation waits for records that are not there yet, and gets them.
func TestRead_WaitsForRecordsThatABrokerWritesMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		broker := c.Instance("broker", coretest.Options{}).Ready()
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		e := newEnvironment(c, "f")
		ctx, done, err := e.Begin(t.Context(), stream.Need{Topics: []string{"t"}})
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		defer e.End()
		time.AfterFunc(3*time.Second, func() { broker.Ingest.Add(context.Background(), []ingest.Incoming{coretest.Plain(tp, "late")}) })
		start := time.Now()
		got := e.Reader.Fetch(ctx, fetch.Request{Partitions: []fetch.Partition{{TopicPartition: tp, BytesMax: 1 << 20}}, BytesMin: 1, BytesMax: 1 << 20, WaitMax: 20 * time.Second})[0]
		if took := time.Since(start); got.Err != nil || len(got.Batches) == 0 || took > 4*time.Second {
			t.Errorf("%d bytes after %v, %v; want the record soon after 3 s", len(got.Batches), took, got.Err)
		}
	})
}

func TestBegin_OneInvocationAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		c.Instance("broker", coretest.Options{}).Ready()
		e := newEnvironment(c, "f")
		_, done, err := e.Begin(t.Context(), stream.Need{})
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		if _, _, err := e.Begin(t.Context(), stream.Need{}); err != invoke.ErrBusy { //nolint:errorlint // unwrapped
			t.Errorf("a second one: %v", err)
		}
		e.End()
	})
}
