//go:build stack

package groups

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

const (
	manyGroups    = 1000
	membersEach   = 3
	beatEvery     = 3 * time.Second // as Java's consumer does
	beatFor       = 30 * time.Second
	idleFor       = 15 * time.Second
	classicToJoin = 5 // JoinGroup's version: the last in which the first answer is the generation
)

// Half of the groups are classic, half are KIP-848; every member has a connection of its own.
func TestManyGroups_HeartbeatsCostNoWrites(t *testing.T) {
	s := newStageOf(t, 1, "--group-consumer-session", "45s", "--group-consumer-heartbeat", beatEvery.String())
	b := s.brokers[0]
	s.topic("t", 12)
	cores, resident := b.Cores(), b.Resident()
	began := time.Now()
	members := joinMany(t, b.Kafka)
	joined, afterJoin := time.Since(began), b.Cores()-cores
	before := groupRevisions(t, s.etcd)

	idle := b.Metric("firnlog_etcd_requests_total", `op="commit"`)
	quietCores := b.Cores()
	time.Sleep(idleFor) // what a broker writes of itself: a span of time is what is measured
	idle, quietCores = b.Metric("firnlog_etcd_requests_total", `op="commit"`)-idle, b.Cores()-quietCores

	commits, gets, busyCores := b.Metric("firnlog_etcd_requests_total", `op="commit"`), b.Metric("firnlog_etcd_requests_total", `op="get"`), b.Cores()
	beats := beatAll(t, members)
	commits, gets, busyCores = b.Metric("firnlog_etcd_requests_total", `op="commit"`)-commits, b.Metric("firnlog_etcd_requests_total", `op="get"`)-gets, b.Cores()-busyCores

	if most := idle*float64(beatFor)/float64(idleFor) + 10; commits > most {
		t.Errorf("%v transactions during %d heartbeats: without any there would be at most %v", commits, beats, most)
	}
	if after := groupRevisions(t, s.etcd); len(before) != manyGroups || fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("of %d groups in etcd some were written", len(before))
	}
	harness.Table(t, fmt.Sprintf("%d groups of %d members, %d connections, one broker", manyGroups, membersEach, len(members)), [][2]string{
		{"all groups formed", fmt.Sprintf("%v, %v CPU", joined.Round(time.Millisecond), afterJoin.Round(time.Millisecond))},
		{"heartbeats", fmt.Sprintf("%d in %v", beats, beatFor)},
		{"transactions meanwhile", fmt.Sprintf("%v (idle: %v in %v), reads %v", commits, idle, idleFor, gets)},
		{"CPU of heartbeats", fmt.Sprintf("%v of %v: %.1f%% of a core (idle: %.1f%%)", busyCores, beatFor, percent(busyCores, beatFor), percent(quietCores, idleFor))},
		{"memory", fmt.Sprintf("%d MiB, %d MiB before", b.Resident()>>20, resident>>20)},
	})
}

func percent(part, whole time.Duration) float64 { return 100 * float64(part) / float64(whole) }

// groupRevisions gives the mod revision of every key below groups/.
func groupRevisions(t *testing.T, etcd *harness.Etcd) map[string]coordination.Revision {
	t.Helper()
	kv := etcd.KV()
	defer kv.Close()
	out := map[string]coordination.Revision{}
	r := coordination.Range{Prefix: coordination.NewKeys("default").Groups(), Limit: 2000, KeysOnly: true}
	for {
		page, err := kv.List(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			out[item.Key] = item.Mod
		}
		if !page.More {
			return out
		}
		r.After = page.Items[len(page.Items)-1].Key
	}
}

// beater is one member that is in its group.
type beater struct {
	*wire
	beat func() error
}

func joinMany(t *testing.T, address string) []*beater {
	t.Helper()
	members := make([]*beater, manyGroups*membersEach)
	errs := make(chan error, len(members))
	var work sync.WaitGroup
	for i := range members {
		work.Go(func() {
			w, err := dialWire(address)
			if err != nil {
				errs <- err
				return
			}
			members[i] = &beater{wire: w}
			if group := i / membersEach; group%2 == 0 {
				err = members[i].joinClassic(fmt.Sprint("classic-", group))
			} else {
				err = members[i].joinConsumer(fmt.Sprint("consumer-", group), fmt.Sprint("m", i))
			}
			if err != nil {
				errs <- err
			}
		})
	}
	work.Wait()
	t.Cleanup(func() {
		for _, m := range members {
			if m != nil {
				m.Close()
			}
		}
	})
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
	return members
}

// joinClassic joins, and synchronizes until the group stays as it is.
func (b *beater) joinClassic(group string) error {
	id := ""
	metadata := kmsg.NewConsumerMemberMetadata()
	metadata.Version, metadata.Topics = 1, []string{"t"}
	for {
		join := kmsg.NewPtrJoinGroupRequest()
		join.Version, join.Group, join.MemberID, join.ProtocolType = classicToJoin, group, id, "consumer"
		join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = 60_000, 60_000
		join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: metadata.AppendTo(nil)}}
		resp, err := b.ask(join)
		if err != nil {
			return fmt.Errorf("join %s: %w", group, err)
		}
		joined := resp.(*kmsg.JoinGroupResponse)
		id = joined.MemberID
		if err := kerr.ErrorForCode(joined.ErrorCode); err != nil {
			if kerr.IsRetriable(err) || errors.Is(err, kerr.MemberIDRequired) {
				continue
			}
			return fmt.Errorf("join %s: %w", group, err)
		}
		sync := kmsg.NewPtrSyncGroupRequest()
		sync.Version, sync.Group, sync.MemberID, sync.Generation = 3, group, id, joined.Generation
		for _, m := range joined.Members {
			sync.GroupAssignment = append(sync.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: m.MemberID, MemberAssignment: []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}})
		}
		if resp, err = b.ask(sync); err != nil {
			return fmt.Errorf("sync %s: %w", group, err)
		}
		beat := kmsg.NewPtrHeartbeatRequest()
		beat.Version, beat.Group, beat.MemberID, beat.Generation = 3, group, id, joined.Generation
		b.beat = func() error {
			resp, err := b.ask(beat)
			if err != nil {
				return err
			}
			return kerr.ErrorForCode(resp.(*kmsg.HeartbeatResponse).ErrorCode)
		}
		if err := kerr.ErrorForCode(resp.(*kmsg.SyncGroupResponse).ErrorCode); err == nil && b.beat() == nil {
			return nil
		}
	}
}

// joinConsumer heartbeats until the member has its epoch for some time: the last to come makes the others move.
func (b *beater) joinConsumer(group, id string) error {
	epoch, settled := int32(0), 0
	b.beat = func() error {
		beat := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		beat.Version, beat.Group, beat.MemberID, beat.MemberEpoch = 1, group, id, epoch
		if settled < membersEach {
			beat.RebalanceTimeoutMillis, beat.SubscribedTopicNames, beat.Topics = 60_000, []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		}
		resp, err := b.ask(beat)
		if err != nil {
			return err
		}
		got := resp.(*kmsg.ConsumerGroupHeartbeatResponse)
		if settled++; got.MemberEpoch != epoch {
			epoch, settled = got.MemberEpoch, 0
		}
		return kerr.ErrorForCode(got.ErrorCode)
	}
	for settled < membersEach {
		if err := b.beat(); err != nil {
			return fmt.Errorf("heartbeat of %s: %w", group, err)
		}
		time.Sleep(time.Second) // between the heartbeats of a member
	}
	return nil
}

// beatAll lets all members heartbeat for a while, and gives how many heartbeats there were.
func beatAll(t *testing.T, members []*beater) int64 {
	ctx, stop := context.WithTimeout(t.Context(), beatFor)
	defer stop()
	var beats atomic.Int64
	var work sync.WaitGroup
	for i, m := range members {
		work.Go(func() {
			timer := time.NewTimer(time.Duration(i) * beatEvery / time.Duration(len(members)))
			defer timer.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-timer.C:
				}
				timer.Reset(beatEvery)
				if err := m.beat(); err != nil {
					t.Errorf("heartbeat: %v", err)
					return
				}
				beats.Add(1)
			}
		})
	}
	work.Wait()
	return beats.Load()
}
