package rest

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/record"
)

// readJSON is a record that was read.
type readJSON struct {
	Topic     string        `json:"topic"`
	Key       any           `json:"key"`
	Value     any           `json:"value"`
	Partition int32         `json:"partition"`
	Offset    record.Offset `json:"offset"`
	Timestamp int64         `json:"timestamp"`
	Headers   []headerJSON  `json:"headers,omitempty"`
}

// reading collects records up to a size.
type reading struct {
	format  string
	left    int // bytes of keys and values; the first record is taken in any case
	records []readJSON
}

// take adds what was fetched of a partition from an offset on, and gives the offset to go on from.
func (r *reading) take(topic string, got fetch.Result, from record.Offset) (next record.Offset, err error) {
	return consume.Walk(got, from, func(h record.Header, one record.Record) (full bool, err error) {
		size := len(one.Key) + len(one.Value)
		if len(r.records) > 0 && size > r.left {
			return true, nil
		}
		offset := h.OffsetOf(one)
		out := readJSON{Topic: topic, Partition: got.Partition, Offset: offset, Timestamp: h.TimestampOf(one), Headers: giveHeaders(one.Headers)}
		if out.Key, err = gives(r.format, one.Key); err != nil {
			return true, at(err, "key at %s/%d offset %d", topic, got.Partition, offset)
		}
		if out.Value, err = gives(r.format, one.Value); err != nil {
			return true, at(err, "value at %s/%d offset %d", topic, got.Partition, offset)
		}
		r.left -= size
		r.records = append(r.records, out)
		return false, nil
	})
}

// format is how records shall be shown: what the client wants, else the usual.
func (c *call) format(usual string) string {
	if c.wants.format != "" {
		return c.wants.format
	}
	return usual
}

// asRecords is an answer of records. Its type names their format, unless the client has chosen one that does.
func asRecords(c *call, records []readJSON, format string) *answer {
	if records == nil {
		records = []readJSON{}
	}
	a := &answer{status: 200, body: records, media: c.wants.name}
	if c.wants.format == "" {
		a.media = "application/vnd.kafka." + format + ".v2+json"
	}
	return a
}

// readPartition answers GET /topics/{topic}/partitions/{partition}/records: it reads from an offset, and keeps nothing.
func (s *Server) readPartition(c *call) (*answer, error) {
	t, tp, err := s.named(c)
	if err != nil {
		return nil, err
	}
	offset, err := c.number("offset", -1, 0, math.MaxInt64)
	if err == nil && offset < 0 {
		err = failf(422, 422, "offset is missing: say from where to read")
	}
	if err != nil {
		return nil, err
	}
	timeout, err := c.number("timeout", s.settings.FetchWait.Milliseconds(), 0, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	most, err := c.number("max_bytes", int64(s.settings.FetchBytesMax), 0, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	size := int(min(most, int64(s.settings.FetchBytesMax)))
	out := reading{format: c.format(formatBinary), left: size}
	_, err = s.fetch(c.ctx, t.Name, tp, record.Offset(offset), fetch.Request{BytesMin: 1, BytesMax: size, WaitMax: s.wait(c, timeout)}, &out)
	if err != nil {
		return nil, err
	}
	return asRecords(c, out.records, out.format), nil
}

// fetch reads one partition. Where all that was there is passed over (a marker, an aborted transaction), it reads on at once.
func (s *Server) fetch(ctx context.Context, name string, tp record.TopicPartition, from record.Offset, r fetch.Request, into *reading) (next record.Offset, err error) {
	for {
		r.Partitions = []fetch.Partition{{TopicPartition: tp, Offset: from, BytesMax: r.BytesMax}}
		r.ReadCommitted = true
		got := s.backend.Reader.Fetch(ctx, r)[0]
		switch {
		case errors.Is(got.Err, fetch.ErrOutOfRange):
			return from, fmt.Errorf("%w: %d; the partition has %d to %d", got.Err, from, got.LogStart, got.HighWatermark)
		case got.Err != nil:
			return from, got.Err
		}
		next, err = into.take(name, got, from)
		if err != nil || len(into.records) > 0 || next == from || ctx.Err() != nil {
			return next, err
		}
		from = next
	}
}
