package rest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// POST …/records of version 3 takes JSON objects one after the other, and answers each with a report, in their order. To a client that keeps
// its request open (chunked), a report goes out as soon as its record is committed; else all of them follow the last record.
// Records overlap: up to StreamWindow are on their way.

type record3JSON struct {
	Partition *int64       `json:"partition_id"`
	Headers   []headerJSON `json:"headers"`
	Key       *dataJSON    `json:"key"`
	Value     *dataJSON    `json:"value"`
	Timestamp *time.Time   `json:"timestamp"`
}

type dataJSON struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// formatOf gives the embedded format of a type.
func formatOf(kind string) (string, bool) {
	switch kind {
	case "BINARY":
		return formatBinary, true
	case "JSON":
		return formatJSON, true
	case "STRING":
		return formatText, true
	}
	return "", false
}

// bytes reads a key or value; of no type it is null.
func (d *dataJSON) bytes() ([]byte, error) {
	if d == nil || d.Type == "" && isNull(d.Data) {
		return nil, nil
	}
	format, known := formatOf(d.Type)
	if !known {
		return nil, failf(400, 400, "type %q: want BINARY, JSON or STRING", cut(d.Type))
	}
	b, err := takes(format, d.Data)
	var f *failure
	if errors.As(err, &f) {
		return nil, failf(400, 400, "%s", f.message)
	}
	return b, err
}

func (r *record3JSON) message() (m message, err error) {
	if r.Partition != nil {
		if *r.Partition < 0 || *r.Partition > math.MaxInt32 {
			return m, fmt.Errorf("%w: %d", errNoPartition, *r.Partition)
		}
		n := int32(*r.Partition)
		m.partition = &n
	}
	if r.Timestamp != nil {
		ms := r.Timestamp.UnixMilli()
		if ms < 0 {
			return m, failf(400, 400, "timestamp: want one after 1970")
		}
		m.timestamp = &ms
	}
	if m.key, err = r.Key.bytes(); err != nil {
		return m, at(err, "key")
	}
	if m.value, err = r.Value.bytes(); err != nil {
		return m, at(err, "value")
	}
	for _, h := range r.Headers {
		one := record.RecordHeader{Key: h.Name + h.Key}
		if h.Value != nil {
			if one.Value, err = base64.StdEncoding.DecodeString(*h.Value); err != nil {
				return m, failf(400, 400, "the value of header %q is not base64", cut(one.Key))
			}
		}
		m.headers = append(m.headers, one)
	}
	return m, nil
}

// reportJSON tells what became of a record.
type reportJSON struct {
	ID        *string        `json:"id,omitempty"` // of batches
	Code      int            `json:"error_code"`
	Message   string         `json:"message,omitempty"`
	Cluster   string         `json:"cluster_id,omitempty"`
	Topic     string         `json:"topic_name,omitempty"`
	Partition *int32         `json:"partition_id,omitempty"`
	Offset    *record.Offset `json:"offset,omitempty"`
	Timestamp *time.Time     `json:"timestamp,omitempty"`
	Key       *sizeJSON      `json:"key,omitempty"`
	Value     *sizeJSON      `json:"value,omitempty"`
}

type sizeJSON struct {
	Type string `json:"type"`
	Size int    `json:"size"`
}

// report makes the one of a record that was handed on.
func (s *Server) report(t *ledger.Topic, r *record3JSON, m *message, w *written, sentAt time.Time) reportJSON {
	if w.err != nil {
		return refusal(w.err)
	}
	out := reportJSON{Code: 200, Cluster: s.backend.Topics.ClusterID(), Topic: t.Name, Partition: &w.partition}
	if w.offset >= 0 {
		out.Offset = &w.offset
	}
	at := sentAt
	switch {
	case w.timestamp >= 0:
		at = time.UnixMilli(w.timestamp)
	case m.timestamp != nil:
		at = time.UnixMilli(*m.timestamp)
	}
	at = at.UTC().Truncate(time.Millisecond)
	out.Timestamp = &at
	out.Key, out.Value = r.Key.size(m.key), r.Value.size(m.value)
	return out
}

func (d *dataJSON) size(b []byte) *sizeJSON {
	if d == nil || b == nil {
		return nil
	}
	return &sizeJSON{d.Type, len(b)}
}

// refusal is the report of a record that was not written.
func refusal(err error) reportJSON {
	f, _ := failureOf(err, v3)
	return reportJSON{Code: f.code, Message: f.message}
}

// sending is a record of a stream on its way: what its report will be made of.
type sending struct {
	record   record3JSON
	message  message
	inFlight *inFlight
	at       time.Time
	err      error
	last     bool // nothing can be read after it
}

func (s *Server) produceStream(c *call) (*answer, error) {
	_, t, err := s.topic3(c)
	if err != nil {
		return nil, err
	}
	p, err := producerOf(c.r.Header)
	if err != nil {
		return nil, err
	}
	// Whoever says how long its body is may not read before all of it is sent.
	both := c.r.ContentLength < 0 && http.NewResponseController(c.w).EnableFullDuplex() == nil
	sent, unpacked := s.settings.BodyBytesMax, s.settings.UnpackedBytesMax
	if both {
		sent, unpacked = math.MaxInt64, math.MaxInt64
	}
	if c.r.ContentLength > sent {
		return nil, s.bodyError(c, errTooMuch)
	}
	s.bodyBy(c, time.Now().Add(s.settings.BodyTimeout))
	body, err := s.unpacked(c, sent, unpacked)
	if err != nil {
		return nil, err
	}
	// A stream lasts as long as its client likes; each of its steps is bounded.
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.ctx))
	defer cancel()
	in := &incoming{server: s, call: c, topic: t, producer: p, body: &limited{body, s.settings.RecordBytesMax}}
	in.decoder = json.NewDecoder(in.body)
	first := in.next(ctx)
	if first == nil {
		return nil, c.malformed("there is none")
	}
	queue := make(chan *sending, s.settings.StreamWindow)
	if !both { // the answer would end the request's body
		queue = in.all(ctx, first)
	} else {
		go in.feed(ctx, first, queue)
	}
	return nil, s.reports(c, t, queue, cancel)
}

// reports answers in order. Where the client has gone, what is on its way is left to itself.
func (s *Server) reports(c *call, t *ledger.Topic, queue <-chan *sending, cancel func()) error {
	c.w.Header().Set("Content-Type", mediaJSON)
	control := http.NewResponseController(c.w)
	encoder := json.NewEncoder(c.w)
	c.begun = true
	var failed error
	for one := range queue {
		if failed != nil {
			continue // the queue is emptied, so that who fills it ends
		}
		out := s.reportOf(t, one)
		_ = control.SetWriteDeadline(time.Now().Add(s.settings.WriteTimeout))
		if err := encoder.Encode(out); err != nil {
			failed = err
			cancel()
			continue
		}
		if len(queue) == 0 {
			_ = control.Flush()
		}
	}
	return failed
}

func (s *Server) reportOf(t *ledger.Topic, one *sending) reportJSON {
	if one.err != nil {
		return refusal(one.err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.settings.RequestTimeout)
	defer cancel()
	w := one.inFlight.wait(ctx)[0]
	return s.report(t, &one.record, &one.message, &w, one.at)
}

// incoming reads a stream.
type incoming struct {
	server   *Server
	call     *call
	topic    *ledger.Topic
	producer *producer
	body     *limited
	decoder  *json.Decoder
}

// feed hands records on until the stream ends.
func (in *incoming) feed(ctx context.Context, first *sending, queue chan<- *sending) {
	defer close(queue)
	for one := first; one != nil; one = in.next(ctx) {
		select {
		case queue <- one:
		case <-ctx.Done():
			return
		}
		if one.last {
			return
		}
	}
}

// all does so before the first report is made.
func (in *incoming) all(ctx context.Context, first *sending) chan *sending {
	var list []*sending
	for one := first; one != nil; one = in.next(ctx) {
		if list = append(list, one); one.last {
			break
		}
	}
	queue := make(chan *sending, len(list))
	for _, one := range list {
		queue <- one
	}
	close(queue)
	return queue
}

// next reads a record and hands it on; nil at the end of the stream.
func (in *incoming) next(ctx context.Context) *sending {
	s := in.server
	s.bodyBy(in.call, time.Now().Add(s.settings.BodyTimeout))
	in.body.left = s.settings.RecordBytesMax
	var raw json.RawMessage
	one := &sending{}
	switch err := in.decoder.Decode(&raw); {
	case errors.Is(err, io.EOF):
		return nil
	case errors.Is(err, errTooMuch):
		one.err, one.last = failf(413, 413, "a record is too large: at most %d bytes", s.settings.RecordBytesMax), true
		return one
	case err != nil:
		one.err, one.last = in.call.malformed("%s", jsonError(err)), true
		return one
	}
	if !utf8.Valid(raw) {
		one.err = in.call.malformed("it is not UTF-8")
		return one
	}
	if err := json.Unmarshal(raw, &one.record); err != nil {
		one.err = in.call.malformed("%s", jsonError(err))
		return one
	}
	if one.message, one.err = one.record.message(); one.err != nil {
		return one
	}
	if one.err = s.mayTopic(in.call, in.topic.Name); one.err != nil { // a stream may last longer than a right
		return one
	}
	if one.err = s.patient(ctx); one.err != nil {
		return one
	}
	one.at = s.backend.Now()
	begin, cancel := context.WithTimeout(ctx, s.settings.RequestTimeout)
	defer cancel()
	one.inFlight, one.err = s.begin(begin, in.topic, []message{one.message}, in.producer)
	return one
}
