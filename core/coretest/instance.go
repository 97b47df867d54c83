package coretest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/txn"
	"github.com/firnlog/firnlog/core/upkeep"
	"github.com/firnlog/firnlog/objectstore"
)

// Options of an Instance; a zero field is the usual.
type Options struct {
	Linger       time.Duration // 10 ms
	IdleLinger   time.Duration // 0: Linger
	SegmentBytes int64         // 1 MiB
	MemoryMax    int64         // 64 MiB
	UploadsMax   int           // 4
	CacheBytes   int64         // 64 MiB; of each pool
	Skew         time.Duration // how wrong its clock is
	PageMax      int           // of a bootstrap
	Upkeep       func(*upkeep.Settings)
	RunUpkeep    bool
	// Store decorates the object store, below this instance's faults.
	Store func(objectstore.Store) objectstore.Store
}

func (o Options) defaults() Options {
	set := func(v *int64, usual int64) {
		if *v == 0 {
			*v = usual
		}
	}
	set((*int64)(&o.Linger), int64(10*time.Millisecond))
	set(&o.SegmentBytes, 1<<20)
	set(&o.MemoryMax, 64<<20)
	set(&o.CacheBytes, 64<<20)
	if o.UploadsMax == 0 {
		o.UploadsMax = 4
	}
	return o
}

// Instance is one front end without listeners.
type Instance struct {
	T       *testing.T
	Name    string
	Cluster *Cluster
	KV      *coordination.Fault
	Store   *objectstore.Fault
	Stream  *stream.Stream
	Cache   *cache.Cache
	Ingest  *ingest.Ingest
	Fetch   *fetch.Fetcher
	Upkeep  *upkeep.Upkeep
	Groups  *group.Coordinator
	Txns    *txn.Coordinator

	skew    atomic.Int64
	flushes atomic.Int64
	stop    context.CancelFunc
	ended   chan struct{}
	err     error // of stream; read after ended
}

// Flushes counts the commits that were confirmed.
func (in *Instance) Flushes() int { return int(in.flushes.Load()) }

// Now is the instance's own clock.
func (in *Instance) Now() time.Time { return time.Now().Add(time.Duration(in.skew.Load())) }

// Skew sets its clock wrong by d.
func (in *Instance) Skew(d time.Duration) { in.skew.Store(int64(d)) }

// Instance puts one together and starts it; it stops with the test, or by Stop. Wait for its first
// bootstrap with Ready.
func (c *Cluster) Instance(name string, o Options) *Instance {
	c.T.Helper()
	in := c.Build(name, o)
	in.Run(o.RunUpkeep)
	return in
}

// alone coordinates everything: an instance of a test is asked directly.
type alone struct{}

func (alone) Live() []instance.Info { return []instance.Info{{Node: 1}} }
func (alone) Self() int32           { return 1 }

// Build puts an instance together and starts nothing.
func (c *Cluster) Build(name string, o Options) *Instance {
	o = o.defaults()
	in := &Instance{T: c.T, Name: name, Cluster: c, ended: make(chan struct{})}
	in.Skew(o.Skew)
	clock := objectstore.SystemClock()
	in.KV = coordination.NewFault(c.Etcd, func(op coordination.Op, key string) coordination.Decision { return c.decideKV(name, op, key) }, clock.Sleep)
	disk := objectstore.Store(c.Disk)
	if o.Store != nil {
		disk = o.Store(disk)
	}
	in.Store = objectstore.NewFault(disk, func(op objectstore.Op, key string) objectstore.Decision { return c.decideStore(name, op, key) }, clock)
	in.Stream = stream.New(stream.Settings{KV: in.KV, Keys: c.Keys, Now: in.Now, Entropy: c.entropy(), Log: Quiet(), PageMax: o.PageMax})
	in.Cache = cache.New(o.CacheBytes, o.CacheBytes)
	in.Groups = group.New(group.Settings{
		KV: in.KV, Keys: c.Keys, View: in.Stream, Cluster: alone{}, Now: in.Now, NewID: func() string { return name }, Log: Quiet(), Limits: group.DefaultLimits(),
	})
	in.Txns = txn.New(txn.Settings{
		KV: in.KV, Keys: c.Keys, View: in.Stream, Offsets: in.Groups, Cluster: alone{}, Producers: txn.NewProducerIDs(in.KV, c.Keys, in.Stream), Log: Quiet(),
		TimeoutMax: txn.DefaultTimeoutMax, IDRetention: txn.DefaultIDRetention,
	})
	in.Ingest = ingest.New(ingest.Settings{
		Store: in.Store, KV: in.KV, Keys: c.Keys, Stream: in.Stream, Cache: in.Cache, Transactions: in.Txns, Now: in.Now, Log: Quiet(),
		Linger: o.Linger, IdleLinger: o.IdleLinger, SegmentBytes: o.SegmentBytes, MemoryMax: o.MemoryMax, UploadsMax: o.UploadsMax, GiveUpAfter: 30 * time.Second, HeldMax: ingest.HeldMax,
		Events: ingest.Events{Flushed: func(ingest.Flush) { in.flushes.Add(1) }},
	})
	in.Fetch = fetch.New(fetch.Settings{Store: in.Store, Stream: in.Stream, Cache: in.Cache, Log: Quiet(), ResponseBytesMax: 50 << 20, LoadsMax: 4, TailAge: 2 * time.Minute})
	settings := upkeep.Settings{Store: in.Store, KV: in.KV, Keys: c.Keys, Stream: in.Stream, Now: in.Now, Log: Quiet(), Holder: name}.Defaults()
	settings.More = []upkeep.Step{{Name: "transactions", Every: 5 * time.Second, Do: in.Txns.Expire}}
	if o.Upkeep != nil {
		o.Upkeep(&settings)
	}
	in.Upkeep = upkeep.New(settings)
	return in
}

// Run starts it.
func (in *Instance) Run(withUpkeep bool) {
	ctx, cancel := context.WithCancel(context.Background())
	in.stop = cancel
	parts := []func(context.Context) error{in.Stream.Run, in.Ingest.Run}
	if withUpkeep {
		parts = append(parts, in.Upkeep.Run)
	}
	ends := make(chan error, len(parts))
	for i, part := range parts {
		go func() {
			err := part(ctx)
			if i == 0 {
				in.err = err
			}
			ends <- err
		}()
	}
	go func() {
		for range parts {
			<-ends
		}
		close(in.ended)
	}()
	in.T.Cleanup(func() { in.Stop() })
}

// Stop ends it at once, as a lost process does but that its goroutines end too, and gives what its stream said.
func (in *Instance) Stop() error {
	in.stop()
	<-in.ended
	return in.err
}

// Ready waits for the first bootstrap.
func (in *Instance) Ready() *Instance {
	in.T.Helper()
	if err := in.Stream.WaitRevision(in.T.Context(), 1); err != nil {
		in.T.Fatalf("%s does not get ready: %v", in.Name, err)
	}
	return in
}

// Barrier waits until it has seen everything.
func (in *Instance) Barrier() {
	in.T.Helper()
	if err := in.Stream.Barrier(in.T.Context()); err != nil {
		in.T.Fatalf("%s: %v", in.Name, err)
	}
}

// View reads its ledger.
func (in *Instance) View(fn func(*ledger.Ledger)) {
	in.T.Helper()
	if err := in.Stream.View(fn); err != nil {
		in.T.Fatalf("%s: %v", in.Name, err)
	}
}

// Produce adds batches for one partition each and waits for the outcomes.
func (in *Instance) Produce(batches ...ingest.Incoming) []ingest.Outcome {
	in.T.Helper()
	return in.Ingest.Add(in.T.Context(), batches).Wait(in.T.Context())
}

// MustProduce also demands that all were accepted, and gives their base offsets.
func (in *Instance) MustProduce(batches ...ingest.Incoming) []record.Offset {
	in.T.Helper()
	out := in.Produce(batches...)
	bases := make([]record.Offset, len(out))
	for i := range out {
		if out[i].Err != nil {
			in.T.Fatalf("%s: batch %d of %d: %v", in.Name, i, len(out), out[i].Err)
		}
		bases[i] = out[i].Base
	}
	return bases
}

// Read fetches one partition from an offset without waiting.
func (in *Instance) Read(tp record.TopicPartition, from record.Offset) fetch.Result {
	in.T.Helper()
	return in.Fetch.Fetch(in.T.Context(), fetch.Request{Partitions: []fetch.Partition{{TopicPartition: tp, Offset: from, BytesMax: 1 << 20}}, BytesMax: 10 << 20})[0]
}

// ReadAll gives the values of all records from the log start on; it fails the test when offsets are not contiguous.
func (in *Instance) ReadAll(tp record.TopicPartition) (values []string) {
	in.T.Helper()
	bounds, err := in.Fetch.Bounds(in.T.Context(), tp)
	if err != nil {
		in.T.Fatalf("%s: bounds: %v", in.Name, err)
	}
	for at := bounds.LogStart; at < bounds.HighWatermark; {
		r := in.Read(tp, at)
		if r.Err != nil || len(r.Batches) == 0 {
			in.T.Fatalf("%s: read %v/%d at %d of %d: %d bytes, %v", in.Name, tp.Topic, tp.Partition, at, bounds.HighWatermark, len(r.Batches), r.Err)
		}
		for _, got := range Records(in.T, r.Batches) {
			if got.Offset < at {
				continue
			}
			if got.Offset != at {
				in.T.Fatalf("%s: offset %d follows %d", in.Name, got.Offset, at-1)
			}
			values = append(values, got.Value)
			at++
		}
	}
	return values
}
