//go:build stack

package clients

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

const (
	partitions  = 6
	afterKill   = 300 // records that come in once a member is dead
	settleMax   = 40 * time.Second
	takeOverMax = 75 * time.Second // members of KIP-848 have the session of the server, 45 s
	feedPause   = 5 * time.Millisecond
)

// threeMembers runs a group while records come in. Once each member has got one, one is killed (it
// cannot leave, and its last records may not be committed): the others must get all that it did not print.
func threeMembers(t *testing.T, c client, bootstrap, topic string, protocol ...string) error {
	feed, err := startFeed(t, bootstrap, topic)
	if err != nil {
		return err
	}
	var members []*harness.Process
	for i := range 3 {
		m := c.process(t, fmt.Sprint(c.slug(), "-", i), append([]string{"member", bootstrap, topic, topic + "-group"}, protocol...)...)
		defer m.Kill()
		m.Start()
		members = append(members, m)
	}
	if err := within(settleMax, func() error {
		for _, m := range members {
			if len(got(m)) == 0 {
				return fmt.Errorf("%s got nothing", m.Name)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if len(protocol) > 0 {
		if err := groupSpeaks(t, bootstrap, topic+"-group", protocol[0]); err != nil {
			return err
		}
	}
	members[1].Kill()
	total := feed.finish(afterKill)
	return within(takeOverMax, func() error {
		seen := map[string]bool{}
		for _, m := range members {
			for _, v := range got(m) {
				seen[v] = true
			}
		}
		for n := range total {
			if !seen[fmt.Sprint("value-", n)] {
				return fmt.Errorf("%d records of %d seen, value-%d is not", len(seen), total, n)
			}
		}
		return nil
	})
}

// groupSpeaks checks that a group has this protocol: a client that does not know it takes the classic one.
func groupSpeaks(t *testing.T, bootstrap, group, protocol string) error {
	ctx, cancel := context.WithTimeout(t.Context(), settleMax)
	defer cancel()
	req := kmsg.NewPtrListGroupsRequest()
	c := kafka(t, bootstrap)
	for _, shard := range c.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return shard.Err
		}
		for _, g := range shard.Resp.(*kmsg.ListGroupsResponse).Groups {
			if g.Group == group && strings.EqualFold(g.GroupType, protocol) {
				return nil
			}
		}
	}
	return fmt.Errorf("there is no group %s with the protocol %s", group, protocol)
}

// got lists the values that a member has printed.
func got(m *harness.Process) (values []string) {
	for line := range strings.Lines(m.Output()) {
		if v, ok := strings.CutPrefix(line, "got "); ok && strings.HasSuffix(v, "\n") {
			values = append(values, strings.TrimSpace(v))
		}
	}
	return values
}

func within(limit time.Duration, check func() error) error {
	for end := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		err := check()
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// feed produces records one after the other, round the partitions, until it is told to end.
type feed struct {
	more  chan int // how many more, then end
	total chan int // how many there were
}

func startFeed(t *testing.T, bootstrap, topic string) (*feed, error) {
	seeds := kgo.SeedBrokers(strings.Split(bootstrap, ",")...)
	c, err := kgo.NewClient(seeds, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &feed{more: make(chan int, 1), total: make(chan int, 1)}
	t.Cleanup(func() { cancel(); c.Close() })
	if _, err := kadm.NewClient(c).CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return nil, err
	}
	go func() {
		last := -1
		for n := 0; n != last && ctx.Err() == nil; n++ {
			c.Produce(ctx, &kgo.Record{Topic: topic, Partition: int32(n % partitions), Value: fmt.Append(nil, "value-", n)}, func(_ *kgo.Record, err error) {
				if err != nil && ctx.Err() == nil {
					t.Errorf("produce for the group: %v", err)
				}
			})
			select {
			case more := <-f.more:
				last = n + more
			case <-time.After(feedPause):
			case <-ctx.Done():
			}
		}
		if err := c.Flush(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("flush for the group: %v", err)
		}
		f.total <- last
	}()
	return f, nil
}

// finish lets so many more come, and gives how many there were in all.
func (f *feed) finish(more int) int {
	f.more <- more
	return <-f.total
}
