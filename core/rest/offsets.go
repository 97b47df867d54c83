package rest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/record"
)

type offsetsJSON struct {
	Offsets []placeOffsetJSON `json:"offsets"`
}

type placeOffsetJSON struct {
	Topic     string  `json:"topic"`
	Partition int64   `json:"partition"`
	Offset    *int64  `json:"offset"`
	Metadata  *string `json:"metadata"`
}

// commitOffsets commits the offsets given, each of the last record that was dealt with: the next one is where the group goes on. Without
// any it commits all that was given.
func (s *Server) commitOffsets(c *call) (*answer, error) {
	var req offsetsJSON
	if err := s.decode(c, &req, true); err != nil {
		return nil, err
	}
	offsets, names := map[record.TopicPartition]group.Committed{}, map[record.TopicID]string{}
	for _, o := range req.Offsets {
		t, tp, err := s.topicOf(c, o.Topic, o.Partition)
		if err != nil {
			return nil, err
		}
		one := group.Committed{LeaderEpoch: -1}
		switch {
		case o.Offset == nil || *o.Offset < 0 || *o.Offset == math.MaxInt64:
			return nil, failf(422, 422, "offset of %s/%d: want a number from 0", o.Topic, o.Partition)
		case o.Metadata != nil && len(*o.Metadata) > s.settings.OffsetMetadataMax:
			return nil, group.ErrMetadataTooLarge
		case o.Metadata != nil:
			one.Metadata = *o.Metadata
		}
		one.Offset = record.Offset(*o.Offset) + 1
		offsets[tp], names[tp.Topic] = one, t.Name
	}
	return s.change(c, func(con *consume.Consumer) (*answer, error) {
		commit := func() error {
			if len(offsets) > 0 {
				return con.Commit(c.ctx, offsets, names)
			}
			for _, p := range con.Places {
				if err := s.mayTopic(c, p.Topic); err != nil {
					return err
				}
			}
			return con.CommitPlaces(c.ctx, con.Places)
		}
		err := commit()
		if errors.Is(err, group.ErrStaleEpoch) { // the group has moved on: what it still has may be committed
			if err = con.Settle(c.ctx); err == nil {
				err = commit()
			}
		}
		if err != nil {
			return nil, err
		}
		if con.AutoCommit {
			con.CommittedMs = s.backend.Now().UnixMilli()
		}
		return done()
	})
}

// showOffsets reads committed offsets of the partitions in the body, or (where a client cannot send a body with GET) in the
// query: partitions=topic:partition,…; without any, of all partitions that the instance has.
func (s *Server) showOffsets(c *call) (*answer, error) {
	var req placesJSON
	if err := s.decode(c, &req, true); err != nil {
		return nil, err
	}
	asked, err := partitionsOf(c.query().Get("partitions"))
	if err != nil {
		return nil, err
	}
	req.Partitions = append(req.Partitions, asked...)
	return s.change(c, func(con *consume.Consumer) (*answer, error) {
		partitions := req.Partitions
		if partitions == nil {
			for _, p := range con.Places {
				partitions = append(partitions, placeJSON{p.Topic, int64(p.Partition)})
			}
		}
		named := make([]record.TopicPartition, len(partitions))
		for i, p := range partitions {
			var err error
			if _, named[i], err = s.topicOf(c, p.Topic, p.Partition); err != nil {
				return nil, err
			}
		}
		committed, err := con.Committed(c.ctx)
		if err != nil {
			return nil, err
		}
		out := offsetsJSON{Offsets: []placeOffsetJSON{}}
		for i, p := range partitions {
			if o, has := committed[named[i]]; has {
				offset := int64(o.Offset)
				out.Offsets = append(out.Offsets, placeOffsetJSON{p.Topic, p.Partition, &offset, &o.Metadata})
			}
		}
		return ok(out)
	})
}

func partitionsOf(text string) (out []placeJSON, err error) {
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		name, number, _ := strings.Cut(part, ":")
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil {
			return nil, failf(422, 422, "partitions: want topic:partition,…, not %q", cut(part))
		}
		out = append(out, placeJSON{name, n})
	}
	return out, nil
}

// seek sets positions.
func (s *Server) seek(c *call) (*answer, error) {
	var req offsetsJSON
	if err := s.decode(c, &req, false); err != nil {
		return nil, err
	}
	if len(req.Offsets) == 0 {
		return nil, failf(422, 422, "offsets: there are none")
	}
	return s.change(c, func(con *consume.Consumer) (*answer, error) {
		for _, o := range req.Offsets {
			if o.Offset == nil || *o.Offset < 0 {
				return nil, failf(422, 422, "offset of %s/%d: want a number from 0", o.Topic, o.Partition)
			}
			err := s.move(c, con, placeJSON{o.Topic, o.Partition}, func(record.TopicPartition) (record.Offset, error) { return record.Offset(*o.Offset), nil })
			if err != nil {
				return nil, err
			}
		}
		return done()
	})
}

func (s *Server) seekToBeginning(c *call) (*answer, error) {
	return s.seekTo(c, func(b fetch.Bounds) record.Offset { return b.LogStart })
}

func (s *Server) seekToEnd(c *call) (*answer, error) {
	return s.seekTo(c, func(b fetch.Bounds) record.Offset { return b.HighWatermark })
}

func (s *Server) seekTo(c *call, which func(fetch.Bounds) record.Offset) (*answer, error) {
	var req placesJSON
	if err := s.decode(c, &req, false); err != nil {
		return nil, err
	}
	if len(req.Partitions) == 0 {
		return nil, failf(422, 422, "partitions: there are none")
	}
	return s.change(c, func(con *consume.Consumer) (*answer, error) {
		for _, p := range req.Partitions {
			err := s.move(c, con, p, func(tp record.TopicPartition) (record.Offset, error) {
				b, err := s.backend.Reader.Bounds(c.ctx, tp)
				return which(b), err
			})
			if err != nil {
				return nil, err
			}
		}
		return done()
	})
}

// move sets the position of one partition, which the consumer must have.
func (s *Server) move(c *call, con *consume.Consumer, at placeJSON, to func(record.TopicPartition) (record.Offset, error)) error {
	_, tp, err := s.topicOf(c, at.Topic, at.Partition)
	if err != nil {
		return err
	}
	p := con.Place(at.Topic, tp.Partition)
	if p == nil && !con.Manual && con.Subscribed() { // it may have been given it since its last request
		if err := con.Settle(c.ctx); err != nil {
			return err
		}
		p = con.Place(at.Topic, tp.Partition)
	}
	if p == nil {
		have := []string{}
		for _, one := range con.Places {
			have = append(have, fmt.Sprintf("%s/%d", one.Topic, one.Partition))
		}
		slices.Sort(have)
		return failf(409, codeState, "the consumer does not have %s/%d; it has %v", at.Topic, at.Partition, have)
	}
	if p.Position, err = to(tp); err != nil {
		return err
	}
	p.Moved = con.AutoCommit
	return nil
}
