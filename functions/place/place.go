// Package place opens what a function works on, as its environment variables say.
//
// Owns: from settings to an invoke.Environment. Does not own: what is done with it.
package place

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/alecthomas/kong"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/etcd"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/sweep"
	"github.com/firnlog/firnlog/core/telemetry"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/functions/emf"
	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/storeurl"
)

// Place is an environment with its settings.
type Place struct {
	*invoke.Environment
	Config config.Function
	Log    *slog.Logger
	// Started is when Open began; the meters count what is sent.
	Started time.Time
	store   *objectstore.Meter
	kv      *coordination.Meter
	written atomic.Pointer[emf.Meter]
}

// dialTime is for connecting to a coordinator: one that has just been lost is still in the list.
const dialTime = time.Second

// Open reads the environment variables and puts the environment together. Nothing is sent: an etcd or a store that cannot be
// reached now is no reason to fail a start.
func Open(ctx context.Context) (*Place, error) {
	p := &Place{Started: time.Now()}
	parser, err := kong.New(&p.Config, kong.Exit(func(int) {}))
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	if _, err := parser.Parse(nil); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	p.Log = telemetry.NewLogger(os.Stderr, p.Config.LogLevel)
	store, reads, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	how, err := auth.Etcd(p.Config.Etcd, &p.Config.EtcdAccess)
	if err != nil {
		return nil, err
	}
	kv, err := etcd.Dial(how)
	if err != nil {
		return nil, err
	}
	p.kv = coordination.NewMeter(kv, time.Now, nil)
	bucket, keys := crashing(store, p.kv)
	topics := topic.DefaultSettings()
	topics.Partitions = p.Config.Partitions
	settings := invoke.Settings{
		Events: ingest.Events{Flushed: p.flushed},
		Store:  bucket, Reads: reads, KV: keys, Cluster: p.Config.Cluster, Now: time.Now, Entropy: rand.Reader, Log: p.Log, Margin: p.Config.Margin, CacheBytes: int64(p.Config.Cache),
		Topics: topics, NewTopicID: newTopicID, NewID: rand.Text, Dial: (&net.Dialer{Timeout: dialTime}).DialContext, MayBegin: func(ctx context.Context) error { return p.mayBegin(ctx, store) },
	}
	if err := p.admit(&settings); err != nil {
		return nil, err
	}
	p.Environment = invoke.New(settings)
	return p, nil
}

// open opens the store, and that of cold objects where there is one; reads is for GETs that a client waits for.
func (p *Place) open(ctx context.Context) (store, reads objectstore.Store, err error) {
	store, err = storeurl.Open(ctx, p.Config.Store)
	if err != nil {
		return nil, nil, fmt.Errorf("FIRNLOG_STORE: %w", err)
	}
	if p.Config.ColdStore != "" {
		cold, err := storeurl.Open(ctx, p.Config.ColdStore)
		if err != nil {
			return nil, nil, fmt.Errorf("FIRNLOG_COLD_STORE: %w", err)
		}
		store = objectstore.NewRouter(store, cold, ledger.ColdPrefix)
	}
	p.store = objectstore.NewMeter(store, time.Now, nil)
	if store = retry(p.store); !p.Config.HedgeGets || !storeurl.Remote(p.Config.Store) && !storeurl.Remote(p.Config.ColdStore) {
		return store, store, nil
	}
	return store, retry(objectstore.NewHedge(p.store, objectstore.SystemClock())), nil
}

func retry(store objectstore.Store) objectstore.Store {
	return objectstore.NewRetry(store, objectstore.DefaultRetryPolicy(), objectstore.SystemClock(), mathrand.Float64)
}

// Meter makes what counts this environment's invocations, once everything else of it is made.
func (p *Place) Meter(function string) *emf.Meter {
	s := emf.Settings{Function: function, Cluster: p.Config.Cluster, Now: time.Now, Started: p.Started, Store: p.store, KV: p.kv}
	if p.Config.EMF != "off" {
		s.Out = os.Stdout
	}
	m := emf.New(s)
	p.written.Store(m)
	return m
}

func (p *Place) flushed(f ingest.Flush) {
	if m := p.written.Load(); m != nil {
		m.Written(f.Records)
	}
}

// mayBegin refuses to begin a cluster where the object store has one's objects: its etcd is lost, or another one is named; or where
// brokers have claimed it a moment ago. It claims nothing itself: what most functions may write is segments alone.
func (p *Place) mayBegin(ctx context.Context, store objectstore.Store) error {
	if p.Config.BeginAnew {
		return nil
	}
	for _, prefix := range []string{backup.RootPrefix, ledger.SegmentPrefix, ledger.SettledPrefix, sweep.ClaimKey()} {
		list, err := store.List(ctx, prefix, "", 1)
		if err != nil {
			return fmt.Errorf("look for objects of a cluster: %w", err)
		}
		if len(list) > 0 {
			return fmt.Errorf("%w: etcd holds nothing of cluster %q, but the object store has objects of one (%s): restore it with firnlog restore, or set FIRNLOG_BEGIN_ANEW", stream.ErrLost, p.Config.Cluster, list[0].Key)
		}
	}
	return nil
}

// newTopicID draws a random UUID (RFC 9562, version 4).
func newTopicID() (id record.TopicID) {
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}
