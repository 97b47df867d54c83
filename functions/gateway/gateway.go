// Package gateway turns HTTP events of Lambda into requests of an http.Handler, and its answers into replies.
//
//	event                                   told by
//	Function URL, HTTP API (payload 2.0)    requestContext.http
//	load balancer                           requestContext.elb
//	REST API, HTTP API (payload 1.0)        httpMethod
//
// Answers are buffered: a reply is sent whole or not at all. Bodies that are not text go as base64.
//
// Owns: the shapes of these events and replies. Does not own: what is served.
package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/firnlog/firnlog/core/auth"
)

// ErrNoHTTP: the event is of another kind.
var ErrNoHTTP = errors.New("not an event of HTTP")

var errTooLarge = errors.New("the answer is larger than a function may give")

// replyBytesMax is what Lambda takes for an answer, less what the reply around a body takes.
const replyBytesMax = 6<<20 - 64<<10

// event has the fields of all kinds that are of use here.
type event struct {
	// payload 2.0
	RawPath        string   `json:"rawPath"`
	RawQueryString string   `json:"rawQueryString"`
	Cookies        []string `json:"cookies"`
	// payload 1.0 and load balancers
	HTTPMethod      string              `json:"httpMethod"`
	Path            string              `json:"path"`
	Query           map[string]string   `json:"queryStringParameters"`
	MultiValueQuery map[string][]string `json:"multiValueQueryStringParameters"`
	MultiValue      map[string][]string `json:"multiValueHeaders"`
	// all
	Headers        map[string]string `json:"headers"`
	Body           string            `json:"body"`
	Base64         bool              `json:"isBase64Encoded"`
	RequestContext struct {
		Stage string `json:"stage"`
		HTTP  *struct {
			Method   string `json:"method"`
			SourceIP string `json:"sourceIp"`
		} `json:"http"`
		Identity struct {
			SourceIP string `json:"sourceIp"`
		} `json:"identity"`
		ELB        *json.RawMessage `json:"elb"`
		Authorizer *struct {
			IAM *struct {
				UserARN string `json:"userArn"`
			} `json:"iam"`
		} `json:"authorizer"`
	} `json:"requestContext"`
}

// Reply is what Lambda is answered. Which fields count depends on the kind of event.
type Reply struct {
	StatusCode        int                 `json:"statusCode"`
	StatusDescription string              `json:"statusDescription,omitempty"`
	Headers           map[string]string   `json:"headers,omitempty"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders,omitempty"`
	Body              string              `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
}

// Serve lets a handler answer an event. ErrNoHTTP: it is of another kind.
func Serve(ctx context.Context, h http.Handler, raw json.RawMessage, log *slog.Logger) (*Reply, error) {
	var e event
	if err := json.Unmarshal(raw, &e); err != nil || e.RequestContext.HTTP == nil && e.HTTPMethod == "" {
		return nil, ErrNoHTTP
	}
	r, err := e.request(e.identify(ctx))
	if err != nil {
		return e.reply(plain(http.StatusBadRequest, err.Error())), nil
	}
	w := &recorder{header: http.Header{}}
	if !guarded(h, w, r, log) {
		w = plain(http.StatusInternalServerError, "internal error")
	}
	if n := w.encodedLen(); n > replyBytesMax {
		w = plain(http.StatusInsufficientStorage, fmt.Sprintf("the answer has %d bytes, and a function may give %d: ask for less (max_bytes)", n, replyBytesMax))
	}
	return e.reply(w), nil
}

// Call lets a handler answer a request that came without HTTP around it.
func Call(h http.Handler, r *http.Request, log *slog.Logger) (body []byte) {
	w := &recorder{header: http.Header{}}
	if !guarded(h, w, r.WithContext(auth.WithIdentity(r.Context(), auth.Invoker())), log) {
		w = plain(http.StatusInternalServerError, "internal error")
	}
	return w.body
}

// guarded serves; false: it panicked.
func guarded(h http.Handler, w http.ResponseWriter, r *http.Request, log *slog.Logger) (well bool) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic in a request", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	h.ServeHTTP(w, r)
	return true
}

// request makes the request of an event.
func (e *event) request(ctx context.Context) (*http.Request, error) {
	body := []byte(e.Body)
	if e.Base64 {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, fmt.Errorf("body is not base64: %w", err)
		}
	}
	method, target := e.target()
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(string(body)))
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	for name, value := range e.Headers {
		r.Header.Set(name, value)
	}
	for name, values := range e.MultiValue {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	if e.isREST() {
		r.Header.Del("Accept-Encoding") // packed answers reach clients only where the API declares binary types
	}
	r.Host = r.Header.Get("Host")
	if c := &e.RequestContext; c.HTTP != nil {
		r.RemoteAddr = c.HTTP.SourceIP
	} else {
		r.RemoteAddr = c.Identity.SourceIP // none of a load balancer, whose headers a client could have written
	}
	r.RequestURI, r.URL.Host, r.URL.Scheme = target, "", ""
	return r, nil
}

// identify takes over who IAM says that it is, where the front checks IAM (AuthType AWS_IAM of a Function URL, or of a route).
// The platform writes this part of an event; who may invoke the function directly may write it too, but needs no URL.
func (e *event) identify(ctx context.Context) context.Context {
	a := e.RequestContext.Authorizer
	if e.RequestContext.HTTP == nil || a == nil || a.IAM == nil || auth.CheckName(a.IAM.UserARN) != nil {
		return ctx
	}
	return auth.WithIdentity(ctx, &auth.Identity{Principal: auth.User(a.IAM.UserARN), Mechanism: auth.IAM, Host: e.RequestContext.HTTP.SourceIP})
}

func (e *event) isREST() bool { return e.RequestContext.HTTP == nil && e.RequestContext.ELB == nil }

// target gives method and path with query, as a client would have sent them.
func (e *event) target() (method, target string) {
	if e.RequestContext.HTTP != nil {
		path := e.RawPath
		if stage := e.RequestContext.Stage; stage != "" && stage != "$default" {
			path = strings.TrimPrefix(path, "/"+stage)
		}
		return e.RequestContext.HTTP.Method, join(path, e.RawQueryString)
	}
	raw := e.RequestContext.ELB != nil // a load balancer passes on what is escaped; an API unescapes it
	escape, path := url.QueryEscape, (&url.URL{Path: e.Path}).EscapedPath()
	if raw {
		escape, path = func(s string) string { return s }, e.Path
	}
	all := e.MultiValueQuery
	if len(all) == 0 {
		all = map[string][]string{}
		for name, value := range e.Query {
			all[name] = []string{value}
		}
	}
	var query []string
	for name, values := range all {
		for _, value := range values {
			query = append(query, escape(name)+"="+escape(value))
		}
	}
	return e.HTTPMethod, join(path, strings.Join(query, "&"))
}

func join(path, query string) string {
	if path == "" {
		path = "/"
	}
	if query != "" {
		return path + "?" + query
	}
	return path
}

// reply shapes an answer as the source of the event wants it.
func (e *event) reply(w *recorder) *Reply {
	out := &Reply{StatusCode: w.code()}
	if e.RequestContext.ELB != nil {
		out.StatusDescription = fmt.Sprintf("%d %s", out.StatusCode, http.StatusText(out.StatusCode))
	}
	if e.RequestContext.HTTP == nil && (e.RequestContext.ELB == nil || len(e.MultiValue) > 0) {
		out.MultiValueHeaders = w.header
	} else {
		out.Headers = make(map[string]string, len(w.header))
		for name, values := range w.header {
			out.Headers[name] = strings.Join(values, ", ")
		}
	}
	if out.Body = string(w.body); !w.isText() {
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(w.body), true
	}
	return out
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   []byte
}

func plain(status int, text string) *recorder {
	body, _ := json.Marshal(map[string]any{"error_code": status, "message": text}) // a number and a string
	return &recorder{header: http.Header{"Content-Type": {"application/json"}}, status: status, body: body}
}

// Header implements http.ResponseWriter.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter. Who writes an answer at once learns that it is too large, and can take back what it
// counts as given.
func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	first := len(w.body) == 0
	w.body = append(w.body, b...)
	if first && w.encodedLen() > replyBytesMax {
		return len(b), errTooLarge
	}
	return len(b), nil
}

func (w *recorder) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

func (w *recorder) isText() bool { return w.header.Get("Content-Encoding") == "" && utf8.Valid(w.body) }

// encodedLen is what the body takes in the reply.
func (w *recorder) encodedLen() int {
	if !w.isText() {
		return base64.StdEncoding.EncodedLen(len(w.body))
	}
	escaped, _ := json.Marshal(string(w.body)) // a string
	return len(escaped)
}
