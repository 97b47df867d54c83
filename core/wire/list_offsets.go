package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/record"
)

// ListOffsets (key 2), versions 0-11.
//
//	v0   answers a list of offsets at or before the time, newest first
//	v1   answers one offset and its timestamp: the first record at or after the time
//	v2   isolation level
//	v4   leader epochs
//	v6   flexible
//	v7   -3, the record with the greatest timestamp
//	v8   -4, the first one on local disk: the log start
//	v9   -5, the last one in remote storage: the last there is
//	v11  -6, the first one not yet in remote storage: none
//
// -2 is the log start, -1 the high watermark (for read_committed the last stable offset). All else below 0, and the
// specials of a newer version, are refused.
// Partitions are looked at side by side, so that one barrier serves all of a request: one after the other, five thousand
// partitions would wait for five thousand.
func (s *Server) listOffsets(ctx context.Context, c *caller, req *kmsg.ListOffsetsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrListOffsetsResponse()
	resp.Version = req.Version
	find, looks := s.names(c), s.looks(ctx, req)
	for _, asked := range req.Topics {
		t := kmsg.NewListOffsetsResponseTopic()
		t.Topic = asked.Topic
		t.Partitions = make([]kmsg.ListOffsetsResponseTopicPartition, len(asked.Partitions))
		for i, q := range asked.Partitions {
			p := &t.Partitions[i]
			p.Default()
			p.Partition, p.Offset, p.Timestamp, p.LeaderEpoch = q.Partition, -1, -1, -1
			tp, code := s.lookable(ctx, find, req.Version, asked.Topic, q)
			if p.ErrorCode = code; code == 0 {
				looks.start(tp, q, p)
			}
		}
		resp.Topics = append(resp.Topics, t)
	}
	looks.wait()
	return resp, nil
}

const (
	looksMax       = 256 // at a time, of a request
	looksByTimeMax = 8   // of these, such that may read objects
)

// looks are the look-ups of a request.
type looks struct {
	*Server
	ctx    context.Context
	req    *kmsg.ListOffsetsRequest
	group  errgroup.Group
	byTime chan struct{}
}

func (s *Server) looks(ctx context.Context, req *kmsg.ListOffsetsRequest) *looks {
	l := &looks{Server: s, ctx: ctx, req: req, byTime: make(chan struct{}, looksByTimeMax)}
	l.group.SetLimit(looksMax)
	return l
}

// start fills in the answer for a partition, some time before wait returns.
func (l *looks) start(tp record.TopicPartition, q kmsg.ListOffsetsRequestTopicPartition, p *kmsg.ListOffsetsResponseTopicPartition) {
	l.group.Go(func() error {
		if q.Timestamp >= 0 || q.Timestamp == offsetMaxTimestamp {
			l.byTime <- struct{}{}
			defer func() { <-l.byTime }()
		}
		found, err := l.look(l.ctx, tp, q.Timestamp, l.req.IsolationLevel == 1)
		if p.ErrorCode = l.code(err); err == nil && found.Offset >= 0 {
			p.Offset, p.Timestamp, p.LeaderEpoch = int64(found.Offset), found.Timestamp, record.LeaderEpoch
			if q.MaxNumOffsets > 0 || l.req.Version > 0 {
				p.OldStyleOffsets = []int64{p.Offset}
			}
		}
		return nil
	})
}

func (l *looks) wait() { _ = l.group.Wait() } // errors are in the answers

// The times that are none.
const (
	offsetLatest        = -1
	offsetEarliest      = -2
	offsetMaxTimestamp  = -3
	offsetEarliestLocal = -4
	offsetLatestTiered  = -5
	offsetPendingUpload = -6
)

// specialSince gives the version that brought a special; ok is false for what is none.
func specialSince(special int64) (version int16, ok bool) {
	switch special {
	case offsetLatest, offsetEarliest:
		return 0, true
	case offsetMaxTimestamp:
		return 7, true
	case offsetEarliestLocal:
		return 8, true
	case offsetLatestTiered:
		return 9, true
	case offsetPendingUpload:
		return 11, true
	}
	return 0, false
}

// lookable gives the partition that is asked for, or why it is not looked at.
func (s *Server) lookable(ctx context.Context, find *names, version int16, name string, q kmsg.ListOffsetsRequestTopicPartition) (tp record.TopicPartition, code int16) {
	if since, ok := specialSince(q.Timestamp); q.Timestamp < 0 && (!ok || version < since) {
		return tp, kerr.UnsupportedVersion.Code
	}
	t, err := find.byName(ctx, name)
	if err == nil {
		tp, err = find.partition(ctx, t, q.Partition)
	}
	if err != nil {
		return tp, s.code(err)
	}
	if version >= 4 {
		return tp, epochCode(q.CurrentLeaderEpoch)
	}
	return tp, 0
}

func (s *Server) look(ctx context.Context, tp record.TopicPartition, when int64, committed bool) (fetch.Found, error) {
	none := fetch.Found{Offset: -1, Timestamp: -1}
	switch {
	case when >= 0:
		return s.backend.Reader.AtTime(ctx, tp, when, committed)
	case when == offsetMaxTimestamp:
		return s.backend.Reader.MaxTimestamp(ctx, tp)
	case when == offsetPendingUpload:
		return none, nil
	}
	ends, err := s.backend.Reader.Bounds(ctx, tp)
	if err != nil {
		return none, err
	}
	end := ends.HighWatermark
	if committed {
		end = ends.LastStable
	}
	switch when {
	case offsetLatest:
		return fetch.Found{Offset: end, Timestamp: -1}, nil
	case offsetLatestTiered:
		if ends.HighWatermark == ends.LogStart {
			return none, nil
		}
		return fetch.Found{Offset: ends.HighWatermark - 1, Timestamp: -1}, nil
	}
	return fetch.Found{Offset: ends.LogStart, Timestamp: -1}, nil
}
