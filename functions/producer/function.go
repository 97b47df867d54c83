package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/firnlog/firnlog/functions/emf"
	"github.com/firnlog/firnlog/functions/gateway"
	"github.com/firnlog/firnlog/functions/place"
)

// function is the handler of all events.
type function struct {
	place *place.Place
	http  http.Handler
}

// counted tells what an answer says: of a request, or of messages that come again.
func counted(answer any, add emf.Add) {
	switch a := answer.(type) {
	case *gateway.Reply:
		gateway.Count(a, add)
	case itemFailures:
		add("MessagesFailed", emf.Count, float64(len(a.Failures)))
	}
}

// errEvent: what was sent is none of the events that this function knows.
var errEvent = errors.New("event not known: want HTTP, SQS, Kinesis, Kafka, or {topic, records}")

// invoke answers one event.
func (f *function) invoke(ctx context.Context, raw json.RawMessage) (any, error) {
	reply, err := gateway.Serve(ctx, f.http, raw, f.place.Log)
	if !errors.Is(err, gateway.ErrNoHTTP) {
		return reply, err
	}
	d := direct{Format: "binary"}
	if err := json.Unmarshal(raw, &d); err == nil && d.Topic != "" {
		return f.direct(ctx, &d)
	}
	messages, answer, err := messagesOf(raw)
	if err != nil {
		return nil, err
	}
	failed, err := f.write(ctx, messages)
	if err != nil {
		return nil, err
	}
	return answer(failed)
}

// direct is an invocation without HTTP around it: {"topic":"t","records":[…],"format":"json"}. It is answered as POST /topics/{topic} is.
type direct struct {
	Topic     string          `json:"topic"`
	Partition *int32          `json:"partition"`
	Format    string          `json:"format"` // binary, json or text
	Producer  string          `json:"producer"`
	Records   json.RawMessage `json:"records"`
}

func (f *function) direct(ctx context.Context, d *direct) (json.RawMessage, error) {
	path := "/topics/" + url.PathEscape(d.Topic)
	if d.Partition != nil {
		path += fmt.Sprintf("/partitions/%d", *d.Partition)
	}
	body, err := json.Marshal(map[string]json.RawMessage{"records": d.Records})
	if err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	r.Header.Set("Content-Type", "application/vnd.kafka."+d.Format+".v2+json")
	if d.Producer != "" {
		r.Header.Set("Firnlog-Producer", d.Producer)
	}
	return gateway.Call(f.http, r, f.place.Log), nil
}
