package harness

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/etcd"
)

// Etcd is a real etcd of one member. Killed and started again it has the same address and data.
type Etcd struct {
	*Process
	Endpoint string // HOST:PORT
	dir      string
}

// NewEtcd prepares an etcd; Up starts it.
func NewEtcd(t testing.TB) *Etcd {
	t.Helper()
	client, peer := Address(FreePort(t)), "http://"+Address(FreePort(t))
	dir := t.TempDir()
	return &Etcd{Endpoint: client, dir: dir, Process: NewProcess(t, "etcd", Tool(t, "etcd"), nil,
		"--name", "one", "--data-dir", dir, "--log-level", "warn",
		"--listen-client-urls", "http://"+client, "--advertise-client-urls", "http://"+client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "one="+peer,
		"--auto-compaction-mode", "periodic", "--auto-compaction-retention", "2m",
		// A lone member waits for nobody's heartbeat, but for an election at its start.
		"--heartbeat-interval", "10", "--election-timeout", "100")}
}

// Up starts it, or starts it again, and waits until it answers.
func (e *Etcd) Up() {
	e.t.Helper()
	e.Start()
	kv := e.KV()
	Await(e.t, time.Minute, "etcd answers", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := kv.Get(ctx, "any")
		return err
	})
	kv.Close()
}

// Lose kills it and deletes all of its data.
func (e *Etcd) Lose() {
	e.t.Helper()
	e.Kill()
	if err := os.RemoveAll(e.dir); err != nil {
		e.t.Fatal(err)
	}
}

// KV is a connection for the test's own look at what is there. The caller closes it.
func (e *Etcd) KV() *etcd.KV {
	e.t.Helper()
	kv, err := etcd.Dial(etcd.Settings{Endpoints: []string{e.Endpoint}})
	if err != nil {
		e.t.Fatal(err)
	}
	return kv
}

// Count gives the number of keys below a prefix.
func (e *Etcd) Count(ctx context.Context, prefix string) (n int, err error) {
	kv := e.KV()
	defer kv.Close()
	after := ""
	for {
		page, err := kv.List(ctx, coordination.Range{Prefix: prefix, After: after, Limit: 2000, KeysOnly: true})
		if err != nil {
			return 0, fmt.Errorf("count keys: %w", err)
		}
		n += len(page.Items)
		if len(page.Items) == 0 || !page.More {
			return n, nil
		}
		after = page.Items[len(page.Items)-1].Key
	}
}
