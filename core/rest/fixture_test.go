package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fork"
	"github.com/firnlog/firnlog/core/group/relay"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/core/txn"
)

// alone is a cluster of one.
type alone struct{}

func (alone) Live() []instance.Info {
	return []instance.Info{{Node: 1, Endpoints: []instance.Endpoint{{Host: "127.0.0.1", Port: 1}}}}
}
func (alone) Self() int32 { return 1 }

// api is a front end over an instance in memory; every request and answer is compared with openapi.yaml.
type api struct {
	*testing.T
	world    *coretest.Cluster
	instance *coretest.Instance
	server   *Server
	url      string
	spec     routers.Router
}

func newAPI(t *testing.T, change ...func(*Settings, *Backend)) *api {
	t.Helper()
	a := newHandler(t, change...)
	server := httptest.NewServer(a.server)
	t.Cleanup(server.Close)
	a.url = server.URL
	doc, err := openapi3.NewLoader().LoadFromData(description)
	if err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	if a.spec, err = legacy.NewRouter(doc); err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	return a
}

// newHandler makes one that no address leads to, as a bubble of testing/synctest wants it.
func newHandler(t *testing.T, change ...func(*Settings, *Backend)) *api {
	t.Helper()
	world := coretest.NewCluster(t)
	in := world.Instance("a", coretest.Options{Linger: time.Millisecond}).Ready()
	ids := 0
	newID := func() string { ids++; return fmt.Sprint(ids) }
	topicID := func() (id record.TopicID) { id[15], id[0] = byte(len(newID())), byte(ids); return id }
	settings := DefaultSettings()
	backend := Backend{
		Topics: in.Stream, Appender: in.Ingest, Reader: in.Fetch, Cluster: alone{}, Producers: txn.NewProducerIDs(in.KV, world.Keys, in.Stream),
		Admin: topic.New(in.KV, world.Keys, in.Stream, topicID, topic.DefaultSettings()),
		Groups: relay.New(relay.Settings{Local: in.Groups, Self: alone{}.Self, Patience: 3 * time.Second, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, io.ErrClosedPipe
		}}),
		Forker: fork.New(fork.Settings{Store: in.Store, KV: in.KV, Keys: world.Keys, Stream: in.Stream, Archive: archive.New(in.Store, 1<<20),
			Cover: in.Upkeep.Cover, NewID: topicID, Now: in.Now, LookBack: fork.LookBack}),
		Now: in.Now, Random: func(int32) int32 { return 0 }, NewID: newID,
	}
	for _, c := range change {
		c(&settings, &backend)
	}
	return &api{T: t, world: world, instance: in, server: New(settings, backend, slog.New(slog.DiscardHandler))}
}

func (a *api) topic(name string, partitions int32, configs ...string) {
	a.Helper()
	a.world.CreateTopic(name, partitions, configs...)
	a.instance.Barrier()
}

// got is an answer.
type got struct {
	*testing.T
	status int
	header http.Header
	text   string
}

// call sends a request as it should be, and checks it and its answer against the description.
func (a *api) call(method, path, contentType, body string, headers ...string) got {
	a.Helper()
	return a.exchange(true, method, path, contentType, body, headers...)
}

// wrong sends a request that the description forbids; its answer must still be as described.
func (a *api) wrong(method, path, contentType, body string, headers ...string) got {
	a.Helper()
	return a.exchange(false, method, path, contentType, body, headers...)
}

func (a *api) exchange(right bool, method, path, contentType, body string, headers ...string) got {
	a.Helper()
	req, err := http.NewRequestWithContext(a.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		a.Fatalf("%s %s: %v", method, path, err)
	}
	a.compare(right, req, body, resp, b)
	return got{a.T, resp.StatusCode, resp.Header, string(b)}
}

// compare holds an exchange against openapi.yaml. A path or method that is not there has nothing to be compared with.
func (a *api) compare(right bool, req *http.Request, body string, resp *http.Response, answer []byte) {
	a.Helper()
	req.Body = io.NopCloser(strings.NewReader(body))
	route, params, err := a.spec.FindRoute(req)
	if err != nil {
		if right {
			a.Fatalf("%s %s is not described: %v", req.Method, req.URL, err)
		}
		return
	}
	for name := range params { // the router gives them as they stand in the URL
		params[name] = unescape(params[name])
	}
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route}
	if err := openapi3filter.ValidateRequest(a.Context(), in); right && err != nil {
		a.Errorf("%s %s: the request is not as described: %v", req.Method, req.URL, err)
	}
	if kind := resp.Header.Get("Content-Type"); kind == "application/yaml" || req.Method == http.MethodHead {
		return
	}
	dec := json.NewDecoder(bytes.NewReader(answer)) // of a stream, each report is held against it
	for n := 0; n == 0 || dec.More(); n++ {
		var one json.RawMessage
		if err := dec.Decode(&one); err != nil && len(answer) > 0 {
			a.Fatalf("%s %s: answer is not JSON: %v", req.Method, req.URL, err)
		}
		out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header, Options: &openapi3filter.Options{IncludeResponseStatus: true}}
		out.SetBodyBytes(one)
		if err := openapi3filter.ValidateResponse(a.Context(), out); err != nil {
			a.Errorf("%s %s: the answer is not as described: %v\n%s", req.Method, req.URL, err, one)
		}
	}
}

func unescape(s string) string {
	return strings.NewReplacer("%2F", "/", "%20", " ").Replace(s)
}

// want checks the status, and gives the answer on.
func (g got) want(status int) got {
	g.Helper()
	if g.status != status {
		g.Fatalf("status %d, want %d: %s", g.status, status, g.text)
	}
	return g
}

// fails checks status and error code.
func (g got) fails(status, code int) got {
	g.Helper()
	var body errorBody
	if err := json.Unmarshal([]byte(g.text), &body); g.status != status || err != nil || body.Code != code || body.Message == "" {
		g.Fatalf("%d %s (%v), want %d with error code %d", g.status, g.text, err, status, code)
	}
	return g
}

// says checks the whole body.
func (g got) says(want string) got {
	g.Helper()
	if strings.TrimSpace(g.text) != want {
		g.Fatalf("body %s, want %s", g.text, want)
	}
	return g
}

// holds checks that the body has a text.
func (g got) holds(want string) got {
	g.Helper()
	if !strings.Contains(g.text, want) {
		g.Fatalf("body %s, want %s in it", g.text, want)
	}
	return g
}

// records reads the values of an answer of records.
func (g got) values() (out []string) {
	g.Helper()
	var list []struct {
		Value any
	}
	if err := json.Unmarshal([]byte(g.text), &list); err != nil {
		g.Fatalf("records: %v: %s", err, g.text)
	}
	for _, r := range list {
		out = append(out, fmt.Sprint(r.Value))
	}
	return out
}

const (
	kindBinary = "application/vnd.kafka.binary.v2+json"
	kindJSON   = "application/vnd.kafka.json.v2+json"
	kindText   = "application/vnd.kafka.text.v2+json"
	kindPlain  = "application/json"
)
