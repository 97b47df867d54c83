//go:build stack

package groups

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const session = 6 * time.Second // the shortest that brokers allow

// protocols are the ways in which a member of franz-go can be in a group.
var protocols = map[string][]kgo.Opt{
	"eager":       {kgo.Balancers(kgo.RangeBalancer())},
	"cooperative": {kgo.Balancers(kgo.CooperativeStickyBalancer())},
	"kip-848":     {kgo.ServerSideBalancer()},
}

// member is a consumer that processes a poll, commits it, and only then lets partitions go.
type member struct {
	name   string
	record *Recorder
	gate   *gate
	client *kgo.Client
	stop   context.CancelFunc
	done   chan struct{}
	mu     struct {
		sync.Mutex
		has map[Partition]int64 // what it owns, and how far it has processed that
	}
}

func startMember(name, group, topic string, seeds []string, options []kgo.Opt, record *Recorder) (*member, error) {
	m := &member{name: name, record: record, gate: newGate(), done: make(chan struct{})}
	m.mu.has = map[Partition]int64{}
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(seeds...), kgo.ClientID(name), kgo.Dialer(m.gate.dial), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.SessionTimeout(session), kgo.HeartbeatInterval(time.Second), kgo.RebalanceTimeout(20 * time.Second),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.FetchMaxWait(2 * time.Second), kgo.MetadataMinAge(time.Second),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(m.assigned), kgo.OnPartitionsRevoked(m.gaveUp(Revoked)), kgo.OnPartitionsLost(m.gaveUp(Lost)),
	}, options...)...)
	if err != nil {
		stop()
		return nil, err
	}
	m.client = client
	go m.consume(ctx)
	return m, nil
}

func flatten(of map[string][]int32) (out []Partition) {
	for topic, numbers := range of {
		for _, n := range numbers {
			out = append(out, Partition{topic, n})
		}
	}
	return out
}

func (m *member) assigned(_ context.Context, cl *kgo.Client, added map[string][]int32) {
	start := m.record.Now()
	_, generation := cl.GroupMetadata()
	partitions := flatten(added)
	m.mu.Lock()
	for _, p := range partitions {
		m.mu.has[p] = -1
	}
	m.mu.Unlock()
	m.record.Note(Event{Start: start, Kind: Assigned, Member: m.name, Generation: generation, Partitions: partitions})
}

func (m *member) gaveUp(kind Kind) func(context.Context, *kgo.Client, map[string][]int32) {
	return func(_ context.Context, cl *kgo.Client, gone map[string][]int32) {
		start := m.record.Now()
		_, generation := cl.GroupMetadata()
		partitions := flatten(gone)
		m.mu.Lock()
		for _, p := range partitions {
			delete(m.mu.has, p)
		}
		m.mu.Unlock()
		m.record.Note(Event{Start: start, Kind: kind, Member: m.name, Generation: generation, Partitions: partitions})
	}
}

func (m *member) consume(ctx context.Context) {
	defer close(m.done)
	for {
		fetches := m.client.PollRecords(ctx, 2000)
		if fetches.IsClientClosed() || ctx.Err() != nil || !m.gate.pass() {
			return
		}
		offsets := map[string]map[int32]kgo.EpochOffset{}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if len(p.Records) == 0 {
				return
			}
			m.process(Partition{p.Topic, p.Partition}, p.Records)
			if offsets[p.Topic] == nil {
				offsets[p.Topic] = map[int32]kgo.EpochOffset{}
			}
			offsets[p.Topic][p.Partition] = kgo.EpochOffset{Epoch: -1, Offset: p.Records[len(p.Records)-1].Offset + 1}
		})
		if len(offsets) > 0 && m.gate.pass() {
			m.commit(ctx, offsets)
		}
		m.client.AllowRebalance()
	}
}

// process notes the records of one partition: each stretch without a gap.
func (m *member) process(p Partition, records []*kgo.Record) {
	from := records[0].Offset
	for i, r := range records {
		if i+1 == len(records) || records[i+1].Offset != r.Offset+1 {
			m.record.Note(Event{Start: m.record.Now(), Kind: Processed, Member: m.name, Partitions: []Partition{p}, From: from, Offset: r.Offset + 1})
			if i+1 < len(records) {
				from = records[i+1].Offset
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.has[p] = records[len(records)-1].Offset + 1
}

func (m *member) commit(ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset) {
	start := m.record.Now()
	m.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		noteCommit(m.record, m.name, start, req, resp, err)
	})
}

// noteCommit writes down what came of each partition of a commit.
func noteCommit(record *Recorder, name string, start time.Duration, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
	end := record.Now()
	for _, topic := range req.Topics {
		for _, p := range topic.Partitions {
			e := Event{Start: start, End: end, Kind: Commit, Member: name, Generation: req.Generation, Partitions: []Partition{{topic.Topic, p.Partition}}, Offset: p.Offset, Outcome: Unknown}
			if err != nil {
				e.Note = err.Error()
			} else {
				e.Outcome, e.Note = outcome(resp, topic.Topic, p.Partition)
			}
			record.Note(e)
		}
	}
}

// refusals are the answers that say for certain that nothing was committed.
var refusals = []error{
	kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.RebalanceInProgress, kerr.StaleMemberEpoch, kerr.FencedMemberEpoch, kerr.FencedInstanceID, kerr.GroupIDNotFound,
}

func outcome(resp *kmsg.OffsetCommitResponse, topic string, number int32) (Outcome, string) {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if t.Topic != topic || p.Partition != number {
				continue
			}
			switch err := kerr.ErrorForCode(p.ErrorCode); {
			case err == nil:
				return OK, ""
			case slices.Contains(refusals, err):
				return Refused, err.Error()
			default:
				return Unknown, err.Error()
			}
		}
	}
	return Unknown, "no answer for this partition"
}

// lives says what the member owns, and who it is to its group. It is gone to the test when it is killed or leaves.
func (m *member) lives() (id string, generation int32, has map[Partition]int64) {
	id, generation = m.client.GroupMetadata()
	m.mu.Lock()
	defer m.mu.Unlock()
	has = map[Partition]int64{}
	for p, o := range m.mu.has {
		has[p] = o
	}
	return id, generation, has
}

// leave says goodbye.
func (m *member) leave() {
	m.stop()
	<-m.done
	m.client.CloseAllowingRebalance()
	m.gate.cut()
}

// kill ends it in the middle of whatever it does.
func (m *member) kill() {
	m.record.Note(Event{Start: m.record.Now(), End: 1<<63 - 1, Kind: Disturbed, Member: m.name, Note: "killed"})
	m.gate.cut()
	m.stop()
	go m.client.CloseAllowingRebalance() // nothing of it gets out
}

// pause stops it for a while.
func (m *member) pause(d time.Duration) {
	start := m.record.Now()
	m.gate.shut()
	time.AfterFunc(d, func() {
		// What it is told of late is part of the fault.
		m.record.Note(Event{Start: start, End: m.record.Now() + 2*session, Kind: Disturbed, Member: m.name, Note: "paused"})
		m.gate.reopen()
	})
}
