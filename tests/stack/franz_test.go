//go:build stack

package stack_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// firstTime is the timestamp of record 0 where a test sets them; record n is n seconds later.
const firstTime = int64(1_700_000_000_000)

func timeOf(n int) time.Time { return time.UnixMilli(firstTime + 1000*int64(n)) }

func TestFranz_EveryCodecKeepsKeysHeadersAndTimes(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	seeds := []string{b.Kafka}
	for topic, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		createTopic(t, seeds, 3, nil, topic)
		p := newClient(t, seeds, kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(codec))
		const n = 1000
		sent := map[string]*kgo.Record{}
		var records []*kgo.Record
		for i := range n {
			r := &kgo.Record{Timestamp: timeOf(i), Value: []byte(fmt.Sprint("value-", i)), Headers: []kgo.RecordHeader{{Key: "n", Value: fmt.Append(nil, i)}, {Key: "n"}}}
			if i%3 > 0 {
				r.Key = fmt.Appendf(nil, "key-%d", i%7)
			}
			if i%10 == 9 {
				r.Headers = nil
			}
			records, sent[string(r.Value)] = append(records, r), r
		}
		if err := p.ProduceSync(within(t, time.Minute), records...).FirstErr(); err != nil {
			t.Fatalf("%s: %v", topic, err)
		}
		for _, got := range readAll(t, seeds, topic) {
			want := sent[string(got.Value)]
			if want == nil {
				t.Fatalf("%s: read %q, which was never sent or came twice", topic, got.Value)
			}
			delete(sent, string(got.Value))
			if g, w := described(got), described(want); g != w {
				t.Errorf("%s: read %s, sent %s", topic, g, w)
			}
		}
		if len(sent) > 0 {
			t.Errorf("%s: %d records are missing", topic, len(sent))
		}
	}
}

// described is all that must come back as it was sent. %#v tells an empty key from none.
func described(r *kgo.Record) string {
	return fmt.Sprintf("%d/%d key %#v headers %#v at %d", r.Partition, r.Offset, r.Key, r.Headers, r.Timestamp.UnixMilli())
}

func TestFranz_SeeksByTimeAcrossBrokers(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 2})
	seeds := c.Seeds()
	createTopic(t, seeds, 1, nil, "times")
	p := newClient(t, seeds[:1], kgo.DefaultProduceTopic("times"))
	for i := range 20 { // a batch each
		if err := p.ProduceSync(within(t, time.Minute), &kgo.Record{Timestamp: timeOf(i), Value: fmt.Append(nil, i)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for _, seed := range seeds {
		admin := newAdmin(t, []string{seed})
		for ask, want := range map[int64]int64{timeOf(0).UnixMilli() - 5: 0, timeOf(7).UnixMilli(): 7, timeOf(7).UnixMilli() + 1: 8, timeOf(19).UnixMilli(): 19, timeOf(20).UnixMilli(): 20} {
			// kadm gives the end where nothing is as late.
			got, err := admin.ListOffsetsAfterMilli(within(t, time.Minute), ask, "times")
			if err != nil {
				t.Fatal(err)
			}
			if o, _ := got.Lookup("times", 0); o.Offset != want || o.Err != nil {
				t.Errorf("first offset at or after %d: %d, %v, want %d", ask-firstTime, o.Offset, o.Err, want)
			}
		}
	}
	reader := newClient(t, seeds, kgo.ConsumeTopics("times"), kgo.ConsumeStartOffset(kgo.NewOffset().AfterMilli(timeOf(12).UnixMilli())))
	fetches := reader.PollFetches(within(t, time.Minute))
	if err := fetches.Err(); err != nil {
		t.Fatal(err)
	}
	if got := string(fetches.Records()[0].Value); got != "12" {
		t.Errorf("first record from time 12 on: %s", got)
	}
}

// settleMax is how long a broker may take to follow what was acknowledged by another one, where no barrier is promised.
const settleMax = 30 * time.Second

func TestFranz_AdministersTopics(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 2})
	ctx := within(t, 2*time.Minute)
	one, other := newAdmin(t, c.Seeds()[:1]), newAdmin(t, c.Seeds()[1:])
	retention := "3600000"
	if _, err := one.CreateTopic(ctx, 4, 1, map[string]*string{"retention.ms": &retention}, "admin"); err != nil {
		t.Fatal(err)
	}
	if _, err := other.CreateTopic(ctx, 4, 1, nil, "admin"); !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Errorf("create it again through the other broker: %v", err)
	}
	if got := configOf(t, other, "admin", "retention.ms"); got != retention {
		t.Errorf("retention.ms read through the other broker: %s", got)
	}
	if _, err := other.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr("7200000")}}, "admin"); err != nil {
		t.Fatal(err)
	}
	// A change of what a broker knows already comes to it by its watch: as in Kafka, it may be behind.
	harness.Await(t, settleMax, "retention.ms, changed through the other broker", func() error {
		if got := configOf(t, one, "admin", "retention.ms"); got != "7200000" {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
	if res, err := one.CreatePartitions(ctx, 2, "admin"); err != nil || res.Error() != nil {
		t.Fatal(err, res.Error())
	}
	harness.Await(t, settleMax, "two more partitions at the other broker", func() error {
		described, err := other.ListTopics(ctx, "admin")
		if n := len(described["admin"].Partitions); err == nil && n != 6 {
			err = fmt.Errorf("there are %d", n)
		}
		return err
	})
	if _, err := one.DeleteTopic(ctx, "admin"); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, settleMax, "the end of the topic at the other broker", func() error {
		left, err := other.ListTopics(ctx)
		if err == nil && left.Has("admin") {
			err = fmt.Errorf("topics %v", left.Names())
		}
		return err
	})
	if _, err := other.DeleteTopic(ctx, "admin"); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("delete it again: %v", err)
	}
}

func configOf(t *testing.T, admin *kadm.Client, topic, name string) string {
	t.Helper()
	all, err := admin.DescribeTopicConfigs(within(t, time.Minute), topic)
	if err != nil {
		t.Fatal(err)
	}
	r, err := all.On(topic, nil)
	if err != nil || r.Err != nil {
		t.Fatal(err, r.Err)
	}
	for _, c := range r.Configs {
		if c.Key == name {
			return c.MaybeValue()
		}
	}
	return "not there"
}

func TestFranz_DeletedRecordsAreGoneEverywhere(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 2})
	createTopic(t, c.Seeds(), 1, nil, "shrink")
	p := newClient(t, c.Seeds(), kgo.DefaultProduceTopic("shrink"))
	for i := range 100 {
		p.Produce(t.Context(), kgo.StringRecord(fmt.Sprint(i)), nil)
	}
	if err := p.Flush(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	var before kadm.Offsets
	before.AddOffset("shrink", 0, 40, -1)
	res, err := newAdmin(t, c.Seeds()[:1]).DeleteRecords(within(t, time.Minute), before)
	if err != nil || res.Error() != nil {
		t.Fatal(err, res.Error())
	}
	for _, seed := range c.Seeds() {
		if got := ends(t, []string{seed}, "shrink")[0]; got != (extent{40, 100}) {
			t.Errorf("%s says the partition is %v", seed, got)
		}
		if got := readAll(t, []string{seed}, "shrink"); len(got) != 60 || string(got[0].Value) != "40" {
			t.Errorf("read %d records through %s", len(got), seed)
		}
	}
}
