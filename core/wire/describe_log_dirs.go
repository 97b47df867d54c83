package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// logDir is the one directory that every instance shows. Records are in the object store.
const logDir = "/objectstore"

// DescribeLogDirs (key 35), versions 1-5.
//
//	v2  flexible
//	v3  top-level error: none is used, a directory that cannot be read now counts as offline
//	v4  size of the volume and what is free: not known, -1
//	v5  cordoned: never
//
// Null topics are all; partitions that are not there are left out. Tools ask every broker and add up, so each partition
// is shown by one instance: the one that this client's Metadata names as its leader.
func (s *Server) describeLogDirs(ctx context.Context, c *caller, req *kmsg.DescribeLogDirsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeLogDirsResponse()
	resp.Version = req.Version
	if err := c.mayCluster(ctx); err != nil {
		resp.ErrorCode = s.code(err)
		return resp, nil
	}
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir = logDir
	own := ownPartitions{self: s.backend.Cluster.Self(), live: s.backend.Cluster.Live(), zone: s.zone(c)}
	err := s.backend.Topics.Barrier(ctx)
	for _, w := range s.logDirTopics(req) {
		if err != nil {
			break
		}
		var t kmsg.DescribeLogDirsResponseDirTopic
		if t, err = s.logDirTopic(&own, w); len(t.Partitions) > 0 {
			dir.Topics = append(dir.Topics, t)
		}
	}
	if err != nil {
		s.log.Warn("sizes of partitions cannot be told", "error", err)
		dir.ErrorCode, dir.Topics = kerr.KafkaStorageError.Code, nil
	}
	resp.Dirs = append(resp.Dirs, dir)
	return resp, nil
}

// logDirWanted is a topic with the partitions asked for; all when nil.
type logDirWanted struct {
	*ledger.Topic
	partitions []int32
}

func (s *Server) logDirTopics(req *kmsg.DescribeLogDirsRequest) (out []logDirWanted) {
	if req.Topics == nil {
		for _, t := range s.backend.Topics.AllTopics() {
			out = append(out, logDirWanted{Topic: t})
		}
		return out
	}
	for i := range req.Topics {
		if t, ok := s.backend.Topics.TopicByName(req.Topics[i].Topic); ok {
			out = append(out, logDirWanted{t, append([]int32{}, req.Topics[i].Partitions...)})
		}
	}
	return out
}

func (s *Server) logDirTopic(own *ownPartitions, w logDirWanted) (kmsg.DescribeLogDirsResponseDirTopic, error) {
	out := kmsg.NewDescribeLogDirsResponseDirTopic()
	out.Topic = w.Name
	if w.partitions == nil {
		w.partitions = make([]int32, w.Partitions)
		for i := range w.partitions {
			w.partitions[i] = int32(i)
		}
	}
	for _, n := range w.partitions {
		tp := record.TopicPartition{Topic: w.ID, Partition: n}
		if n < 0 || n >= w.Partitions || !own.has(tp) {
			continue
		}
		size, err := s.backend.Inspector.Bytes(tp)
		if err != nil {
			return out, err
		}
		p := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		p.Partition, p.Size = n, size
		out.Partitions = append(out.Partitions, p)
	}
	return out, nil
}

// ownPartitions are those that clients of a zone are sent to this instance for.
type ownPartitions struct {
	self int32
	live []instance.Info
	zone string
}

func (o *ownPartitions) has(tp record.TopicPartition) bool {
	leader, ok := instance.Preferred(o.live, tp, o.zone)
	return ok && leader.Node == o.self
}
