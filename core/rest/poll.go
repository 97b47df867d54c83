package rest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/pause"
)

// GET …/records:
//
//  1. commit what earlier answers held, if the instance does so by itself and it is time;
//  2. settle: take part in the group;
//  3. fetch, waiting as long as the client wants; another place comes first each time;
//  4. store the new positions; only then send the records. If they cannot be sent, the positions are put back.
//
// GET …/topics/{topic} of version 1 also subscribes to the topic.

func (s *Server) poll(c *call) (*answer, error) {
	timeout, err := c.number("timeout", -1, 0, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	most, err := c.number("max_bytes", int64(s.settings.FetchBytesMax), -1, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	if most < 0 {
		most = int64(s.settings.FetchBytesMax)
	}
	var con *consumer
	var before []spot
	a, err := s.change(c, func(now *consumer) (*answer, error) {
		con = now
		if c.wants.format != "" && c.wants.format != con.Format {
			return nil, failf(406, codeFormat, "the consumer reads %s, not %s", con.Format, c.wants.format)
		}
		if name := c.params["topic"]; name != "" && !con.Manual && !slices.Contains(con.Names, name) { // of version 1
			if _, err := s.topic(c.ctx, name); err != nil {
				return nil, err
			}
			con.Names = append(slices.Clone(con.Names), name)
		}
		if !con.subscribed() && !con.Manual {
			return nil, failf(409, codeState, "the consumer has neither a subscription nor partitions")
		}
		if timeout < 0 {
			timeout = con.WaitMs
		}
		until := time.Now().Add(s.wait(c, timeout))
		s.commitInTime(c.ctx, con)
		if err := s.settleUntil(c.ctx, con, until); err != nil {
			return nil, err
		}
		before = slices.Clone(con.Places)
		out := reading{format: con.Format, left: int(min(most, int64(s.settings.FetchBytesMax)))}
		if err := s.read(c.ctx, con, &out, until); err != nil {
			return nil, err
		}
		return asRecords(c, out.records, con.Format), c.r.Context().Err()
	})
	if err != nil {
		return nil, err
	}
	a.unsent = func() { s.putBack(con, before) }
	return a, nil
}

// settleEvery is how often an instance without partitions asks for some while its client waits.
const settleEvery = 250 * time.Millisecond

// settleUntil settles, and waits for a first partition.
func (s *Server) settleUntil(ctx context.Context, con *consumer, until time.Time) error {
	if con.Manual {
		return nil
	}
	for {
		if err := s.settle(ctx, con); err != nil || len(con.Places) > 0 {
			return err
		}
		left := min(time.Until(until), settleEvery)
		if left <= 0 {
			return nil
		}
		if err := pause.For(ctx, left); err != nil {
			return err
		}
	}
}

// read fetches from all places at once.
func (s *Server) read(ctx context.Context, con *consumer, out *reading, until time.Time) error {
	for len(con.Places) > 0 {
		order := make([]*spot, len(con.Places))
		for i := range con.Places {
			order[i] = &con.Places[(i+con.Turn)%len(con.Places)]
		}
		r := fetch.Request{BytesMin: con.BytesMin, BytesMax: out.left, WaitMax: max(time.Until(until), 0), ReadCommitted: true}
		for _, p := range order {
			r.Partitions = append(r.Partitions, fetch.Partition{TopicPartition: p.name(), Offset: p.Position, BytesMax: out.left})
		}
		moved := false
		for i, got := range s.backend.Reader.Fetch(ctx, r) {
			if len(out.records) > 0 && out.left <= 0 {
				break
			}
			changed, err := s.readPlace(ctx, con, order[i], got, out)
			if err != nil && len(out.records) == 0 {
				return err
			}
			moved = moved || changed
		}
		if len(out.records) > 0 {
			con.Turn = (con.Turn + 1) % len(con.Places)
			return nil
		}
		if !moved || ctx.Err() != nil || time.Now().After(until) {
			return nil
		}
	}
	return nil
}

// readPlace takes in what was fetched of one place; changed says that its position did.
func (s *Server) readPlace(ctx context.Context, con *consumer, p *spot, got fetch.Result, out *reading) (changed bool, err error) {
	before := p.Position
	switch {
	case errors.Is(got.Err, fetch.ErrOutOfRange):
		p.Position, err = s.resets(ctx, con, p.name())
		if err != nil {
			p.Position = before
			err = fmt.Errorf("%w: %s/%d is at offset %d, and has %d to %d", err, p.Topic, p.Partition, before, got.LogStart, got.HighWatermark)
		}
	case errors.Is(got.Err, fetch.ErrUnknownPartition) && !con.Manual: // the group will take it away
	case got.Err != nil:
		err = got.Err
	default:
		p.Position, err = out.take(p.Topic, got, p.Position)
		p.Moved = p.Moved || con.AutoCommit && p.Position != before
	}
	return p.Position != before, err
}

// commitInTime commits what earlier answers held. What goes wrong is tried again with the next request.
func (s *Server) commitInTime(ctx context.Context, con *consumer) {
	now := s.backend.Now().UnixMilli()
	if now-con.CommittedMs < s.settings.AutoCommitEvery.Milliseconds() {
		return
	}
	if err := s.commitMoved(ctx, con); err != nil {
		s.log.Debug("positions are not committed", "group", con.seat.Group, "error", err)
		return
	}
	con.CommittedMs = now
}

// commitMoved commits the positions of a consumer that commits by itself, where they have moved.
func (s *Server) commitMoved(ctx context.Context, con *consumer) error {
	if !con.AutoCommit {
		return nil
	}
	var moved []spot
	for _, p := range con.Places {
		if p.Moved {
			moved = append(moved, p)
		}
	}
	if err := s.commitPlaces(ctx, con, moved); err != nil {
		return err
	}
	for i := range con.Places {
		con.Places[i].Moved = false
	}
	return nil
}

// putBackTimeout bounds putting positions back.
const putBackTimeout = 5 * time.Second

// putBack sets positions back to what they were before records that could not be sent, unless another request has
// changed the instance since.
func (s *Server) putBack(con *consumer, before []spot) {
	ctx, cancel := context.WithTimeout(context.Background(), putBackTimeout)
	defer cancel()
	con.Places = before
	if err := s.keep(ctx, con); err != nil {
		s.log.Info("positions of records that could not be sent are not put back", "group", con.seat.Group, "error", err)
	}
}
