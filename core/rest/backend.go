package rest

import (
	"context"
	"time"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/fork"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/quota"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/core/tracing"
)

// Backend is all that the front end needs of the rest of an instance.
type Backend struct {
	Topics    Topics
	Appender  Appender
	Reader    fetch.Reader
	Cluster   Cluster
	Producers Producers
	Admin     Admin
	Groups    Groups
	Forker    Forker
	Now       func() time.Time
	// Authenticator finds out who asks; nil: nobody is asked.
	Authenticator Authenticator
	Authorizer    auth.Authorizer // nil: everybody may do everything
	ACLs          ACLs            // nil: there are none
	Quotas        *quota.Quotas   // nil: nobody is limited
	// Throttled is told of each client that has to wait for its quota, by the kind of quota; nil: nobody is.
	Throttled func(kind string, wait time.Duration)
	// Random gives a number from 0 to n-1.
	Random func(n int32) int32
	// NewID gives a text that was never given before.
	NewID func() string
	// Answered is told of each request that was answered; nil: nobody is.
	Answered func(Answered)
	// Trace takes a span of each request.
	Trace tracing.Trace
}

// Topics is the live view of topics. Its answers are shared and not changed.
type Topics interface {
	TopicByName(name string) (*ledger.Topic, bool)
	TopicByID(id record.TopicID) (*ledger.Topic, bool)
	AllTopics() []*ledger.Topic // sorted by name
	// Barrier returns once the view includes everything acknowledged before the call.
	Barrier(ctx context.Context) error
	ClusterID() string
	// Ready says whether the log has been read.
	Ready() error
}

// Appender takes record batches.
type Appender interface {
	// Add keeps the order of calls and blocks while memory is full.
	Add(ctx context.Context, in []ingest.Incoming) *ingest.Pending
}

// Cluster knows the live instances.
type Cluster interface {
	Live() []instance.Info
	Self() int32
}

// Producers hands out producer ids that were never handed out before.
type Producers interface {
	NextProducerID(ctx context.Context) (record.ProducerID, error)
}

// Admin changes topics; *topic.Admin is it.
type Admin interface {
	Create(ctx context.Context, spec topic.Spec, validateOnly bool) (*ledger.Topic, error)
	Delete(ctx context.Context, name string) (*ledger.Topic, error)
	Grow(ctx context.Context, name string, count int32, validateOnly bool) (*ledger.Topic, error)
	SetConfigs(ctx context.Context, name string, changes []topic.Change, replaceAll, validateOnly bool) (*ledger.Topic, error)
}

// Forker forks topics; *fork.Forker is it.
type Forker interface {
	Fork(ctx context.Context, r fork.Request) (fork.Result, error)
}

// Groups knows consumer groups, whoever coordinates them; *relay.Relay and, in functions, *invoke.Groups are it.
type Groups interface {
	consume.Groups

	ListStored(ctx context.Context) ([]group.Listed, error)
	DescribeStored(ctx context.Context, name string) (group.Description, error)
	Find(name string) (instance.Info, error)
}
