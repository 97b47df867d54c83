package rest

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/firnlog/firnlog/core/consume"
)

// A consumer instance is a consumer of core/consume: any instance of the front end serves any of its requests.

// consumer reads the instance of the path.
func (s *Server) consumer(c *call) (*consume.Consumer, error) {
	if err := s.mayGroup(c, c.params["group"]); err != nil {
		return nil, err
	}
	con, err := s.consumers.Find(c.ctx, c.params["group"], c.params["instance"])
	if err != nil {
		return nil, err
	}
	con.Client, con.Host = "rest", "/"+hostOf(c.r.RemoteAddr)
	return con, nil
}

func hostOf(address string) string {
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		return strings.Trim(address[:i], "[]")
	}
	return address
}

// change runs a step on the instance of the path, and stores what it makes of it.
func (s *Server) change(c *call, step func(con *consume.Consumer) (*answer, error)) (a *answer, err error) {
	if err := s.mayGroup(c, c.params["group"]); err != nil {
		return nil, err
	}
	err = s.consumers.Change(c.ctx, c.params["group"], c.params["instance"], func(con *consume.Consumer) (err error) {
		con.Client, con.Host = "rest", "/"+hostOf(c.r.RemoteAddr)
		a, err = step(con)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a, nil
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
	if err := s.mayGroup(c, c.params["group"]); err != nil {
		return nil, err
	}
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
	if _, err = s.consumers.Take(c.ctx, c.params["group"], name, *state); err != nil {
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
func (s *Server) instanceOf(r *createRequest) (*consume.State, error) {
	state := &consume.State{Format: r.Format, Reset: r.Reset, CommittedMs: s.backend.Now().UnixMilli()}
	switch {
	case state.Format == "":
		state.Format = formatBinary
	case !knownFormat(state.Format):
		return nil, failf(422, codeBadConsumer, "format %q: want binary, json or text", cut(state.Format))
	}
	switch state.Reset {
	case "", "largest": // as version 1 says
		state.Reset = consume.Latest
	case "smallest":
		state.Reset = consume.Earliest
	case consume.Earliest, consume.Latest, consume.NoReset:
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
