package rest

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/record"
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
	var con *consume.Consumer
	var before []consume.Place
	a, err := s.change(c, func(now *consume.Consumer) (*answer, error) {
		con = now
		if c.wants.format != "" && c.wants.format != con.Format {
			return nil, failf(406, codeFormat, "the consumer reads %s, not %s", con.Format, c.wants.format)
		}
		if name := c.params["topic"]; name != "" && !con.Manual && !slices.Contains(con.Names, name) { // of version 1
			if _, err := s.topic(c, name); err != nil {
				return nil, err
			}
			con.Names = append(slices.Clone(con.Names), name)
		}
		if !con.Subscribed() && !con.Manual {
			return nil, failf(409, codeState, "the consumer has neither a subscription nor partitions")
		}
		if timeout < 0 {
			timeout = con.WaitMs
		}
		until := time.Now().Add(s.wait(c, timeout))
		con.CommitInTime(c.ctx)
		if err := con.SettleUntil(c.ctx, until); err != nil {
			return nil, err
		}
		if err := s.mayRead(c, con); err != nil {
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

// mayRead says whether all places of a consumer may be read. Those that a pattern has found, and that may not be read any more, are dropped.
func (s *Server) mayRead(c *call, con *consume.Consumer) error {
	var kept []consume.Place
	for _, p := range con.Places {
		if !con.Manual && con.Pattern != "" {
			if s.showsTopic(c, p.Topic) {
				kept = append(kept, p)
			}
			continue
		}
		if err := s.mayTopic(c, p.Topic); err != nil {
			return err
		}
		kept = append(kept, p)
	}
	con.Places = kept
	return nil
}

// read fetches from all places at once.
func (s *Server) read(ctx context.Context, con *consume.Consumer, out *reading, until time.Time) error {
	for len(con.Places) > 0 {
		moved := false
		for _, got := range con.Fetch(ctx, out.left, time.Until(until)) {
			if len(out.records) > 0 && out.left <= 0 {
				break
			}
			changed, err := con.Advance(ctx, got, func(r fetch.Result, from record.Offset) (record.Offset, error) { return out.take(got.Topic, r, from) })
			if err != nil && len(out.records) == 0 {
				return err
			}
			moved = moved || changed
		}
		if len(out.records) > 0 {
			con.Turned()
			return nil
		}
		if !moved || ctx.Err() != nil || time.Now().After(until) {
			return nil
		}
	}
	return nil
}

// putBackTimeout bounds putting positions back.
const putBackTimeout = 5 * time.Second

// putBack sets positions back to what they were before records that could not be sent, unless another request has
// changed the instance since.
func (s *Server) putBack(con *consume.Consumer, before []consume.Place) {
	ctx, cancel := context.WithTimeout(context.Background(), putBackTimeout)
	defer cancel()
	con.Places = before
	if err := con.Keep(ctx); err != nil {
		s.log.Info("positions of records that could not be sent are not put back", "group", con.Group(), "error", err)
	}
}
