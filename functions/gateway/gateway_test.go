package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/firnlog/firnlog/functions/gateway"
)

// echo says what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Add("X-Two", "a")
	w.Header().Add("X-Two", "b")
	w.WriteHeader(http.StatusTeapot)
	fmt.Fprintf(w, "%s %s ?%s h=%s host=%s %q", r.Method, r.URL.EscapedPath(), r.URL.Query().Encode(), r.Header.Get("X-H"), r.Host, body)
}

func serve(t *testing.T, h http.HandlerFunc, event any) *gateway.Reply {
	t.Helper()
	raw, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := gateway.Serve(t.Context(), h, raw, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestServe_EachKindOfEventIsTheSameRequest(t *testing.T) {
	headers := map[string]string{"x-h": "v", "host": "example"}
	url := events.LambdaFunctionURLRequest{Version: "2.0", RawPath: "/topics/a%2Fb", RawQueryString: "q=1&q=2+3", Headers: headers, Body: "aGk=", IsBase64Encoded: true}
	url.RequestContext.HTTP.Method = "POST"
	staged := events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: "/prod/topics/a%2Fb", RawQueryString: "q=1&q=2+3", Headers: headers, Body: "hi"}
	staged.RequestContext.HTTP.Method, staged.RequestContext.Stage = "POST", "prod"
	balancer := events.ALBTargetGroupRequest{HTTPMethod: "POST", Path: "/topics/a%2Fb", Headers: headers, Body: "hi", MultiValueQueryStringParameters: map[string][]string{"q": {"1", "2+3"}}}
	balancer.RequestContext.ELB.TargetGroupArn = "arn"
	const want = `POST /topics/a%2Fb ?q=1&q=2+3 h=v host=example "hi"`
	for name, e := range map[string]any{"function url": url, "http api": staged, "load balancer": balancer} {
		if got := serve(t, echo, e); got.Body != want || got.StatusCode != 418 || got.IsBase64Encoded || got.Headers["X-Two"] != "a, b" {
			t.Errorf("%s: %+v\nwant %s", name, got, want)
		}
	}
	rest := events.APIGatewayProxyRequest{HTTPMethod: "POST", Path: "/topics/a b", MultiValueHeaders: map[string][]string{"X-H": {"v"}, "Host": {"example"}}, Body: "hi", MultiValueQueryStringParameters: map[string][]string{"q": {"1", "2 3"}}}
	if got := serve(t, echo, rest); got.Body != `POST /topics/a%20b ?q=1&q=2+3 h=v host=example "hi"` || len(got.MultiValueHeaders["X-Two"]) != 2 {
		t.Errorf("rest api: %+v", got)
	}
}

func TestServe_WhatIsNoTextGoesAsBase64(t *testing.T) {
	e := events.LambdaFunctionURLRequest{RawPath: "/"}
	e.RequestContext.HTTP.Method = "GET"
	got := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte{0xff, 0x00}) }, e)
	if got.Body != "/wA=" || !got.IsBase64Encoded || got.StatusCode != 200 {
		t.Errorf("%+v", got)
	}
}

func TestServe_APanicIsAnAnswer(t *testing.T) {
	e := events.LambdaFunctionURLRequest{RawPath: "/"}
	e.RequestContext.HTTP.Method = "GET"
	if got := serve(t, func(http.ResponseWriter, *http.Request) { panic("boo") }, e); got.StatusCode != 500 {
		t.Errorf("%+v", got)
	}
}

func TestServe_AnAnswerThatLambdaWouldNotTakeIsRefusedInTime(t *testing.T) {
	e := events.LambdaFunctionURLRequest{RawPath: "/"}
	e.RequestContext.HTTP.Method = "GET"
	got := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte{'"'}, 4<<20)) }, e)
	if got.StatusCode != 507 || !strings.Contains(got.Body, "ask for less") {
		t.Errorf("status %d, %d bytes", got.StatusCode, len(got.Body))
	}
}

func TestServe_OtherEventsAreNotTaken(t *testing.T) {
	for _, raw := range []string{`{"Records":[]}`, `{"topic":"t"}`, `[]`, `null`, `x`} {
		if _, err := gateway.Serve(t.Context(), http.HandlerFunc(echo), json.RawMessage(raw), slog.New(slog.DiscardHandler)); !errors.Is(err, gateway.ErrNoHTTP) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
