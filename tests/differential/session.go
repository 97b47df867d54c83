package differential

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Range of versions of an API; an empty one has Max < Min.
type Range struct{ Min, Max int16 }

// Answer is what one operation was answered, as fields.
type Answer struct {
	API     string
	Op      string
	Version int16
	Fields  map[string]string
	Took    time.Duration
}

// Session is a run of the script against one broker.
type Session struct {
	Tame    bool // asks only what kfake survives
	address string
	conn    *conn
	served  map[int16]Range // by both brokers of the pair
	base    time.Time       // of the records' timestamps: an hour ago, the same for both
	symbols *symbols
	answers []Answer
	err     error // that makes the rest of the run meaningless
}

// NewSession prepares a run in the versions that both brokers serve.
func NewSession(address string, served map[int16]Range, now time.Time) *Session {
	served = maps.Clone(served)
	if r, ok := served[kmsg.Produce.Int16()]; ok {
		served[kmsg.Produce.Int16()] = Range{max(r.Min, producedFrom), r.Max}
	}
	return &Session{address: address, served: served, base: now.Add(-time.Hour).Truncate(time.Second), symbols: newSymbols(now)}
}

// producedFrom is the first version of Produce that carries record batches. Those below are advertised, but not served.
const producedFrom = 3

// Run runs the script, and gives what was answered.
func (s *Session) Run() ([]Answer, error) {
	defer s.close()
	if s.Tame { // it takes the first version of these for the second
		for _, key := range []kmsg.Key{kmsg.ListOffsets, kmsg.JoinGroup} {
			r := s.served[key.Int16()]
			s.served[key.Int16()] = Range{max(r.Min, 1), r.Max}
		}
	}
	s.script()
	return s.answers, s.err
}

func (s *Session) close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// Served asks a broker which versions it serves.
func Served(address string) (map[int16]Range, error) {
	c, err := dial(address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	req := kmsg.NewPtrApiVersionsRequest()
	resp, err := c.ask(req)
	if err != nil {
		return nil, err
	}
	out := map[int16]Range{}
	for _, k := range resp.(*kmsg.ApiVersionsResponse).ApiKeys {
		out[k.ApiKey] = Range{k.MinVersion, k.MaxVersion}
	}
	return out, nil
}

// Both gives what two brokers both serve.
func Both(a, b map[int16]Range) map[int16]Range {
	out := map[int16]Range{}
	for key, r := range a {
		if other, ok := b[key]; ok {
			out[key] = Range{max(r.Min, other.Min), min(r.Max, other.Max)}
		}
	}
	return out
}

// every asks in each version that both brokers serve, from the oldest on. build may be called more often than that.
func (s *Session) every(op string, build func(version int16) kmsg.Request) {
	s.between(op, 0, 1<<14, build)
}

// between is every, within bounds of versions.
func (s *Session) between(op string, first, last int16, build func(version int16) kmsg.Request) {
	r, ok := s.served[build(first).Key()]
	if !ok {
		return
	}
	for v := max(first, r.Min); v <= min(last, r.Max); v++ {
		s.do(op, v, build(v))
	}
}

// newest asks in the newest version that both brokers serve; nil when there is none or no answer.
func (s *Session) newest(op string, build func(version int16) kmsg.Request) kmsg.Response {
	r, ok := s.served[build(0).Key()]
	if !ok || r.Max < r.Min {
		return nil
	}
	return s.do(op, r.Max, build(r.Max))
}

// do asks and keeps the answer as fields.
func (s *Session) do(op string, version int16, req kmsg.Request) kmsg.Response {
	req.SetVersion(version)
	start := time.Now()
	resp, err := s.ask(req)
	s.keep(op, req, resp, err)
	s.answers[len(s.answers)-1].Took = time.Since(start)
	return resp
}

// ask asks without keeping the answer. A connection that was closed is opened again for the next.
func (s *Session) ask(req kmsg.Request) (kmsg.Response, error) {
	if s.err != nil {
		return nil, s.err
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	resp, err := s.conn.ask(req)
	if err != nil {
		s.close()
	}
	return resp, err
}

func (s *Session) open() error {
	if s.conn != nil {
		return nil
	}
	c, err := dial(s.address)
	if err != nil {
		s.err = err
		return err
	}
	s.conn = c
	return nil
}

func (s *Session) keep(op string, req kmsg.Request, resp kmsg.Response, err error) {
	a := Answer{API: kmsg.NameForKey(req.Key()), Op: op, Version: req.GetVersion(), Fields: map[string]string{}}
	switch {
	case errors.Is(err, errSilent):
		a.Fields[connection] = "open, no answer"
	case err != nil:
		a.Fields[connection] = "closed"
	default:
		s.symbols.learn(resp)
		s.symbols.flatten(resp, a.Fields)
	}
	s.answers = append(s.answers, a)
}

// connection is the field that says what became of the connection where there is no answer.
const connection = "connection"

// note keeps an observation that is not a response.
func (s *Session) note(api kmsg.Key, op string, version int16, field, value string) {
	s.answers = append(s.answers, Answer{API: api.Name(), Op: op, Version: version, Fields: map[string]string{field: value}})
}

// settleMax bounds how long a broker may take to show what it has acknowledged: in Kafka, brokers
// follow the controller some time later.
const settleMax = 20 * time.Second

// await polls until a broker has come to a state, which is not part of the comparison.
func (s *Session) await(what string, reached func() bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(settleMax); s.err == nil; <-tick.C {
		if reached() {
			return
		}
		if time.Now().After(end) {
			s.err = fmt.Errorf("broker at %s: %s: not within %v", s.address, what, settleMax)
		}
	}
}

func errAt(what string, code int16) error { return fmt.Errorf("%s: %s", what, errorName(code)) }
