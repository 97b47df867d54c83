package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/record"
)

// A consumer instance is a KIP-848 member of its group. All that it is lies in its seat, as JSON:
//
//	created with   format, reset, auto commit, bytes, waiting time, life
//	subscribed to  names and pattern; or it has chosen its partitions by hand, and is no member
//	member epoch   0: it has still to join
//	places         its partitions, each with the position to go on from
//
// Every request reads the seat, does its work and swaps it, so any instance serves any of them, and of two at the same time
// one begins anew with what the other has left.

// stateVersion is the version of the JSON in etcd.
const stateVersion = 1

type instanceState struct {
	Version     int    `json:"version"`
	Format      string `json:"format"`
	Reset       string `json:"reset"`
	AutoCommit  bool   `json:"autoCommit"`
	BytesMin    int    `json:"bytesMin"`
	WaitMs      int64  `json:"waitMs"`
	TTLMs       int64  `json:"ttlMs"`
	LeasedAtMs  int64  `json:"leasedAtMs"`
	CommittedMs int64  `json:"committedMs"` // when it last committed by itself

	Names   []string `json:"names,omitempty"`
	Pattern string   `json:"pattern,omitempty"`
	Manual  bool     `json:"manual,omitempty"` // its partitions were chosen by hand
	Epoch   int32    `json:"epoch"`
	Places  []spot   `json:"places,omitempty"`
	Turn    int      `json:"turn"` // which place comes first, so that none is starved
}

// spot is a partition of a consumer instance.
type spot struct {
	Topic     string         `json:"topic"`
	ID        record.TopicID `json:"id"`
	Partition int32          `json:"partition"`
	Position  record.Offset  `json:"position"`        // of the next record to give
	Moved     bool           `json:"moved,omitempty"` // since it was committed; of instances that commit by themselves
}

func (p *spot) name() record.TopicPartition {
	return record.TopicPartition{Topic: p.ID, Partition: p.Partition}
}

// consumer is an instance during a request.
type consumer struct {
	instanceState
	seat   *group.Seat
	before []byte // its state as it was read
	client string
	host   string
}

func (c *consumer) subscribed() bool { return len(c.Names) > 0 || c.Pattern != "" }

func (c *consumer) encode(leasedAt time.Time) []byte {
	c.LeasedAtMs = leasedAt.UnixMilli()
	b, err := json.Marshal(c.instanceState)
	if err != nil {
		panic(fmt.Sprintf("encode consumer instance: %v", err)) // cannot be: strings and numbers
	}
	return b
}

// place finds a partition of the consumer.
func (c *consumer) place(topic string, partition int32) *spot {
	i := slices.IndexFunc(c.Places, func(p spot) bool { return p.Topic == topic && p.Partition == partition })
	if i < 0 {
		return nil
	}
	return &c.Places[i]
}

// consumer reads the instance of the path.
func (s *Server) consumer(c *call) (*consumer, error) {
	seat, err := s.backend.Groups.FindSeat(c.ctx, c.params["group"], c.params["instance"])
	if err != nil {
		return nil, err
	}
	out := &consumer{seat: seat, before: seat.Value, client: "rest", host: "/" + hostOf(c.r.RemoteAddr)}
	if err := json.Unmarshal(seat.Value, &out.instanceState); err != nil {
		return nil, fmt.Errorf("read consumer instance: %w", err)
	}
	if out.Version != stateVersion {
		return nil, fmt.Errorf("%w: consumer instance of version %d: upgrade this instance", errNotNow, out.Version)
	}
	seat.TTL, seat.LeasedAt = time.Duration(out.TTLMs)*time.Millisecond, time.UnixMilli(out.LeasedAtMs)
	return out, nil
}

func hostOf(address string) string {
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		return strings.Trim(address[:i], "[]")
	}
	return address
}

// keep stores what a request has changed, and lets the instance live on.
func (s *Server) keep(ctx context.Context, con *consumer) error {
	if bytes.Equal(con.encode(con.seat.LeasedAt), con.before) && !con.seat.Worn(s.backend.Now()) {
		return nil
	}
	if err := s.backend.Groups.KeepSeat(ctx, con.seat, con.encode); err != nil {
		return err
	}
	con.before = con.seat.Value
	return nil
}

// triesMax is how often a request begins anew because another one of the same consumer was faster.
const triesMax = 5

// change runs a step on the instance of the path, and stores what it makes of it.
func (s *Server) change(c *call, step func(con *consumer) (*answer, error)) (*answer, error) {
	for try := 1; ; try++ {
		con, err := s.consumer(c)
		if err != nil {
			return nil, err
		}
		a, err := step(con)
		if err == nil {
			err = s.keep(c.ctx, con)
		}
		if err == nil || !isChanged(err) || try == triesMax {
			return a, err
		}
	}
}

// createRequest is what an instance is made with; numbers and booleans may come as strings.
type createRequest struct {
	Name       string `json:"name"`
	ID         string `json:"id"` // what version 1 calls it
	Format     string `json:"format"`
	Reset      string `json:"auto.offset.reset"`
	AutoCommit loose  `json:"auto.commit.enable"`
	Enable     loose  `json:"enable.auto.commit"` // as Kafka's consumers call it
	BytesMin   loose  `json:"fetch.min.bytes"`
	WaitMs     loose  `json:"consumer.request.timeout.ms"`
	TTLMs      loose  `json:"consumer.instance.timeout.ms"`
}

// loose is a string, a number or a boolean, as text.
type loose string

// UnmarshalJSON reads any of them.
func (l *loose) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err == nil {
		*l = loose(text)
		return nil
	}
	switch b[0] {
	case '{', '[':
		return &json.UnmarshalTypeError{Value: "object or array"}
	case 'n':
		return nil
	}
	*l = loose(b)
	return nil
}

func (s *Server) createInstance(c *call) (*answer, error) {
	req := createRequest{}
	if err := s.decode(c, &req, true); err != nil {
		return nil, err
	}
	state, err := s.instanceOf(&req)
	if err != nil {
		return nil, err
	}
	name := req.Name
	if name == "" {
		name = req.ID
	}
	if name == "" {
		name = "rest-consumer-" + s.backend.NewID()
	}
	if len(name) > nameBytesMax || len(c.params["group"]) > nameBytesMax {
		return nil, failf(422, codeBadConsumer, "names have at most %d bytes", nameBytesMax)
	}
	con := &consumer{instanceState: *state}
	ttl := time.Duration(state.TTLMs) * time.Millisecond
	if con.seat, err = s.backend.Groups.TakeSeat(c.ctx, c.params["group"], name, ttl, con.encode); err != nil {
		return nil, err
	}
	return ok(struct {
		ID   string `json:"instance_id"`
		Base string `json:"base_uri"`
	}{name, s.base(c) + "/consumers/" + url.PathEscape(c.params["group"]) + "/instances/" + url.PathEscape(name)})
}

const nameBytesMax = 255

// base is where clients reach this front end. Any instance serves any request, so it is what the client used itself.
func (s *Server) base(c *call) string {
	if s.settings.PublicURL != "" {
		return strings.TrimSuffix(s.settings.PublicURL, "/")
	}
	scheme := "http"
	if forwarded := c.r.Header.Get("X-Forwarded-Proto"); c.r.TLS != nil || forwarded == "https" {
		scheme = "https"
	}
	return scheme + "://" + c.r.Host
}

// instanceOf checks what an instance shall be.
func (s *Server) instanceOf(r *createRequest) (*instanceState, error) {
	state := &instanceState{Version: stateVersion, Format: r.Format, Reset: r.Reset, CommittedMs: s.backend.Now().UnixMilli()}
	switch {
	case state.Format == "":
		state.Format = formatBinary
	case !knownFormat(state.Format):
		return nil, failf(422, codeBadConsumer, "format %q: want binary, json or text", cut(state.Format))
	}
	switch state.Reset {
	case "", "largest": // as version 1 says
		state.Reset = resetLatest
	case "smallest":
		state.Reset = resetEarliest
	case resetEarliest, resetLatest, resetNone:
	default:
		return nil, failf(422, codeBadConsumer, "auto.offset.reset %q: want earliest, latest or none", cut(state.Reset))
	}
	auto := r.AutoCommit
	if auto == "" {
		auto = r.Enable
	}
	switch strings.ToLower(string(auto)) {
	case "", "true":
		state.AutoCommit = true
	case "false":
	default:
		return nil, failf(422, codeBadConsumer, "auto.commit.enable %q: want true or false", cut(string(auto)))
	}
	bytesMin, err := r.BytesMin.number("fetch.min.bytes", 1, 1, int64(s.settings.FetchBytesMax))
	if err == nil {
		state.BytesMin = int(bytesMin)
		state.WaitMs, err = r.WaitMs.number("consumer.request.timeout.ms", s.settings.FetchWait.Milliseconds(), 0, int64(1)<<31-1)
	}
	if err == nil {
		state.TTLMs, err = r.TTLMs.number("consumer.instance.timeout.ms", s.settings.InstanceTTL.Milliseconds(), 1000, s.settings.InstanceTTLMax.Milliseconds())
	}
	return state, err
}

const resetEarliest, resetLatest, resetNone = "earliest", "latest", "none"

func (l loose) number(name string, usual, least, most int64) (int64, error) {
	if l == "" {
		return usual, nil
	}
	var n int64
	if err := json.Unmarshal([]byte(l), &n); err != nil || n == -1 || n < least || n > most {
		if err == nil && n == -1 { // the conventions' word for "as usual"
			return usual, nil
		}
		return 0, failf(422, codeBadConsumer, "%s %q: want %d to %d", name, cut(string(l)), least, most)
	}
	return n, nil
}
