package console

import (
	"context"
	"errors"
	"net/http"

	"github.com/firnlog/firnlog/core/fetch"
)

// failure is what a person is told: what is wrong, and what to do.
type failure struct {
	status        int
	message, hint string
}

func (f *failure) Error() string { return f.message }

var (
	errNotNow     = &failure{http.StatusServiceUnavailable, "the cluster's state cannot be read now", "this page tries again by itself; GET /readyz says what this instance lacks"}
	errNoIdentity = &failure{http.StatusUnauthorized, "authentication is required, or its credentials are wrong", "sign in as a user of this cluster (firnlog user add makes one)"}
	errForbidden  = &failure{http.StatusForbidden, "not allowed", "ask for an ACL: Describe to see a topic, Read for its messages, Describe on the cluster for instances, storage and cost"}
	errNoTopic    = &failure{http.StatusNotFound, "there is no such topic", "go back to the list of topics; it may have been deleted"}
	errNoSuch     = &failure{http.StatusNotFound, "the topic has no such partition", "choose another partition"}
)

// wrong says what is wrong with a parameter.
func wrong(message, hint string) error { return &failure{http.StatusBadRequest, message, hint} }

// failureOf is the table from errors to answers.
func failureOf(err error) *failure {
	var f *failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, fetch.ErrUnknownPartition):
		return errNoSuch
	case errors.Is(err, fetch.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errNotNow
	case errors.Is(err, fetch.ErrStorage):
		return &failure{http.StatusInternalServerError, "bytes that the log refers to cannot be read", "look at this instance's log, then run firnlog fsck"}
	}
	return &failure{http.StatusInternalServerError, "internal error", "the log of this instance says more"}
}
