// Package invoke is an instance for as long as one request: what a function is made of that is frozen between
// invocations and may never be thawed.
//
//	Begin   one read of etcd: floor, stamp, format, the topics that the request names. BeginGroup: one read before it, of the group
//	Add     batches gather; nothing is sent
//	Wait    (on an outcome) one PUT, one commit, one read at the commit's revision; each batch has its outcome
//	End     what was added and never waited for is dropped; nothing is left on its way
//
// There is no watch, lease, timer or goroutine that outlives an invocation, and nothing rests on how much time lies between
// two. What an environment keeps is memory: state of partitions that it has folded, idle connections, bytes in a small cache. Each
// invocation checks it against etcd before it is shown, and drops it where another era began.
//
// Consumer groups: a coordinator is asked where one lives, else the invocation takes its step (groups.go). Join gives a consumer for the
// time of an invocation (member.go).
//
// Owns: composition for functions. Does not own: the write path (core/ingest, demand.go), the read path (core/fetch), reading the
// log in visits (core/stream, visit.go), the partial fold (core/ledger, partial.go), and events (functions/).
package invoke

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/acl"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/quota"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/core/txn"
	"github.com/firnlog/firnlog/objectstore"
)

// ErrBusy: an environment serves one invocation at a time.
var ErrBusy = errors.New("the environment serves another invocation")

// Settings of an Environment.
type Settings struct {
	Store   objectstore.Store
	Reads   objectstore.Store // the same for what a client waits to read; nil: Store
	KV      coordination.KV
	Cluster string
	Now     func() time.Time
	Entropy io.Reader // of ids
	Log     *slog.Logger
	// MayBegin is asked before a cluster is made where etcd has none; nil: none is made.
	MayBegin func(ctx context.Context) error
	// Margin is kept at the end of an invocation for its answer.
	Margin     time.Duration
	CacheBytes int64
	Topics     topic.Settings
	NewTopicID func() record.TopicID
	// Basic and Tokens are how clients may authenticate beside the platform's way; with neither nobody is asked.
	Basic  bool
	Tokens *auth.Tokens
	// SuperUsers and AllowNoACL are those of brokers. CheckACLs: ACLs say what a request may do; else whoever may invoke a function may do all
	// that it does. CheckQuotas: quotas limit bytes, in this environment by itself.
	SuperUsers                         []auth.Principal
	AllowNoACL, CheckACLs, CheckQuotas bool
	// Events are told of what happens on the write path.
	Events ingest.Events
	// NewID gives a text that was never given before.
	NewID func() string
	// Dial opens a connection to an instance that coordinates a group; nil: none is asked.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Environment is what lives as long as the process, frozen or not.
type Environment struct {
	Settings
	Stream    *stream.Stream
	Ingest    *ingest.Ingest
	Reader    *fetch.Fetcher
	Admin     *topic.Admin
	Producers *txn.ProducerIDs
	Groups    *Groups
	Consumers *consume.Consumers
	ACLs      *acl.ACLs
	Users     *auth.Users
	Quotas    *quota.Quotas // nil: none
	mu        struct {
		sync.Mutex
		busy     bool
		deadline time.Time
		asked    map[string]bool // topics that were asked for by this invocation
		askedAll bool
	}
}

const (
	segmentBytes     = 64 << 20 // more than an invocation can bring: it is one segment
	memoryMax        = 128 << 20
	responseBytesMax = 6 << 20 // of an invocation's answer
	loadsMax         = 4
	tailAge          = 2 * time.Minute
	linger           = time.Hour // who waits flushes
	timeMax          = 15 * time.Minute
	// Of members that are served by Join; requests over HTTP say their own.
	autoCommitEvery  = 5 * time.Second
	rebalanceTimeout = time.Minute
)

// New puts an environment together; it sends nothing.
func New(s Settings) *Environment {
	if s.Reads == nil {
		s.Reads = s.Store
	}
	e := &Environment{Settings: s}
	keys := coordination.NewKeys(s.Cluster)
	e.Stream = stream.New(stream.Settings{KV: s.KV, Keys: keys, Now: s.Now, Entropy: s.Entropy, Log: s.Log, Visits: true, MayBegin: s.MayBegin})
	bytes := cache.New(s.CacheBytes, s.CacheBytes)
	e.Ingest = ingest.New(ingest.Settings{
		Events: s.Events,
		Store:  s.Store, KV: s.KV, Keys: keys, Stream: e.Stream, Cache: bytes, Now: s.Now, Log: s.Log,
		Linger: linger, SegmentBytes: segmentBytes, MemoryMax: memoryMax, UploadsMax: 1, GiveUpAfter: timeMax, HeldMax: ingest.HeldMax, FlushBefore: e.flushBefore,
	})
	e.Reader = fetch.New(fetch.Settings{Store: s.Reads, Stream: e.Stream, Cache: bytes, Log: s.Log, ResponseBytesMax: responseBytesMax, LoadsMax: loadsMax, TailAge: tailAge})
	e.Admin = topic.New(s.KV, keys, e.Stream, s.NewTopicID, s.Topics)
	e.Producers = txn.NewProducerIDs(s.KV, keys, e.Stream)
	e.ACLs = acl.New(acl.Settings{KV: s.KV, Keys: keys, Now: s.Now, Log: s.Log, SuperUsers: s.SuperUsers, AllowEveryone: s.AllowNoACL, Visits: true})
	e.Users = auth.NewUsers(auth.UsersSettings{KV: s.KV, Keys: keys, Now: s.Now, Random: s.Entropy, Log: s.Log})
	if s.CheckQuotas {
		e.Quotas = quota.New(quota.Settings{KV: s.KV, Keys: keys, Now: s.Now, Log: s.Log, Visits: true})
	}
	e.Groups = newGroups(e, keys)
	e.Consumers = consume.New(consume.Settings{Groups: e.Groups, Topics: e.Stream, Reader: e.Reader, Now: s.Now, Log: s.Log, AutoCommitEvery: autoCommitEvery, RebalanceTimeout: rebalanceTimeout})
	return e
}

// Begin begins an invocation, which ends with ctx or with End. The context that it gives ends Margin before ctx does.
// ledger.ErrFormat: this build is too old for the cluster. Other errors are stream.ErrNotReady: try again.
func (e *Environment) Begin(ctx context.Context, need stream.Need) (context.Context, context.CancelFunc, error) {
	return e.begin(ctx, func(context.Context) (stream.Need, error) { return need, nil })
}

// begin begins an invocation; need says what it needs of the log.
func (e *Environment) begin(ctx context.Context, need func(context.Context) (stream.Need, error)) (context.Context, context.CancelFunc, error) {
	end, limited := ctx.Deadline()
	if !limited {
		end = e.Now().Add(timeMax)
	}
	end = end.Add(-e.Margin)
	e.mu.Lock()
	busy := e.mu.busy
	if !busy {
		e.mu.busy, e.mu.deadline = true, end
	}
	e.mu.Unlock()
	if busy {
		return nil, nil, ErrBusy
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	n, err := need(ctx)
	if err == nil {
		e.ask(n)
		err = e.Stream.Visit(ctx, n)
	}
	if err != nil {
		cancel()
		e.End()
		return nil, nil, fmt.Errorf("begin: %w", err)
	}
	return ctx, cancel, nil
}

// End ends the invocation: nothing of it is left on its way.
func (e *Environment) End() {
	e.Ingest.Drop()
	e.Groups.end()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.busy = false
}

// flushBefore is when the present invocation must be over.
func (e *Environment) flushBefore() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mu.deadline
}

// Topic finds a topic by name; what Begin did not name is read.
func (e *Environment) Topic(ctx context.Context, name string) (*ledger.Topic, error) {
	t, ok := e.Stream.TopicByName(name)
	if ok {
		return t, nil
	}
	if err := e.Stream.Barrier(ctx); err != nil {
		return nil, err
	}
	if t, ok = e.Stream.TopicByName(name); !ok {
		return nil, fmt.Errorf("%w: %q", topic.ErrUnknownTopic, name)
	}
	return t, nil
}
