package main

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/firnlog/firnlog/coordination/etcd"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/telemetry"
	"github.com/firnlog/firnlog/localstack"
	"github.com/firnlog/firnlog/objectstore"
)

// place is an open cluster: its store and its etcd.
type place struct {
	objectstore.Store
	KV    *etcd.KV
	close []func()
}

// openPlace opens what the settings name: the folder of a stopped firnlog dev, or a store and an etcd.
func openPlace(ctx context.Context, c *config.Place) (p *place, err error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	p = &place{}
	opened := p // a return of nil does not change it
	defer func() {
		if err != nil {
			opened.Close()
		}
	}()
	url, endpoints, access := c.Store, c.Etcd, c.EtcdAccess
	if c.Data != "" {
		if _, err := os.Stat(filepath.Join(c.Data, "objects")); err != nil {
			return nil, fmt.Errorf("--data %s is no folder of firnlog dev: %w", c.Data, err)
		}
		local, err := localstack.StartEmbedded(ctx, c.Data)
		if err != nil {
			return nil, err
		}
		p.close = append(p.close, local.Close)
		url, endpoints = "file://"+filepath.ToSlash(local.ObjectsDir()), local.Endpoints()
		access = config.EtcdAccess{}
	}
	bare, closeStore, err := openStores(ctx, url, c.Cold, telemetry.NewLogger(os.Stderr, "warn"))
	if err == nil && bare == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	p.close = append(p.close, closeStore)
	p.Store = objectstore.NewRetry(bare, objectstore.DefaultRetryPolicy(), objectstore.SystemClock(), mathrand.Float64)
	if p.KV, err = dialEtcd(endpoints, &access); err != nil {
		return nil, err
	}
	p.close = append(p.close, func() { p.KV.Close() })
	return p, nil
}

// Close closes all of it, what was opened last first.
func (p *place) Close() {
	for i := len(p.close) - 1; i >= 0; i-- {
		p.close[i]()
	}
}

// exit codes of the tools beside 0 and 1.
const (
	exitRefused = 2 // nothing was done: what is there forbids it
	exitLossy   = 3 // done, and something is missing
)

// exitError is an error with an exit code of its own.
type exitError struct {
	error
	code int
}

// ExitCode is asked by the parser.
func (e exitError) ExitCode() int { return e.code }

// Unwrap gives the error itself.
func (e exitError) Unwrap() error { return e.error }

// progress writes one line that is overwritten, on a terminal only.
type progress struct {
	w    *os.File
	last string
}

func newProgress() *progress {
	info, err := os.Stderr.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &progress{}
	}
	return &progress{w: os.Stderr}
}

func (p *progress) show(stage string, done, total int) {
	if p.w == nil {
		return
	}
	line := fmt.Sprintf("%s: %d", stage, done)
	if total > 0 {
		line = fmt.Sprintf("%s: %d of %d", stage, done, total)
	}
	if stage != p.last && p.last != "" {
		fmt.Fprintln(p.w)
	}
	p.last = stage
	fmt.Fprintf(p.w, "\r\x1b[K%s", line)
}

// done ends the line.
func (p *progress) done() {
	if p.w != nil && p.last != "" {
		fmt.Fprintln(p.w)
	}
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func joined(list []string) string { return strings.Join(list, ", ") }
