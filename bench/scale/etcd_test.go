//go:build stack

package scale

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/bench"
	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// What etcd spends on telling one more instance of a commit: commits of one size at one rate, and ever more that watch. The
// differences between rows are what counts; all watchers are in this process, on the same machine.
func TestScale_WhatEtcdSpendsOnWatchers(t *testing.T) {
	if !*scaleFlag {
		return // a minute of load
	}
	server := harness.NewEtcd(t)
	server.Up()
	const commits, period = 200, 8 * time.Second
	for _, size := range []int{2600, 14_500} {
		for _, watchers := range []int{1, 25, 50, 100} {
			spent, seen := serve(t, server, size, commits, watchers, period)
			per := spent / time.Duration(max(1, seen))
			t.Logf("commits of %5d bytes, %3d/s, %3d watchers: etcd %.2f of a core, %d events delivered, %v of CPU each", size, commits, watchers,
				spent.Seconds()/period.Seconds(), seen, per.Round(100*time.Nanosecond))
			if want := int64(commits*watchers) * int64(period/time.Second) * 8 / 10; seen < want {
				t.Logf("  the machine did not keep up: %d events wanted at least", want)
			}
		}
	}
}

func serve(t *testing.T, server *harness.Etcd, size, commits, watchers int, period time.Duration) (spent time.Duration, seen int64) {
	keys := coordination.NewKeys(fmt.Sprint("scale-", size, "-", watchers))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var events atomic.Int64
	var all sync.WaitGroup
	for range watchers {
		kv := server.KV() // an instance has a connection of its own
		w, err := kv.Watch(ctx, keys.Log(), 0)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer kv.Close()
			for u := range w.Updates() {
				events.Add(int64(len(u.Events)))
			}
		})
	}
	kv := server.KV()
	defer kv.Close()
	value := make([]byte, size)
	before := use(t, server)
	ticker := time.NewTicker(time.Second / time.Duration(commits))
	defer ticker.Stop()
	var flying sync.WaitGroup
	for begun := time.Now(); time.Since(begun) < period; <-ticker.C {
		id := ulid.Make()
		flying.Go(func() {
			if _, err := kv.Commit(ctx, nil, []coordination.Change{coordination.PutKey(keys.Commit(id), value)}); err != nil {
				t.Errorf("commit: %v", err)
			}
		})
	}
	flying.Wait()
	spent = use(t, server) - before
	seen = events.Load()
	cancel()
	all.Wait()
	return spent, seen
}

func use(t *testing.T, server *harness.Etcd) time.Duration {
	t.Helper()
	u, err := bench.UsageOf(server.Pid())
	if err != nil {
		t.Fatal(err)
	}
	return u.CPU
}
