package txn_test

import (
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// A batch of a client before KIP-890 has reached an instance that cannot ask whose it is. Meanwhile its client gives it up, aborts, and begins
// the next transaction, with the same epoch: what the instance can ask at last is not told as the batch's.
func TestTransaction_ABatchThatCannotAskForLongIsNotTakenIntoTheNext(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		who := f.init(f.b)
		add := func() {
			if err := f.b.Txns.AddPartitions(t.Context(), "x", who, []record.TopicPartition{f.tp, f.part(1)}); err != nil {
				t.Fatal(err)
			}
		}
		add()
		f.b.MustProduce(old(who, f.tp, 0, "1"))
		f.FaultKV(func(in string, _ coordination.Op, key string) (d coordination.Decision) {
			if in == "a" && strings.Contains(key, "transactions/") {
				d.Delay = 2500 * time.Millisecond
			}
			return d
		})
		f.FaultStore(func(in string, op objectstore.Op, _ string) (d objectstore.Decision) {
			if in == "a" && op == objectstore.OpPut {
				d.Delay = 2500 * time.Millisecond // else its segment waits no longer than a second
			}
			return d
		})
		held := f.a.Ingest.Add(t.Context(), []ingest.Incoming{old(who, f.part(1), 0, "given up")})
		time.Sleep(2100 * time.Millisecond)
		f.end(f.b, who, false, false)
		add()
		f.b.MustProduce(old(who, f.tp, 1, "2"))
		wantRefused(t, held.Wait(t.Context()), ingest.ErrNotAppended)
		f.end(f.b, who, true, false)
		f.wantCommitted(f.tp, "2")
		f.wantCommitted(f.part(1))
	})
}
