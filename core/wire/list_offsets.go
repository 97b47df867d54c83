package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

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
func (s *Server) listOffsets(ctx context.Context, _ *caller, req *kmsg.ListOffsetsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrListOffsetsResponse()
	resp.Version = req.Version
	find := s.names()
	for _, asked := range req.Topics {
		t := kmsg.NewListOffsetsResponseTopic()
		t.Topic = asked.Topic
		for _, q := range asked.Partitions {
			p := kmsg.NewListOffsetsResponseTopicPartition()
			p.Partition, p.Offset, p.Timestamp, p.LeaderEpoch = q.Partition, -1, -1, -1
			found, code := s.offsetAt(ctx, find, req, asked.Topic, q)
			p.ErrorCode = code
			if code == 0 && found.Offset >= 0 {
				p.Offset, p.Timestamp, p.LeaderEpoch = int64(found.Offset), found.Timestamp, record.LeaderEpoch
				if q.MaxNumOffsets > 0 || req.Version > 0 {
					p.OldStyleOffsets = []int64{p.Offset}
				}
			}
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp, nil
}

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

func (s *Server) offsetAt(ctx context.Context, find *names, req *kmsg.ListOffsetsRequest, name string, q kmsg.ListOffsetsRequestTopicPartition) (fetch.Found, int16) {
	none := fetch.Found{Offset: -1, Timestamp: -1}
	if since, ok := specialSince(q.Timestamp); q.Timestamp < 0 && (!ok || req.Version < since) {
		return none, kerr.UnsupportedVersion.Code
	}
	t, err := find.byName(ctx, name)
	if err != nil {
		return none, s.code(err)
	}
	tp, err := find.partition(ctx, t, q.Partition)
	if err != nil {
		return none, s.code(err)
	}
	if req.Version >= 4 {
		if code := epochCode(q.CurrentLeaderEpoch); code != 0 {
			return none, code
		}
	}
	found, err := s.look(ctx, tp, q.Timestamp, req.IsolationLevel == 1)
	return found, s.code(err)
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
