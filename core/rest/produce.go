package rest

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/firnlog/firnlog/core/record"
)

// POST /topics/{topic} and POST /topics/{topic}/partitions/{partition}: a list of records in an embedded format, and as many
// offsets or errors. What makes the request impossible fails it as a whole, before anything is written.

type produceRequest struct {
	Records []recordJSON `json:"records"`
}

type recordJSON struct {
	Key       json.RawMessage `json:"key"`
	Value     json.RawMessage `json:"value"`
	Partition *int64          `json:"partition"`
	Timestamp *int64          `json:"timestamp"`
	Headers   []headerJSON    `json:"headers"`
}

type produceResponse struct {
	Offsets []offsetJSON `json:"offsets"`
	// There are no schemas here; clients expect the fields.
	KeySchema   *int `json:"key_schema_id"`
	ValueSchema *int `json:"value_schema_id"`
}

type offsetJSON struct {
	Partition *int32         `json:"partition"`
	Offset    *record.Offset `json:"offset"`
	Code      *int           `json:"error_code"`
	Error     *string        `json:"error"`
}

func (s *Server) produce(c *call) (*answer, error) {
	p, err := producerOf(c.r.Header)
	if err != nil {
		return nil, err
	}
	var req produceRequest
	if err := s.decode(c, &req, false); err != nil {
		return nil, err
	}
	t, tp, err := s.named(c)
	if err != nil {
		return nil, err
	}
	var fixed *int32
	if c.params["partition"] != "" {
		fixed = &tp.Partition
	}
	messages, err := req.messages(c.sent.format, fixed)
	if err != nil {
		return nil, err
	}
	ctx, cancel := c.produceContext(s)
	defer cancel()
	f, err := s.begin(ctx, t, messages, p)
	if err != nil {
		return nil, err
	}
	var resp produceResponse
	for _, w := range f.wait(ctx) {
		resp.Offsets = append(resp.Offsets, w.json())
	}
	return ok(resp)
}

// messages reads the records; fixed is the partition of the path.
func (r *produceRequest) messages(format string, fixed *int32) ([]message, error) {
	if len(r.Records) == 0 {
		return nil, failf(422, 422, "records: there are none")
	}
	if format == "" {
		format = formatBinary
	}
	out := make([]message, len(r.Records))
	for i := range r.Records {
		m, err := r.Records[i].message(format, fixed)
		if err != nil {
			return nil, at(err, "record %d", i)
		}
		out[i] = m
	}
	return out, nil
}

func (r *recordJSON) message(format string, fixed *int32) (m message, err error) {
	m.partition, m.timestamp = fixed, r.Timestamp
	switch {
	case r.Partition != nil && fixed != nil:
		return m, failf(422, 422, "partition is in the path already")
	case r.Partition != nil && (*r.Partition < 0 || *r.Partition > math.MaxInt32):
		return m, fmt.Errorf("%w: %d", errNoPartition, *r.Partition)
	case r.Partition != nil:
		n := int32(*r.Partition)
		m.partition = &n
	}
	if m.timestamp != nil && *m.timestamp < 0 {
		return m, failf(422, 422, "timestamp: milliseconds since 1970")
	}
	if m.key, err = takes(format, r.Key); err != nil {
		return m, at(err, "key")
	}
	if m.value, err = takes(format, r.Value); err != nil {
		return m, at(err, "value")
	}
	m.headers, err = takeHeaders(r.Headers)
	return m, err
}

// at says where in a request something is wrong.
func at(err error, format string, args ...any) error {
	where := fmt.Sprintf(format, args...)
	if f, is := err.(*failure); is { //nolint:errorlint // only what is made here, unwrapped
		return failf(f.status, f.code, "%s: %s", where, f.message)
	}
	return fmt.Errorf("%s: %w", where, err)
}

func (w *written) json() offsetJSON {
	if w.err != nil {
		f, _ := failureOf(w.err, v2)
		return offsetJSON{Code: &f.code, Error: &f.message}
	}
	o := offsetJSON{Partition: &w.partition}
	if w.offset >= 0 {
		o.Offset = &w.offset
	}
	return o
}

// makeProducer answers POST /producers: an id for Firnlog-Producer.
func (s *Server) makeProducer(c *call) (*answer, error) {
	if err := s.someTopicWrite(c); err != nil {
		return nil, err
	}
	id, err := s.backend.Producers.NextProducerID(c.ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotNow, err)
	}
	return ok(struct {
		ID    record.ProducerID `json:"producer_id"`
		Epoch record.Epoch      `json:"epoch"`
	}{id, 0})
}
