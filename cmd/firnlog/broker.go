package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/firnlog/firnlog/coordination/etcd"
	"github.com/firnlog/firnlog/core/broker"
	"github.com/firnlog/firnlog/core/config"
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
	store, err := openStore(ctx, c.Store, telemetry.NewLogger(os.Stderr, c.LogLevel))
	if err != nil || store == nil {
		return err
	}
	return serve(ctx, c.Serving, c.Linger, c.GroupInitialRebalanceDelay, store, c.Etcd)
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
	store, err := storeurl.Open(ctx, "file://"+filepath.ToSlash(local.ObjectsDir()))
	if err != nil {
		return err
	}
	return serve(ctx, c.Serving, c.Linger, c.GroupInitialRebalanceDelay, store, local.Endpoints())
}

func serve(ctx context.Context, s config.Serving, linger, groupDelay time.Duration, store objectstore.Store, endpoints []string) error {
	log := telemetry.NewLogger(os.Stderr, s.LogLevel)
	kv, err := etcd.Dial(etcd.Settings{Endpoints: endpoints})
	if err != nil {
		return err
	}
	defer kv.Close()
	if c, ok := store.(io.Closer); ok {
		defer c.Close()
	}
	b, err := broker.New(broker.Settings{Serving: s, Linger: linger, GroupDelay: groupDelay, Store: store, KV: kv, Version: version(), Log: log})
	if err != nil {
		return err
	}
	return b.Run(ctx, func(kafka, http string) {
		fmt.Printf("firnlog ready kafka=%s http=%s\n", kafka, http)
	})
}
