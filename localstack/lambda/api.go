package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// api is the Invoke API, as far as Invoke goes.
func (s *Service) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", s.invokeAPI)
	return mux
}

func (s *Service) invokeAPI(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if i := strings.LastIndex(name, ":function:"); i >= 0 {
		name = name[i+len(":function:"):]
	}
	w.Header().Set("X-Amzn-Requestid", NewID())
	payload, err := io.ReadAll(io.LimitReader(r.Body, BytesMax+1))
	if err != nil {
		return
	}
	switch r.Header.Get("X-Amz-Invocation-Type") {
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
		return
	case "Event":
		go func() { _, _ = s.Invoke(context.Background(), name, payload) }() // nobody waits for its answer, and it is not tried again
		w.WriteHeader(http.StatusAccepted)
		return
	}
	result, err := s.Invoke(r.Context(), name, payload)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	w.Header().Set("Content-Type", "application/json")
	if result.FunctionError != "" {
		w.Header().Set("X-Amz-Function-Error", result.FunctionError)
	}
	_, _ = w.Write(result.Payload)
}

// refuse answers what was not executed.
func refuse(w http.ResponseWriter, err error) {
	status, kind := http.StatusInternalServerError, "ServiceException"
	switch {
	case errors.Is(err, ErrUnknownFunction):
		status, kind = http.StatusNotFound, "ResourceNotFoundException"
	case errors.Is(err, ErrThrottled):
		status, kind = http.StatusTooManyRequests, "TooManyRequestsException"
	case errors.Is(err, ErrTooLarge):
		status, kind = http.StatusRequestEntityTooLarge, "RequestTooLargeException"
	}
	w.Header().Set("X-Amzn-Errortype", kind)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"Type": "User", "Message": err.Error()})
}

// functionURL is the HTTP address of one function: a request is an event, the reply an answer.
type functionURL struct {
	service *Service
	name    string
}

// ServeHTTP implements http.Handler.
func (u *functionURL) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, BytesMax+1))
	if err != nil {
		return
	}
	payload, err := json.Marshal(eventOf(r, body))
	if err != nil {
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	result, err := u.service.Invoke(r.Context(), u.name, payload)
	switch {
	case err != nil:
		refuse(w, err)
	case result.FunctionError != "":
		http.Error(w, "Internal Server Error", http.StatusBadGateway)
	default:
		answer(w, result.Payload)
	}
}

func eventOf(r *http.Request, body []byte) events.LambdaFunctionURLRequest {
	e := events.LambdaFunctionURLRequest{Version: "2.0", RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery, Headers: map[string]string{"host": r.Host}}
	for name, values := range r.Header {
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	e.RequestContext.RequestID, e.RequestContext.DomainName = NewID(), r.Host
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.Path, e.RequestContext.HTTP.Protocol = r.Method, r.URL.Path, r.Proto
	if e.Body = string(body); !utf8.Valid(body) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return e
}

// answer sends a reply. What does not look like one is a body of JSON.
func answer(w http.ResponseWriter, payload []byte) {
	var reply events.LambdaFunctionURLResponse
	if err := json.Unmarshal(payload, &reply); err != nil || reply.StatusCode == 0 {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(payload)
		return
	}
	for name, value := range reply.Headers {
		w.Header().Set(name, value)
	}
	for _, cookie := range reply.Cookies {
		w.Header().Add("Set-Cookie", cookie)
	}
	body := []byte(reply.Body)
	if reply.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(reply.Body); err != nil {
			http.Error(w, "Internal Server Error", http.StatusBadGateway)
			return
		}
	}
	w.WriteHeader(reply.StatusCode)
	_, _ = w.Write(body)
}
