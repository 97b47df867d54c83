package gateway

import (
	"net/http"

	"github.com/firnlog/firnlog/functions/emf"
)

// Count tells what a reply says of its request.
func Count(r *Reply, add emf.Add) {
	if r == nil {
		return
	}
	add("Requests", emf.Count, 1)
	add("ReplyBytes", emf.Bytes, float64(len(r.Body)))
	switch r.StatusCode {
	case http.StatusUnauthorized:
		add("Unauthorized", emf.Count, 1)
	case http.StatusTooManyRequests:
		add("Throttled", emf.Count, 1)
	}
	if r.StatusCode >= http.StatusInternalServerError {
		add("Errors", emf.Count, 1)
	}
}
