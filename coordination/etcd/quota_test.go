package etcd

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/localstack/etcd"
)

// Writers together fill a small etcd. What was refused for want of space is there all the same
// for some of them; so no refusal may be called definite.
func TestCommit_WithoutSpaceIsUnknown(t *testing.T) {
	kv := dial(t, Settings{Endpoints: start(t, etcd.Settings{QuotaBytes: 16 << 20}).Endpoints()})
	var mu sync.Mutex
	outcomes := map[string]error{}
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 16 {
				key := fmt.Sprintf("k/%d/%d", w, i)
				_, err := kv.Commit(t.Context(), nil, []coordination.Change{coordination.PutKey(key, make([]byte, 512<<10))})
				mu.Lock()
				outcomes[key] = err
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	refused, applied := 0, 0
	for key, err := range outcomes {
		snap, getErr := kv.Get(t.Context(), key)
		if getErr != nil {
			t.Fatal(getErr)
		}
		there := snap.Items[0].Value != nil
		switch {
		case err == nil && !there:
			t.Errorf("%s was acknowledged and is not there", key)
		case err != nil && !errors.Is(err, coordination.ErrUnknown):
			t.Errorf("%s: %v, want ErrUnknown", key, err)
		case err != nil:
			refused++
			if there {
				applied++
			}
		}
	}
	t.Logf("%d of %d refused commits are there", applied, refused)
	if refused == 0 {
		t.Error("the quota refused nothing: this test tests nothing")
	}
}
