package lambda

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// The Runtime API, version 2018-06-01: GET next parks until there is an invocation, POST response or error ends it.

func (e *environment) runtimeAPI() http.Handler {
	const base = "/2018-06-01/runtime/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+base+"invocation/next", e.next)
	mux.HandleFunc("POST "+base+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { e.finish(w, r, "") })
	mux.HandleFunc("POST "+base+"invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { e.finish(w, r, unhandled) })
	mux.HandleFunc("POST "+base+"init/error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	return mux
}

func (e *environment) next(w http.ResponseWriter, r *http.Request) {
	select {
	case e.asks <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	select {
	case i := <-e.work:
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", arn(e.settings.Name))
		h.Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
		h.Set("Content-Type", "application/json")
		_, _ = w.Write(i.payload) // a function that has gone is noticed by who waits for it
	case <-r.Context().Done():
	}
}

func arn(name string) string { return "arn:aws:lambda:local:000000000000:function:" + name }

func (e *environment) finish(w http.ResponseWriter, r *http.Request, functionError string) {
	body, err := io.ReadAll(io.LimitReader(r.Body, BytesMax+1))
	if err != nil {
		return
	}
	result := Result{Payload: body, FunctionError: functionError}
	if len(body) > BytesMax {
		result = crashed("Function.ResponseSizeTooLarge", fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", BytesMax))
	}
	e.mu.Lock()
	i := e.mu.running
	known := i != nil && i.id == r.PathValue("id")
	if known {
		e.mu.running = nil
	}
	e.mu.Unlock()
	if !known {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"errorType": "InvalidRequestID", "errorMessage": "no such invocation is on its way"})
		return
	}
	i.done <- result
	w.WriteHeader(http.StatusAccepted)
}
