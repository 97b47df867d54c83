package console

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// A search reads partitions from somewhere on, or their newest records, keeps what fits a key or a part of a value, and stops at its
// limits: messages, bytes read, time. It says where it stopped, and the page goes on from there if one wants it to.
const (
	messagesMax    = 200
	messagesUsual  = 50
	searchBytes    = 32 << 20
	searchTime     = 5 * time.Second
	searchOffsets  = 20_000 // that a search for the newest that fit looks back in each partition, in one request
	partitionsMax  = 256
	fetchBytes     = 1 << 20
	windowBytes    = 4 << 20 // of offsets that are looked at together, about
	previewBytes   = 4 << 10
	previewMax     = 4 << 20
	headersMax     = 100
	headerBytesMax = 1 << 10
)

// search is one request, taken apart.
type search struct {
	s         *Server
	ctx       context.Context
	topic     *ledger.Topic
	places    []place
	backwards bool
	limit     int
	preview   int
	key       []byte // nil: any
	part      []byte // of the value; nil: any
	until     time.Time
	read      struct {
		Records int64 `json:"records"`
		Bytes   int64 `json:"bytes"`
	}
	stopped string // "", or which limit stopped it
}

// place is what is read of one partition: offsets from at to below to.
type place struct {
	tp         record.TopicPartition
	start, end record.Offset // of the partition
	at, to     record.Offset
	each       int64 // bytes of an offset, about
}

// messages answers topics/{topic}/messages. Parameters:
//
//	partition  a number; without it all
//	from       newest (the default), oldest, offset, time
//	offset     of from=offset
//	time       of from=time, ms
//	after      goes on: partition:offset,…
//	before     newest, but before these: partition:offset,…
//	key        all of the key, as text, or as 0x and hex
//	value      a part of the value
//	limit, preview  messages in the answer; bytes of each key and value
func (s *Server) messages(c *call) (any, error) {
	t, err := s.named(c)
	if err != nil {
		return nil, err
	}
	if s.backend.Used != nil {
		if wait := s.backend.Used(c.ctx, 0); wait > 0 {
			return nil, &failure{http.StatusTooManyRequests, "over the quota of fetch", "wait " + wait.Round(time.Second).String() + ", or ask for a larger consumer_byte_rate"}
		}
	}
	q := &search{s: s, ctx: c.ctx, topic: t, until: s.backend.Now().Add(searchTime)}
	if err := q.parse(c); err != nil {
		return nil, err
	}
	answer, err := q.run()
	if s.backend.Used != nil {
		s.backend.Used(c.ctx, int(q.read.Bytes))
	}
	return answer, err
}

func (q *search) parse(c *call) error {
	var err error
	limit, preview := int64(messagesUsual), int64(previewBytes)
	if text := c.query.Get("limit"); text != "" {
		if limit, err = number(text, "limit", 1, messagesMax); err != nil {
			return err
		}
	}
	if text := c.query.Get("preview"); text != "" {
		if preview, err = number(text, "preview", 0, previewMax); err != nil {
			return err
		}
	}
	q.limit, q.preview = int(limit), int(preview)
	if int64(q.limit)*preview > 2*previewMax {
		return wrong("limit and preview together are too much for one answer", "ask for fewer messages, or less of each")
	}
	if text := c.query.Get("key"); text != "" {
		q.key = []byte(text)
		if digits, isHex := strings.CutPrefix(text, "0x"); isHex {
			if q.key, err = hex.DecodeString(digits); err != nil {
				return wrong("the key begins with 0x, but hex digits do not follow", "write two digits for each byte, or the key as text")
			}
		}
	}
	if text := c.query.Get("value"); text != "" {
		q.part = []byte(text)
	}
	if err := q.choose(c); err != nil {
		return err
	}
	return q.position(c)
}

// choose finds the partitions, and their ends behind a barrier.
func (q *search) choose(c *call) error {
	first, count := int32(0), q.topic.Partitions
	if text := c.query.Get("partition"); text != "" {
		n, err := number(text, "partition", 0, math.MaxInt32)
		if err != nil {
			return err
		}
		if first, count = int32(n), 1; first >= q.topic.Partitions {
			return errNoSuch
		}
	}
	if count > partitionsMax {
		return wrong("the topic has more than "+strconv.Itoa(partitionsMax)+" partitions", "choose one of them")
	}
	if err := q.s.backend.Stream.Barrier(q.ctx); err != nil {
		return errNotNow
	}
	return q.s.backend.Stream.View(func(l *ledger.Ledger) {
		for n := first; n < first+count; n++ {
			tp := partitionOf(q.topic, n)
			p := l.Partition(tp)
			q.places = append(q.places, place{tp: tp, start: p.LogStart(), end: p.LastStable(), at: p.LogStart(), to: p.LastStable(), each: p.Bytes() / max(1, int64(p.Next()-p.LogStart()))})
		}
	})
}

// position says where each partition is read from.
func (q *search) position(c *call) error {
	after, before := c.query.Get("after"), c.query.Get("before")
	switch from := c.query.Get("from"); {
	case after != "":
		return q.cursor(after, func(p *place, o record.Offset) { p.at = min(max(o, p.start), p.to) })
	case before != "":
		q.backwards = true
		return q.cursor(before, func(p *place, o record.Offset) { p.to = min(max(o, p.start), p.to) })
	case from == "" || from == "newest":
		q.backwards = true
	case from == "offset":
		n, err := number(c.query.Get("offset"), "offset", 0, math.MaxInt64)
		if err != nil {
			return err
		}
		for i := range q.places {
			p := &q.places[i]
			p.at = min(max(record.Offset(n), p.start), p.to)
		}
	case from == "time":
		ms, err := number(c.query.Get("time"), "time", 0, math.MaxInt64)
		if err != nil {
			return err
		}
		return q.atTime(ms)
	case from != "oldest":
		return wrong("from is none of newest, oldest, offset, time", "choose one of them")
	}
	return nil
}

func (q *search) atTime(ms int64) error {
	for i := range q.places {
		p := &q.places[i]
		found, err := q.s.backend.Reader.AtTime(q.ctx, p.tp, ms, true)
		if err != nil {
			return err
		}
		if p.at = p.to; found.Offset >= 0 {
			p.at = min(max(found.Offset, p.start), p.to)
		}
	}
	return nil
}

// cursor reads partition:offset,… What it does not name is read as if it did.
func (q *search) cursor(text string, set func(*place, record.Offset)) error {
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, ":")
		n, err := number(name, "partition", 0, math.MaxInt32)
		if err != nil {
			return err
		}
		offset, err := number(value, "offset", 0, math.MaxInt64)
		if err != nil {
			return err
		}
		for i := range q.places {
			if q.places[i].tp.Partition == int32(n) {
				set(&q.places[i], record.Offset(offset))
			}
		}
	}
	return nil
}

// exhausted says that a limit is reached, and notes which.
func (q *search) exhausted() bool {
	switch {
	case q.read.Bytes >= searchBytes:
		q.stopped = "bytes"
	case q.s.backend.Now().After(q.until) || q.ctx.Err() != nil:
		q.stopped = "time"
	}
	return q.stopped != ""
}

// fits says whether a record is looked for.
func (q *search) fits(r record.Record) bool {
	return (q.key == nil || r.Key != nil && bytes.Equal(q.key, r.Key)) && (q.part == nil || bytes.Contains(r.Value, q.part))
}

// walk hands on what fits, from an offset to below another, until full says so; it gives the offset to go on from.
func (q *search) walk(tp record.TopicPartition, at, to record.Offset, take func(message) (full bool)) (record.Offset, error) {
	for full := false; at < to && !full && !q.exhausted(); {
		got := q.s.backend.Reader.Fetch(q.ctx, fetch.Request{
			Partitions: []fetch.Partition{{TopicPartition: tp, Offset: at, BytesMax: fetchBytes}}, BytesMax: fetchBytes, ReadCommitted: true,
		})[0]
		if errors.Is(got.Err, fetch.ErrOutOfRange) && got.LogStart > at { // retention has come by meanwhile
			at = got.LogStart
			continue
		}
		if got.Err != nil {
			return at, got.Err
		}
		q.read.Bytes += int64(max(got.Size(), 1))
		next, err := consume.Walk(got, at, func(h record.Header, one record.Record) (bool, error) {
			if h.OffsetOf(one) >= to || full {
				return true, nil
			}
			q.read.Records++
			if q.fits(one) {
				full = take(show1(tp.Partition, h, one, q.preview))
			}
			return false, nil
		})
		if err != nil {
			return at, err
		}
		if next <= at { // nothing more can be read now
			return at, nil
		}
		at = next
	}
	return min(at, to), nil
}

// byTime orders messages of several partitions: by timestamp, those of one partition by offset. Timestamps of one partition may go
// backwards; then its order counts.
func byTime(parts [][]message, backwards bool, limit int) []message {
	var out []message
	for len(out) < limit {
		best := -1
		for i, p := range parts {
			if len(p) > 0 && (best < 0 || earlier(end(p, backwards), end(parts[best], backwards)) != backwards) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		out = append(out, end(parts[best], backwards))
		if p := parts[best]; backwards {
			parts[best] = p[:len(p)-1]
		} else {
			parts[best] = p[1:]
		}
	}
	return out
}

func end(p []message, last bool) message {
	if last {
		return p[len(p)-1]
	}
	return p[0]
}

func earlier(a, b message) bool {
	return cmp.Or(cmp.Compare(a.Timestamp, b.Timestamp), cmp.Compare(a.Partition, b.Partition)) < 0
}

func (q *search) run() (any, error) {
	find := q.forwards
	if q.backwards {
		find = q.newest
	}
	out, err := find()
	if err != nil {
		return nil, err
	}
	out.Read, out.Stopped = q.read, q.stopped
	for _, p := range q.places {
		out.Partitions = append(out.Partitions, boundsJSON{p.tp.Partition, p.start, p.end})
	}
	if out.Messages == nil {
		out.Messages = []message{}
	}
	slices.SortFunc(out.Partitions, func(a, b boundsJSON) int { return cmp.Compare(a.Partition, b.Partition) })
	return out, nil
}
