//go:build stack

package stack_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// newClient makes a franz-go client that ends with the test.
func newClient(t testing.TB, seeds []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(seeds...)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// newAdmin makes one that asks brokers each time: by default an answer of Metadata is given again for 5 s.
func newAdmin(t testing.TB, seeds []string) *kadm.Client {
	t.Helper()
	return kadm.NewClient(newClient(t, seeds, kgo.MetadataMinAge(10*time.Millisecond)))
}

// within bounds a step of a test.
func within(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

func createTopic(t testing.TB, seeds []string, partitions int32, configs map[string]*string, topic string) {
	t.Helper()
	if _, err := newAdmin(t, seeds).CreateTopic(within(t, 30*time.Second), partitions, 1, configs, topic); err != nil {
		t.Fatal(err)
	}
}

// extent is where a partition begins and ends.
type extent struct{ start, end int64 }

func ends(t testing.TB, seeds []string, topic string) map[int32]extent {
	t.Helper()
	admin, ctx := newAdmin(t, seeds), within(t, 30*time.Second)
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		t.Fatalf("start offsets of %s: %v", topic, err)
	}
	finish, err := admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = finish.Error()
	}
	if err != nil {
		t.Fatalf("end offsets of %s: %v", topic, err)
	}
	out := map[int32]extent{}
	finish.Each(func(o kadm.ListedOffset) {
		start, _ := starts.Lookup(topic, o.Partition)
		out[o.Partition] = extent{start.Offset, o.Offset}
	})
	return out
}
