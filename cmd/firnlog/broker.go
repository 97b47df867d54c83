package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/firnlog/firnlog/core/broker"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/telemetry"
	"github.com/firnlog/firnlog/localstack"
	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/storeurl"
)

type brokerCommand struct{ config.Broker }

// Run serves until it is told to stop.
func (c *brokerCommand) Run(ctx context.Context) error {
	if err := c.Validate(); err != nil {
		return err
	}
	store, closeStore, err := openStores(ctx, c.Store, c.ColdStore, telemetry.NewLogger(os.Stderr, c.LogLevel))
	if err != nil || store == nil {
		return err
	}
	defer closeStore()
	c.HedgeGets = c.HedgeGets && (storeurl.Remote(c.Store) || storeurl.Remote(c.ColdStore))
	how := fmt.Sprintf("firnlog restore --cluster %s --store '%s' --etcd %s", c.Cluster, c.Store, strings.Join(c.Etcd, ","))
	return serve(ctx, broker.Settings{Serving: c.Serving, Linger: c.Linger, GroupDelay: c.GroupInitialRebalanceDelay, Store: store, HowToRestore: how}, c.Etcd, &c.EtcdAccess)
}

// openStore waits for a store that cannot be reached yet: nothing here needs an order of start. Only create=true in the
// URL makes it send a request at all. Neither store nor error: ctx has ended.
func openStore(ctx context.Context, url string, log *slog.Logger) (objectstore.Store, error) {
	const pauseMax = time.Second
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, pauseMax) {
		store, err := storeurl.Open(ctx, url)
		if ctx.Err() != nil {
			return nil, nil
		}
		if !errors.Is(err, objectstore.ErrUnavailable) {
			return store, err
		}
		log.Warn("object store cannot be reached, trying again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// openStores opens the store, and if there is a URL for it the one that cold objects go to. Neither store nor error: ctx has
// ended.
func openStores(ctx context.Context, url, cold string, log *slog.Logger) (store objectstore.Store, done func(), err error) {
	var opened []io.Closer
	done = func() {
		for _, c := range opened {
			c.Close()
		}
	}
	for _, u := range []string{url, cold} {
		if u == "" {
			continue
		}
		one, err := openStore(ctx, u, log)
		if err != nil || one == nil {
			done()
			return nil, nil, err
		}
		if c, ok := one.(io.Closer); ok {
			opened = append(opened, c)
		}
		if store == nil {
			store = one
		} else {
			store = objectstore.NewRouter(store, one, ledger.ColdPrefix)
		}
	}
	return store, done, nil
}

type devCommand struct{ config.Dev }

// Run starts what a broker needs in this process, then the broker.
func (c *devCommand) Run(ctx context.Context) error {
	if err := c.Validate(); err != nil {
		return err
	}
	local, err := localstack.StartEmbedded(ctx, c.Data)
	if err != nil {
		return err
	}
	defer local.Close()
	store, closeStore, err := openStores(ctx, "file://"+filepath.ToSlash(local.ObjectsDir()), c.ColdStore, telemetry.NewLogger(os.Stderr, c.LogLevel))
	if err != nil || store == nil {
		return err
	}
	defer closeStore()
	c.HedgeGets = c.HedgeGets && storeurl.Remote(c.ColdStore)
	how := fmt.Sprintf("firnlog restore --cluster %s --data '%s'", c.Cluster, c.Data)
	return serve(ctx, broker.Settings{Serving: c.Serving, Linger: c.Linger, GroupDelay: c.GroupInitialRebalanceDelay, Store: store, HowToRestore: how}, local.Endpoints(), &config.EtcdAccess{})
}

// serve runs a broker on etcd and the store that s has already.
func serve(ctx context.Context, s broker.Settings, endpoints []string, access *config.EtcdAccess) error {
	limitMemory(&s.Serving)
	kv, err := dialEtcd(endpoints, access)
	if err != nil {
		return err
	}
	defer kv.Close()
	s.KV, s.Version, s.Log = kv, version(), telemetry.NewLogger(os.Stderr, s.LogLevel)
	stopTracing, err := trace(ctx, &s)
	if err != nil {
		return err
	}
	defer stopTracing()
	b, err := broker.New(s)
	if err != nil {
		return err
	}
	return b.Run(ctx, func(kafka, http string) {
		fmt.Printf("firnlog ready kafka=%s http=%s\n", kafka, http)
	})
}
