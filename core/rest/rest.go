// Package rest is the HTTP front end: the conventions of Confluent's REST proxy (v2 to produce and consume, v3 for records,
// topics, configs and groups), and reads of a partition that keep no state at all.
//
// # Flow of a request
//
//  1. router.go finds the route: 404, 405 with Allow, OPTIONS.
//  2. serve.go bounds it (time, bytes before and after gzip), checks Content-Type and Accept (media.go), and calls its handler.
//  3. A handler speaks to the same parts as the Kafka front end does (backend.go), and gives an answer or an error.
//  4. errors.go is the one table from errors to status and error code. A panic is answered as 500, and logged.
//
// Nothing is kept in memory between two requests, so that any instance, and any invocation of a function, serves each of them.
// What a consumer instance must remember is its seat in the group (core/consume).
//
// # When something counts as done
//
//   - Produce answers once its records are committed. A client that goes away meanwhile changes nothing about that: what was taken is
//     written.
//   - A consumer's positions are stored before its records are sent, and put back when they could not be sent.
//     What is committed is never more than what earlier answers held.
//
// Owns: routes, JSON, media types, limits, openapi.yaml. Does not own: sockets (core/broker, or the adapter of a function), groups,
// topics, the log.
package rest

import (
	"context"
	_ "embed"
	"log/slog"
	"net/http"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/consume"
)

// Server is the front end: one http.Handler.
type Server struct {
	settings  Settings
	backend   Backend
	consumers *consume.Consumers
	log       *slog.Logger
	routes    []route
}

// New makes a Server; it starts nothing.
func New(settings Settings, backend Backend, log *slog.Logger) *Server {
	s := &Server{settings: settings, backend: backend, log: log}
	s.consumers = consume.New(consume.Settings{
		Groups: backend.Groups, Topics: backend.Topics, Reader: backend.Reader, Now: backend.Now, Log: log,
		AutoCommitEvery: settings.AutoCommitEvery, RebalanceTimeout: settings.RebalanceTimeout,
		May: func(ctx context.Context, topic string) bool {
			return s.may(auth.Aside(ctx), auth.OperationRead, auth.Resource{Type: auth.ResourceTopic, Name: topic})
		},
	})
	s.routes = s.table()
	return s
}

//go:embed openapi.yaml
var description []byte

// openAPI gives the description that requests and answers are tested against.
func (s *Server) openAPI(c *call) (*answer, error) {
	c.w.Header().Set("Content-Type", "application/yaml")
	c.begun = true
	if c.r.Method == http.MethodHead {
		return nil, nil
	}
	_, err := c.w.Write(description)
	return nil, err
}
