// Package broker puts an instance together from its parts and runs it.
//
// Owns: composition, the order of start and stop, and the health answers. Does not own: any
// behaviour of the parts.
package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/console"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/group/relay"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rest"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/telemetry"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/core/tracing"
	"github.com/firnlog/firnlog/core/txn"
	"github.com/firnlog/firnlog/core/upkeep"
	"github.com/firnlog/firnlog/core/wire"
	"github.com/firnlog/firnlog/objectstore"
)

// Settings of a Broker.
type Settings struct {
	config.Serving
	Linger time.Duration
	// GroupDelay is how long the first rebalance of an empty classic group waits for more members.
	GroupDelay time.Duration
	Store      objectstore.Store // bare: the broker meters and retries
	KV         coordination.KV
	// HowToRestore is the command that rebuilds a lost etcd, for the message of who needs it.
	HowToRestore string
	Version      string
	Log          *slog.Logger
	// Trace takes spans; the zero one takes none.
	Trace tracing.Trace
}

// Broker is one instance.
type Broker struct {
	Settings
	metrics   *telemetry.Metrics
	stream    *stream.Stream
	cache     *cache.Cache
	ingest    *ingest.Ingest
	upkeep    *upkeep.Upkeep
	backups   *backup.Keeper
	instances *instance.Registry
	groups    *group.Coordinator
	producers *txn.ProducerIDs
	txns      *txn.Coordinator
	kafka     *wire.Server
	rest      *rest.Server
	console   *console.Server // nil: it is off
	relay     *relay.Relay
	security  security
	clients   *telemetry.Clients
	health    *health
	etcdSize  etcdSize
	bare      coordination.KV    // not metered
	hedge     *objectstore.Hedge // nil: no GET is sent twice
	web       *http.Server
	listeners []listener
	http      net.Listener
}

// listener is one open Kafka listener.
type listener struct {
	net.Listener
	rules config.Listener
}

const (
	loadsMax         = 8                // GETs at a time for one fetch
	responseBytesMax = 55 << 20         // Kafka's fetch.max.bytes of brokers
	tailAge          = 2 * time.Minute  // how long a segment counts as the tail
	idleShare        = 10               // of the linger is what a batch waits that comes to an idle instance
	giveUpAfter      = 30 * time.Second // a commit that etcd surely did not take
	instanceTTL      = 5 * time.Second  // how long Metadata may name an instance that was killed; renewing writes nothing to etcd
)

// New opens the listeners and puts the parts together. It starts nothing.
func New(s Settings) (*Broker, error) {
	b := &Broker{Settings: s, metrics: telemetry.NewMetrics(s.MetricsSeries)}
	endpoints, err := b.listen()
	if err == nil {
		err = b.secure()
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	if err := b.priced(); err != nil {
		b.Close()
		return nil, err
	}
	b.clients, b.health = b.metrics.NewClients(), newHealth(b)
	keys := coordination.NewKeys(s.Cluster)
	store, reads := b.stores()
	if b.bare = s.KV; s.Trace.On() {
		s.KV = tracedKV{s.KV, s.Trace}
	}
	s.KV = coordination.NewMeter(s.KV, time.Now, func(o coordination.Observation) { b.metrics.Coordination(o.Op.String(), o.Took, o.Refused, o.Err) })
	b.KV = s.KV
	b.stream = stream.New(stream.Settings{KV: s.KV, Keys: keys, Now: time.Now, Entropy: rand.Reader, Log: s.Log.With("part", "stream"), MayBegin: b.mayBegin, Barriered: b.barriered})
	b.cache = cache.New(int64(s.HotCache), int64(s.ColdCache))
	b.instances = instance.New(instance.Settings{
		KV: s.KV, Keys: keys, Now: time.Now, Log: s.Log.With("part", "instances"), TTL: instanceTTL,
		Self: instance.Info{Key: b.security.peers.Public(), Node: s.NodeID, Endpoints: endpoints, HTTP: b.http.Addr().String(), Zone: s.Zone, Version: s.Version, Started: time.Now().UTC(), FormatNewest: ledger.FormatVersion},
	})
	b.watchers(keys)
	b.groups = b.coordinator(keys)
	b.producers = txn.NewProducerIDs(s.KV, keys, b.stream)
	b.txns = b.transactions(keys)
	b.ingest = ingest.New(ingest.Settings{
		Store: store, KV: s.KV, Keys: keys, Stream: b.stream, Cache: b.cache, Transactions: b.txns, Now: time.Now, Log: s.Log.With("part", "ingest"),
		Linger: s.Linger, IdleLinger: s.Linger / idleShare, SegmentBytes: int64(s.SegmentBytes), MemoryMax: int64(s.IngestMemory), UploadsMax: s.Uploads, GiveUpAfter: giveUpAfter, HeldMax: ingest.HeldMax,
		Events: b.writes(), Trace: s.Trace,
	})
	b.backups = b.keeper(store, endpoints[0].Host)
	settler, settling := b.settling(store, keys)
	checking, err := b.checking(store)
	if err != nil {
		b.Close()
		return nil, err
	}
	b.upkeep = upkeep.New(upkeep.Settings{
		Store: store, KV: s.KV, Keys: keys, Stream: b.stream, Now: time.Now, Log: s.Log.With("part", "upkeep"), Holder: endpoints[0].Host,
		More:   []upkeep.Step{{Name: "transactions", Every: transactionsEvery, Do: b.txns.Expire}},
		Beside: slices.Concat(settling, b.aging(keys, store), checking), TooLarge: settler.Urge, Done: b.stepDone,
		Retained: b.backups.Retained, Outlived: b.backups.Outlived,
	}.Defaults())
	reader, admin := b.reader(reads), b.admin(keys)
	guards, err := b.guards()
	if err != nil {
		b.Close()
		return nil, err
	}
	b.kafka = b.frontEnd(reader, admin, guards)
	b.rest = b.httpFrontEnd(reader, admin, b.forker(store, keys))
	if b.console, err = b.consolePage(reader, store); err != nil {
		b.Close()
		return nil, err
	}
	b.gauges()
	return b, nil
}

// stores count each attempt and repeat what may be repeated; reads is for GETs that a client waits for: slow ones are sent twice.
func (b *Broker) stores() (store, reads objectstore.Store) {
	bare := b.Store
	if b.Trace.On() {
		bare = tracedStore{bare, b.Trace}
	}
	metered := objectstore.NewMeter(bare, time.Now, func(o objectstore.Observation) {
		b.metrics.Store(o.Op.String(), o.Took, o.BytesIn, o.BytesOut, o.Err)
		if !o.Overtaken {
			b.health.store.note(o.Err)
		}
	})
	retry := func(s objectstore.Store) objectstore.Store {
		return objectstore.NewRetry(s, objectstore.DefaultRetryPolicy(), objectstore.SystemClock(), mathrand.Float64)
	}
	if store = retry(metered); !b.HedgeGets {
		return store, store
	}
	b.hedge = objectstore.NewHedge(metered, objectstore.SystemClock())
	return store, retry(b.hedge)
}

func (b *Broker) reader(store objectstore.Store) *fetch.Fetcher {
	return fetch.New(fetch.Settings{
		Store: store, Stream: b.stream, Cache: b.cache, Log: b.Log.With("part", "fetch"),
		ResponseBytesMax: responseBytesMax, LoadsMax: loadsMax, TailAge: tailAge,
	})
}

func (b *Broker) admin(keys coordination.Keys) *topic.Admin {
	defaults := topic.DefaultSettings()
	defaults.Partitions = b.Partitions
	return topic.New(b.KV, keys, b.stream, newTopicID, defaults)
}

func (b *Broker) frontEnd(reader *fetch.Fetcher, admin *topic.Admin, guards wire.Guards) *wire.Server {
	settings := wire.DefaultSettings()
	settings.AutoCreate, settings.StrictReplication, settings.ConnectionsMax = b.AutoCreate, b.StrictReplication, b.ConnectionsMax
	settings.ConnectionsPerAddressMax, settings.DrainMax = b.ConnectionsPerAddressMax, closeMax
	return wire.New(settings, wire.Backend{
		Topics:    b.stream,
		Appender:  b.ingest,
		Reader:    reader,
		Inspector: reader,
		Cluster:   b.instances,
		Producers: b.producers,
		Records:   recordDeleter{b.upkeep},
		Admin:     admin,
		Groups:    b.groups,

		Transactions: b.txns,
		Guards:       guards,
		Events:       b.kafkaEvents(),

		Shown: wire.Shown{GroupLimits: b.groups.Limits, OffsetsRetention: b.groups.OffsetsRetention, ProducerExpiry: b.upkeep.ProducerExpiry},
	}, b.Log.With("part", "kafka"))
}

// recordDeleter speaks of errors as the front ends know them.
type recordDeleter struct{ upkeep *upkeep.Upkeep }

func (d recordDeleter) DeleteRecords(ctx context.Context, tp record.TopicPartition, before record.Offset) (record.Offset, error) {
	start, err := d.upkeep.DeleteRecords(ctx, tp, before)
	switch {
	case errors.Is(err, upkeep.ErrOutOfRange):
		err = fmt.Errorf("%w: %w", fetch.ErrOutOfRange, err)
	case errors.Is(err, upkeep.ErrUnknownPartition):
		err = fmt.Errorf("%w: %w", fetch.ErrUnknownPartition, err)
	case err != nil:
		err = fmt.Errorf("%w: %w", fetch.ErrUnavailable, err)
	}
	return start, err
}

// newTopicID draws a random UUID (RFC 9562, version 4).
func newTopicID() (id record.TopicID) {
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

// Run serves until ctx ends, then sends clients away (drain.go), flushes, acknowledges and leaves. ready is called once clients can be
// served.
//
// What clients see stops first, what they depend on last.
func (b *Broker) Run(ctx context.Context, ready func(kafka, http string)) error {
	defer b.Close()
	parts, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, parts := errgroup.WithContext(parts)
	for _, part := range []func(context.Context) error{b.security.users.Run, b.followACLs, b.security.quotas.Run, b.stream.Run, b.ingest.Run, b.upkeep.Run, b.backups.Run, b.look, b.join, b.groups.Run, b.groups.RunExpiry, b.groups.RunLag, b.health.run, b.measureEtcd} {
		group.Go(func() error { return quiet(part(parts)) })
	}
	serving, closing := b.servingUntilDrained(ctx, parts)
	defer closing()
	b.web = b.webServer(serving)
	group.Go(func() error { return b.serveHTTP(parts) })
	err := b.serveClients(serving, parts, ready)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushMax)
	defer cancel()
	if parts.Err() == nil {
		if err := b.ingest.Drain(drain); err != nil {
			b.Log.Warn("stopped with batches on their way; their producers will try again", "error", err)
		}
	}
	_ = b.web.Shutdown(drain) // what was appended is answered; the rest is cut off
	b.relay.Close()
	stop()
	return errors.Join(err, group.Wait())
}

// quiet takes the end of a context for no error.
func quiet(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// serveClients waits until the log is read and the node id claimed, then serves until ctx ends or a part fails.
func (b *Broker) serveClients(ctx, parts context.Context, ready func(kafka, http string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(parts, cancel)()
	select {
	case <-b.instances.Claimed():
	case <-ctx.Done():
		return nil
	}
	if err := b.stream.WaitRevision(ctx, 1); err != nil {
		return nil
	}
	b.usersKnown(ctx)
	group, ctx := errgroup.WithContext(ctx)
	for _, ln := range b.listeners {
		group.Go(func() error { return b.kafka.Serve(ctx, ln.Listener, ln.rules.Name) })
	}
	b.health.set(true, false)
	defer b.health.set(true, true)
	ready(b.listeners[0].Addr().String(), b.httpURL())
	return group.Wait()
}

// Close frees the listeners of a broker that does not run.
func (b *Broker) Close() {
	for _, ln := range b.listeners {
		ln.Close()
	}
	if b.http != nil {
		b.http.Close()
	}
}
