package wire

import (
	"context"
	"time"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// Backend is all that the front end needs of the rest of an instance.
type Backend struct {
	Topics    Topics
	Appender  Appender
	Reader    fetch.Reader
	Inspector fetch.Inspector
	Cluster   Cluster
	Producers Producers
	Records   RecordDeleter
	Admin     Admin
	Groups    Groups
	// Transactions coordinates transactional ids.
	Transactions Transactions
	Shown        Shown
	// Events are told of what clients do.
	Events Events
	// Guards say who may come in; none: everybody.
	Guards Guards
}

// Shown are settings of other parts, which clients can read among a broker's configs.
type Shown struct {
	GroupLimits      group.Limits
	OffsetsRetention time.Duration
	ProducerExpiry   time.Duration
}

// Topics is the live view of topics. Its answers are shared and not changed.
type Topics interface {
	TopicByName(name string) (*ledger.Topic, bool)
	TopicByID(id record.TopicID) (*ledger.Topic, bool)
	AllTopics() []*ledger.Topic // sorted by name
	// Barrier returns once the view includes everything acknowledged before the call.
	Barrier(ctx context.Context) error
	ClusterID() string
}

// Appender takes record batches.
type Appender interface {
	// Add keeps the order of calls and blocks while memory is full.
	Add(ctx context.Context, in []ingest.Incoming) *ingest.Pending
}

// Cluster knows the live instances.
type Cluster interface {
	// Live are those that clients may be sent to.
	Live() []instance.Info
	// Everyone are these and those that drain: a client that still asks one of them must know its address.
	Everyone() []instance.Info
	Self() int32
}

// Producers hands out producer ids that were never handed out before.
type Producers interface {
	NextProducerID(ctx context.Context) (record.ProducerID, error)
}

// RecordDeleter moves a partition's log start.
type RecordDeleter interface {
	// DeleteRecords deletes below before (-1: the high watermark) and gives the new log
	// start. Errors: fetch.ErrOutOfRange, fetch.ErrUnknownPartition.
	DeleteRecords(ctx context.Context, tp record.TopicPartition, before record.Offset) (logStart record.Offset, err error)
}

// Admin changes topics; *topic.Admin is it.
type Admin interface {
	Create(ctx context.Context, spec topic.Spec, validateOnly bool) (*ledger.Topic, error)
	Delete(ctx context.Context, name string) (*ledger.Topic, error)
	DeleteID(ctx context.Context, id record.TopicID) (*ledger.Topic, error)
	Grow(ctx context.Context, name string, count int32, validateOnly bool) (*ledger.Topic, error)
	SetConfigs(ctx context.Context, name string, changes []topic.Change, replaceAll, validateOnly bool) (*ledger.Topic, error)
	Settings() topic.Settings
}

// waiter is what phase two of a Produce needs of *ingest.Pending.
type waiter interface {
	Wait(ctx context.Context) []ingest.Outcome
}
