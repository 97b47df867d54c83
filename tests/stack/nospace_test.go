//go:build stack

package stack_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// The runbook of docs/OPERATIONS.md for an etcd that is full: compact, defragment, disarm; in that order.
func TestNoSpace_TheRunbookBringsAFullEtcdBack(t *testing.T) {
	const quota = 16 << 20
	endpoint := smallEtcd(t, quota)
	kv, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer kv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	harness.Await(t, time.Minute, "etcd answers", func() error { _, err := kv.Get(ctx, "any"); return err })
	put := func() error {
		_, err := kv.Put(ctx, "filler", strings.Repeat("x", 1<<20)) // one key: all but the last is history
		return err
	}
	for n := 0; err == nil; n++ {
		if err = put(); n > 100 {
			t.Fatal("the quota does not hold")
		}
	}
	if !strings.Contains(err.Error(), "space exceeded") {
		t.Fatal(err)
	}
	state := func(when string) {
		s, err := kv.Status(ctx, endpoint)
		if err != nil {
			t.Fatal(err)
		}
		alarms, err := kv.AlarmList(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes on disk, %d in use, alarms %v", when, s.DbSize, s.DbSizeInUse, alarms.Alarms)
	}
	state("full")
	b := harness.NewBroker(t, "broker", nil, "broker", "--store", "memory:", "--etcd", endpoint)
	b.Start() // it waits: nothing needs an order
	got, err := kv.Get(ctx, "any")
	if err != nil {
		t.Fatalf("a full etcd is still read: %v", err)
	}
	if _, err := kv.Compact(ctx, got.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	state("compacted")
	if put() == nil {
		t.Error("compaction alone brings it back")
	}
	if _, err := kv.Defragment(ctx, endpoint); err != nil {
		t.Fatal(err)
	}
	state("defragmented")
	if put() == nil {
		t.Error("it takes writes with the alarm armed")
	}
	if _, err := kv.AlarmDisarm(ctx, &clientv3.AlarmMember{}); err != nil {
		t.Fatal(err)
	}
	if err := put(); err != nil {
		t.Errorf("after the runbook: %v", err)
	}
	state("disarmed")
	b.AwaitReady()
	tr := startTraffic(t, []string{b.Kafka}, "full", workers)
	tr.more(1000)
	tr.check()
}

// smallEtcd starts one that holds little and compacts nothing by itself.
func smallEtcd(t *testing.T, quota int) (endpoint string) {
	t.Helper()
	endpoint, peer := harness.Address(harness.FreePort(t)), "http://"+harness.Address(harness.FreePort(t))
	harness.NewProcess(t, "etcd", harness.Tool(t, "etcd"), nil, "--name", "one", "--data-dir", t.TempDir(), "--log-level", "warn",
		"--listen-client-urls", "http://"+endpoint, "--advertise-client-urls", "http://"+endpoint,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "one="+peer,
		"--quota-backend-bytes", fmt.Sprint(quota)).Start()
	return endpoint
}
