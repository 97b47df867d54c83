package invoke_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/record"
)

// offices are brokers that coordinate groups, and who reaches them. Their log is that of one instance that has none of their fate.
type offices struct {
	c    *coretest.Cluster
	log  *coretest.Instance
	mu   sync.Mutex
	open map[int32]*office
	cut  bool // nobody reaches them from functions
}

// office is one of them.
type office struct {
	*group.Coordinator
	of     *offices
	node   int32
	stop   context.CancelFunc
	closed chan struct{}
}

func (o *office) Self() int32           { return o.node }
func (o *office) Live() []instance.Info { return o.of.live() }

func (os *offices) live() (out []instance.Info) {
	os.mu.Lock()
	defer os.mu.Unlock()
	for node := range int32(3) {
		if os.open[node] != nil {
			out = append(out, infoOf(node))
		}
	}
	return out
}

func infoOf(node int32) instance.Info {
	return instance.Info{Node: node, Endpoints: []instance.Endpoint{{Host: "office", Port: node + 1}}}
}

// opens lets a broker appear.
func (os *offices) opens(node int32) {
	o := &office{of: os, node: node, closed: make(chan struct{})}
	o.Coordinator = group.New(group.Settings{
		KV: os.log.KV, Keys: os.c.Keys, View: os.log.Stream, Cluster: o, Now: time.Now, Log: coretest.Quiet(), Limits: group.DefaultLimits(),
		NewID: rand.Text, OffsetsRetention: time.Hour,
	})
	ctx, stop := context.WithCancel(context.Background())
	o.stop = stop
	os.mu.Lock()
	os.open[node] = o
	os.mu.Unlock()
	value, _ := json.Marshal(infoOf(node))
	os.c.Put(os.c.Keys.Instance(node), value)
	go func() {
		_ = o.Run(ctx)
		close(o.closed)
	}()
}

// closes lets one disappear. Its key may stay for a while, as that of a process that was killed.
func (os *offices) closes(node int32, keyStays bool) {
	os.mu.Lock()
	o := os.open[node]
	delete(os.open, node)
	os.mu.Unlock()
	o.stop()
	<-o.closed
	if !keyStays {
		os.c.Delete(os.c.Keys.Instance(node))
	}
}

// coordinator is who coordinates a group as its clients over TCP find it; nil: nobody.
func (os *offices) coordinator(name string) *office {
	in, ok := instance.PreferredFor(os.live(), name)
	if !ok {
		return nil
	}
	os.mu.Lock()
	defer os.mu.Unlock()
	return os.open[in.Node]
}

// dial is how functions reach them.
func (os *offices) dial(_ context.Context, _, address string) (net.Conn, error) {
	os.mu.Lock()
	defer os.mu.Unlock()
	for node, o := range os.open {
		if address == fmt.Sprintf("office:%d", node+1) && !os.cut {
			here, there := net.Pipe()
			go o.serve(there)
			return here, nil
		}
	}
	return nil, io.ErrClosedPipe
}

// serve answers heartbeats and commits of one connection, as a broker does.
func (o *office) serve(nc net.Conn) {
	defer nc.Close()
	for {
		var size [4]byte
		if _, err := io.ReadFull(nc, size[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(nc, body); err != nil {
			return
		}
		b := kbin.Reader{Src: body}
		req := kmsg.RequestForKey(b.Int16())
		req.SetVersion(b.Int16())
		correlation := b.Int32()
		b.NullableString()
		kmsg.SkipTags(&b)
		if err := req.ReadFrom(b.Src); err != nil {
			return
		}
		var resp kmsg.Response
		switch r := req.(type) {
		case *kmsg.ConsumerGroupHeartbeatRequest:
			resp = o.heartbeat(r)
		case *kmsg.OffsetCommitRequest:
			resp = o.commit(r)
		}
		resp.SetVersion(req.GetVersion())
		out := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(correlation))
		if req.IsFlexible() {
			out = append(out, 0)
		}
		out = resp.AppendTo(out)
		binary.BigEndian.PutUint32(out, uint32(len(out)-4))
		if _, err := nc.Write(out); err != nil {
			return
		}
	}
}

func (o *office) heartbeat(r *kmsg.ConsumerGroupHeartbeatRequest) kmsg.Response {
	in := group.ConsumerRequest{MemberID: r.MemberID, Epoch: r.MemberEpoch, RebalanceMs: r.RebalanceTimeoutMillis, Names: r.SubscribedTopicNames, Regex: r.SubscribedTopicRegex}
	if r.Topics != nil {
		in.Owned = group.Gather(func(add func(record.TopicID, ...int32)) {
			for _, t := range r.Topics {
				add(t.TopicID, t.Partitions...)
			}
		})
	}
	resp := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	res, err := o.ConsumerHeartbeat(context.Background(), r.Group, in)
	resp.MemberEpoch, resp.ErrorCode = res.Epoch, codeOf(err)
	if res.Assignment != nil {
		a := kmsg.NewConsumerGroupHeartbeatResponseAssignment()
		for _, id := range res.Assignment.Topics() {
			t := kmsg.NewConsumerGroupHeartbeatResponseAssignmentTopic()
			t.TopicID, t.Partitions = id, (*res.Assignment)[id]
			a.Topics = append(a.Topics, t)
		}
		resp.Assignment = &a
	}
	return resp
}

func (o *office) commit(r *kmsg.OffsetCommitRequest) kmsg.Response {
	in := group.CommitRequest{CommitCheck: group.CommitCheck{MemberID: r.MemberID, Generation: r.Generation, NewErrors: true}}
	for _, t := range r.Topics {
		known, _ := o.of.log.Stream.TopicByName(t.Topic)
		one := group.CommitTopic{Name: t.Topic, ID: known.ID, Partitions: map[int32]group.Committed{}}
		for _, p := range t.Partitions {
			one.Partitions[p.Partition] = group.Committed{Offset: record.Offset(p.Offset), LeaderEpoch: -1}
		}
		in.Topics = append(in.Topics, one)
	}
	code := codeOf(o.CommitOffsets(context.Background(), r.Group, in))
	resp := kmsg.NewPtrOffsetCommitResponse()
	for _, t := range r.Topics {
		one := kmsg.NewOffsetCommitResponseTopic()
		one.Topic = t.Topic
		for _, p := range t.Partitions {
			part := kmsg.NewOffsetCommitResponseTopicPartition()
			part.Partition, part.ErrorCode = p.Partition, code
			one.Partitions = append(one.Partitions, part)
		}
		resp.Topics = append(resp.Topics, one)
	}
	return resp
}

func codeOf(err error) int16 {
	for e, code := range map[error]int16{
		group.ErrUnavailable: kerr.CoordinatorNotAvailable.Code, group.ErrNotCoordinator: kerr.NotCoordinator.Code, group.ErrUnknownMember: kerr.UnknownMemberID.Code,
		group.ErrFencedEpoch: kerr.FencedMemberEpoch.Code, group.ErrStaleEpoch: kerr.StaleMemberEpoch.Code, group.ErrUnknownGroup: kerr.GroupIDNotFound.Code,
	} {
		if errors.Is(err, e) {
			return code
		}
	}
	if err != nil {
		return kerr.UnknownServerError.Code
	}
	return 0
}
