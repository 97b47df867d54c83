// Package console is what people look at a cluster with, in a browser: topics, messages, groups and their lag, what is stored where,
// instances, and what it costs.
//
// # Parts
//
//   - assets/ is the page: HTML, CSS and JavaScript modules as they are written, embedded; nothing is built and nothing is loaded from
//     elsewhere.
//   - /console/api/ is JSON that the page asks for where the REST conventions (core/rest) have no answer. What they have, the page asks
//     of them at the same address.
//
// # What may be relied on
//
//   - It reads only: every route is a GET, no group is made, nothing is committed, nothing is written.
//   - Who asks is found out before anything is answered, the page itself included; each route of the API says in its row what it needs
//     (the same rights as in Kafka), and a route that says nothing is refused. A name that somebody may not know is answered as one that
//     is not there.
//   - What comes out of records is data: keys and values travel as base64, the page puts them in as text, and its policy lets the browser
//     run nothing but the page's own files (assets.go).
//   - A request is bounded: messages in an answer, bytes and time of a search (search.go).
//
// Owns: the page, its API, the headers that protect it. Does not own: sockets, REST, who may do what.
package console

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/cost"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// Root is where the console is mounted.
const Root = "/console/"

// Backend is all that the console needs of an instance.
type Backend struct {
	Stream  Stream
	Reader  fetch.Reader
	Cluster Cluster
	Archive *archive.Archive
	Costs   Costs
	Prices  cost.Prices
	// Requests are those that this instance has sent to the object store since it was started, by kind, and how long ago that was.
	Requests func() (counts map[string]float64, up time.Duration)
	// Authenticator finds out who asks; nil: nobody is asked.
	Authenticator Authenticator
	Authorizer    auth.Authorizer // nil: everybody may do everything
	// Answered is told of each request; nil: nobody is.
	Answered func(Answered)
	// Used counts bytes of records against the reader's quota, and says how long it has to wait; nil: there are no quotas.
	Used    func(ctx context.Context, bytes int) (wait time.Duration)
	Name    string // of the cluster
	Version string
	Now     func() time.Time
}

// Stream is the live view of the log; *stream.Stream is it.
type Stream interface {
	TopicByName(name string) (*ledger.Topic, bool)
	AllTopics() []*ledger.Topic
	View(fn func(l *ledger.Ledger)) error
	Barrier(ctx context.Context) error
	ClusterID() string
	Ready() error
}

// Cluster knows the live instances.
type Cluster interface {
	Everyone() []instance.Info
	Live() []instance.Info
	Self() int32
}

// Costs measures what topics store; *cost.Observer is it. Step is never called twice at once.
type Costs interface {
	Step(ctx context.Context) error
	Usage() ([]cost.Usage, time.Time)
}

// Authenticator says who sent a request; *auth.HTTP is it.
type Authenticator interface {
	Authenticate(r *http.Request) (*auth.Identity, error)
	Challenge() []string
}

// Server is the console: one http.Handler for Root and what is below.
type Server struct {
	backend Backend
	log     *slog.Logger
	files   map[string]file
	routes  []route
	// measuring holds one token: who has it may measure what topics store.
	measuring chan struct{}
}

// New makes a Server; it starts nothing.
func New(backend Backend, log *slog.Logger) (*Server, error) {
	s := &Server{backend: backend, log: log, measuring: make(chan struct{}, 1)}
	files, err := embedded()
	if err != nil {
		return nil, err
	}
	s.files, s.routes = files, s.table()
	return s, nil
}

// partitionOf gives a partition of a topic that is there.
func partitionOf(t *ledger.Topic, n int32) record.TopicPartition {
	return record.TopicPartition{Topic: t.ID, Partition: n}
}
