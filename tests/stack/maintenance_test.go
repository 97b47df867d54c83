//go:build stack

package stack_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// Brokers are killed in turn at random moments while they settle, merge, spill and write backups, with thresholds so small that
// they hardly do anything else. Nothing acknowledged is lost, and fsck, which reads everything, finds nothing wrong. The kills at
// each single step are in sim/month.
func TestKill_DuringMaintenanceLosesNothing(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 2, Arguments: func(int) []string {
		return []string{"--segment-bytes", "64KiB", "--settle-bytes", "1MiB", "--settle-age", "1s", "--journal-every", "1s", "--backup-every", "5s", "--backup-keep", "2", "--backup-keep-for", "0s"}
	}})
	tr := startTraffic(t, c.Seeds(), "maintained", 1)
	store := bucketOf(t, c)
	kinds := map[string]int{}
	for i := range rounds(2) {
		made := newest(t, store)
		harness.Await(t, time.Minute, "maintenance makes objects", func() error {
			if newest(t, store) == made {
				return fmt.Errorf("none since %s", made)
			}
			return nil
		})
		time.Sleep(rand.N(400 * time.Millisecond)) // at random: what is under way is another thing each time
		b := c.Brokers[i%len(c.Brokers)]
		b.Kill()
		kinds[prefixOf(newest(t, store))]++
		release(t, c)
		tr.more(500)
		b.Up()
	}
	tr.check()
	harness.Fsck(t, c.MinIO.Environ(), "--cluster", "default", "--store", storeOf(c), "--etcd", c.Etcd.Endpoint)
	t.Logf("the last object before each kill: %v", kinds)
}

// newest is the last object that maintenance has made.
func newest(t *testing.T, store objectstore.Store) (key string) {
	t.Helper()
	last := ""
	for _, prefix := range []string{ledger.SettledPrefix, ledger.ManifestPrefix} {
		for after := ""; ; {
			list, err := store.List(within(t, 10*time.Second), prefix, after, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range list {
				after = o.Key
				if id := o.Key[strings.LastIndexByte(o.Key, '/')+1:]; id > last {
					last, key = id, o.Key
				}
			}
			if len(list) < 1000 {
				break
			}
		}
	}
	return key
}

// prefixOf is the kind of an object.
func prefixOf(key string) string {
	if strings.HasPrefix(key, ledger.SharedPrefix) {
		return ledger.SharedPrefix
	}
	kind, _, _ := strings.Cut(key, "/")
	return kind
}

// release gives up the duties of those that were killed, as the end of their leases would some seconds later.
func release(t *testing.T, c *harness.Cluster) {
	t.Helper()
	kv := c.Etcd.KV()
	defer kv.Close()
	keys := coordination.NewKeys("default")
	for _, duty := range []string{"upkeep", "backup"} {
		if _, err := kv.Commit(within(t, 10*time.Second), nil, []coordination.Change{coordination.DeleteKey(keys.Lease(duty))}); err != nil {
			t.Fatal(err)
		}
	}
}
