package txn_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/txn"
	"github.com/firnlog/firnlog/objectstore"
)

type fixture struct {
	*coretest.Cluster
	a, b *coretest.Instance
	tp   record.TopicPartition
}

// bubble runs fn with two instances and a topic.
func bubble(t *testing.T, fn func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, tp: record.TopicPartition{Topic: c.CreateTopic("t", 5000)}}
		f.a, f.b = c.Instance("a", coretest.Options{RunUpkeep: true}).Ready(), c.Instance("b", coretest.Options{}).Ready()
		synctest.Wait() // their watches are open
		fn(t, f)
	})
}

func (f *fixture) part(n int) record.TopicPartition {
	return record.TopicPartition{Topic: f.tp.Topic, Partition: int32(n)}
}

func (f *fixture) init(in *coretest.Instance, have ...txn.Identity) txn.Identity {
	f.T.Helper()
	show := txn.Identity{Producer: -1, Epoch: -1}
	if len(have) > 0 {
		show = have[0]
	}
	who, err := in.Txns.Init(f.T.Context(), "x", 10_000, show)
	if err != nil {
		f.T.Fatal(err)
	}
	return who
}

func (f *fixture) end(in *coretest.Instance, who txn.Identity, commit, bump bool) txn.Identity {
	f.T.Helper()
	now, err := in.Txns.End(f.T.Context(), "x", who, commit, bump)
	if err != nil {
		f.T.Fatal(err)
	}
	return now
}

func batch(who txn.Identity, tp record.TopicPartition, first int32, values ...string) ingest.Incoming {
	return coretest.Transactional("x", tp, who.Producer, who.Epoch, first, values...)
}

// old is a batch of a client that has said before which partitions it writes to.
func old(who txn.Identity, tp record.TopicPartition, first int32, values ...string) ingest.Incoming {
	in := batch(who, tp, first, values...)
	in.Implicit = false
	return in
}

// committed reads what a consumer with read_committed keeps.
func (f *fixture) committed(in *coretest.Instance, tp record.TopicPartition) (values []string) {
	f.T.Helper()
	in.Barrier()
	for at := record.Offset(0); ; {
		r := in.Fetch.Fetch(f.T.Context(), fetch.Request{
			Partitions: []fetch.Partition{{TopicPartition: tp, Offset: at, BytesMax: 1}}, BytesMax: 1, ReadCommitted: true,
		})[0]
		if r.Err != nil {
			f.T.Fatal(r.Err)
		}
		if at >= r.LastStable {
			return values
		}
		for b, err := range record.Batches(r.Batches) {
			if err != nil {
				f.T.Fatal(err)
			}
			h, err := record.Check(b)
			if err != nil {
				f.T.Fatal(err)
			}
			at = h.LastOffset() + 1
			if h.IsControl() || isAborted(h, r.Aborted) {
				continue
			}
			for _, rec := range coretest.Records(f.T, b) {
				values = append(values, rec.Value)
			}
		}
	}
}

func isAborted(h record.Header, aborted []fetch.Aborted) bool {
	return h.IsTransactional() && slices.ContainsFunc(aborted, func(a fetch.Aborted) bool { return a.Producer == h.Producer && a.First <= h.BaseOffset })
}

func (f *fixture) wantCommitted(tp record.TopicPartition, want ...string) {
	f.T.Helper()
	for _, in := range []*coretest.Instance{f.a, f.b} {
		if got := f.committed(in, tp); !slices.Equal(got, want) {
			f.T.Errorf("%s reads %q, want %q", in.Name, got, want)
		}
	}
}

func (f *fixture) wantStable(tp record.TopicPartition, next, stable record.Offset) {
	f.T.Helper()
	b, err := f.b.Fetch.Bounds(f.T.Context(), tp)
	if err != nil || b.HighWatermark != next || b.LastStable != stable {
		f.T.Errorf("%+v, %v; want %d and %d", b, err, next, stable)
	}
}

// wantRefused wants all batches to be refused with err.
func wantRefused(t *testing.T, out []ingest.Outcome, err error) {
	t.Helper()
	for _, o := range out {
		if !errors.Is(o.Err, err) {
			t.Errorf("%v at %d, want %v", o.Err, o.Base, err)
		}
	}
}

func TestTransaction_IsReadOnceItIsCommitted(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		who := f.init(f.a)
		f.a.MustProduce(batch(who, f.tp, 0, "1", "2"), batch(who, f.part(1), 0, "3"))
		f.b.MustProduce(batch(who, f.tp, 2, "4"), coretest.Plain(f.tp, "plain"))
		f.wantStable(f.tp, 4, 0)
		f.wantCommitted(f.tp)
		now := f.end(f.b, who, true, true)
		if now != (txn.Identity{Producer: who.Producer, Epoch: who.Epoch + 1}) {
			t.Errorf("%v after %v", now, who)
		}
		f.wantStable(f.tp, 5, 5)
		f.wantCommitted(f.tp, "1", "2", "4", "plain")
		f.wantCommitted(f.part(1), "3")
		f.a.MustProduce(batch(now, f.tp, 0, "aborted"), coretest.Plain(f.tp, "kept"))
		f.end(f.a, now, false, true)
		f.wantCommitted(f.tp, "1", "2", "4", "plain", "kept")
	})
}

// Anomaly 12: what the end has overtaken neither opens a transaction nor joins the next, whoever brings it.
func TestTransaction_ADelayedFirstBatchIsFencedEverywhere(t *testing.T) {
	for name, bump := range map[string]bool{"version 2": true, "version 1": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				make := batch
				who := f.init(f.b)
				if !bump {
					make = old
					if err := f.b.Txns.AddPartitions(t.Context(), "x", who, []record.TopicPartition{f.tp, f.part(1)}); err != nil {
						t.Fatal(err)
					}
				}
				f.b.MustProduce(make(who, f.tp, 0, "1"))
				f.FaultKV(func(in string, op coordination.Op, key string) (d coordination.Decision) {
					if in == "a" && op == coordination.OpCommit && strings.Contains(key, "log/commits/") {
						d.Delay = 2 * time.Second
					}
					return d
				})
				delayed := f.a.Ingest.Add(t.Context(), []ingest.Incoming{make(who, f.part(1), 0, "delayed", "delayed"), coretest.Plain(f.part(1), "innocent")})
				time.Sleep(time.Second) // it is a member, and its commit is on its way
				now := f.end(f.b, who, true, bump)
				if !bump {
					if err := f.b.Txns.AddPartitions(t.Context(), "x", now, []record.TopicPartition{f.part(1)}); err != nil {
						t.Fatal(err)
					}
				}
				f.b.MustProduce(make(now, f.part(1), 0, "next"))
				out := delayed.Wait(t.Context())
				wantRefused(t, out[:1], ingest.ErrFenced)
				wantRefused(t, out[1:], nil)
				f.end(f.b, now, true, bump)
				f.wantStable(f.part(1), 3, 3)
				f.wantCommitted(f.part(1), "next", "innocent")
			})
		})
	}
}

func TestTransaction_AnEndWhoseAnswerWasLostSucceedsWhenSentAgain(t *testing.T) {
	for name, bump := range map[string]bool{"version 2": true, "version 1": false} {
		for fault, d := range map[string]coordination.Decision{"applied": {Fail: coordination.FailAfter}, "late": {Fail: coordination.FailLate}} {
			t.Run(name+", "+fault, func(t *testing.T) {
				bubble(t, func(t *testing.T, f *fixture) {
					who := f.init(f.a)
					if err := f.a.Txns.AddPartitions(t.Context(), "x", who, []record.TopicPartition{f.tp}); err != nil {
						t.Fatal(err)
					}
					f.a.MustProduce(old(who, f.tp, 0, "1"))
					lost := 0
					f.FaultKV(func(in string, op coordination.Op, key string) (out coordination.Decision) {
						if in == "a" && op == coordination.OpCommit && strings.Contains(key, "transactions/") && lost == 0 {
							lost++
							return d
						}
						return out
					})
					now := f.end(f.a, who, true, bump)
					for f.a.KV.Late() > 0 {
						if res, err := f.a.KV.Land(t.Context(), 0); err != nil || res.Committed {
							t.Errorf("the first try landed after the second: %t, %v", res.Committed, err)
						}
					}
					if again := f.end(f.b, who, true, bump); again != now || lost != 1 || bump != (now.Epoch == who.Epoch+1) {
						t.Errorf("%v, sent again %v, %d lost", now, again, lost)
					}
					if _, err := f.b.Txns.End(t.Context(), "x", who, false, bump); !errors.Is(err, txn.ErrState) {
						t.Errorf("sent again with another result: %v", err)
					}
					f.wantStable(f.tp, 2, 2)
					f.wantCommitted(f.tp, "1")
				})
			})
		}
	}
}

func TestTransaction_AZombieIsFencedAndWhatItHadIsAborted(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		zombie := f.init(f.a)
		f.a.MustProduce(batch(zombie, f.tp, 0, "zombie"))
		who := f.init(f.b)
		wantRefused(t, f.a.Produce(batch(zombie, f.tp, 1, "zombie"), batch(zombie, f.part(1), 0, "zombie")), ingest.ErrFenced)
		if _, err := f.a.Txns.End(t.Context(), "x", zombie, true, true); !errors.Is(err, txn.ErrFenced) {
			t.Errorf("the zombie's end: %v", err)
		}
		if _, err := f.a.Txns.Init(t.Context(), "x", 1000, zombie); !errors.Is(err, txn.ErrFenced) {
			if err != nil {
				t.Errorf("the zombie's recovery: %v", err)
			}
		}
		f.b.MustProduce(batch(who, f.tp, 0, "alive"))
		f.end(f.b, who, true, true)
		f.wantCommitted(f.tp, "alive")
	})
}

func TestTransaction_OneThatTakesTooLongIsAbortedByAnybody(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		who := f.init(f.b)
		f.b.MustProduce(batch(who, f.tp, 0, "1"), batch(who, f.part(1), 0, "2"))
		time.Sleep(8 * time.Second)
		f.wantStable(f.tp, 1, 0)
		time.Sleep(15 * time.Second)
		f.wantStable(f.tp, 2, 2)
		f.wantCommitted(f.part(1))
		wantRefused(t, f.b.Produce(batch(who, f.tp, 1, "late"), batch(who, f.part(2), 0, "late")), ingest.ErrFenced)
		if _, err := f.b.Txns.End(t.Context(), "x", who, true, true); !errors.Is(err, txn.ErrFenced) {
			t.Errorf("its end: %v", err)
		}
		now := f.init(f.b)
		f.b.MustProduce(batch(now, f.tp, 0, "next"))
		f.end(f.b, now, true, true)
		f.wantCommitted(f.tp, "next")
	})
}

// An instance that dies after it has recorded memberships, and before the commit of their batches, leaves nothing open.
func TestTransaction_AnInstanceKilledBetweenMembershipAndCommit(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		who := f.init(f.b)
		f.b.MustProduce(batch(who, f.tp, 0, "1"))
		f.FaultStore(func(in string, op objectstore.Op, _ string) (d objectstore.Decision) {
			if in == "a" && op == objectstore.OpPut {
				d.Delay = time.Hour
			}
			return d
		})
		f.a.Ingest.Add(t.Context(), []ingest.Incoming{batch(who, f.part(1), 0, "lost")})
		time.Sleep(100 * time.Millisecond)
		if s, err := f.b.Txns.Describe(t.Context(), "x"); err != nil || len(s.All()) != 2 {
			t.Errorf("%+v, %v: want two members", s, err)
		}
		f.a.Stop()
		f.b.MustProduce(batch(who, f.part(1), 0, "again"))
		f.end(f.b, who, true, true)
		f.a = f.b
		f.wantStable(f.part(1), 2, 2)
		f.wantCommitted(f.part(1), "again")
	})
}

func TestTransaction_RefusedBatchesHarmNobodyElse(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		who := f.init(f.a)
		other := batch(who, f.tp, 0, "unknown id")
		other.Transaction = "y"
		out := f.a.Produce(coretest.Plain(f.tp, "1"), old(who, f.tp, 0, "not a member"), coretest.Plain(f.tp, "2"), other, coretest.Plain(f.tp, "3"))
		wantRefused(t, []ingest.Outcome{out[0], out[2], out[4]}, nil)
		wantRefused(t, out[1:2], ingest.ErrTxnState)
		wantRefused(t, out[3:4], txn.ErrMapping)
		wantRefused(t, f.a.Produce(old(who, f.tp, 0, "alone")), ingest.ErrTxnState) // nothing is left to commit
		if got := f.b.ReadAll(f.tp); !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("%q", got)
		}
		f.a.MustProduce(batch(who, f.tp, 0, "open"))
		plain := coretest.Idempotent(f.tp, who.Producer, who.Epoch, 1, "of none")
		wantRefused(t, f.b.Produce(plain), ingest.ErrTxnState)
	})
}

// A client before KIP-890 keeps epoch and sequences over its transactions, whichever instances it comes to.
func TestTransaction_OldClientsGoOnThroughAnyInstance(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		who := f.init(f.a)
		var want []string
		for i := range int32(6) {
			one, other := f.a, f.b
			if i%2 == 1 {
				one, other = f.b, f.a
			}
			if err := one.Txns.AddPartitions(t.Context(), "x", who, []record.TopicPartition{f.tp}); err != nil {
				t.Fatal(err)
			}
			one.MustProduce(old(who, f.tp, 2*i, fmt.Sprint(i, "a")))
			other.MustProduce(old(who, f.tp, 2*i+1, fmt.Sprint(i, "b")))
			wantRefused(t, one.Produce(old(who, f.part(1), 0, "not a member")), ingest.ErrTxnState)
			if now := f.end(other, who, i%3 > 0, false); now != who {
				t.Fatalf("%v after %v", now, who)
			}
			if i%3 > 0 {
				want = append(want, fmt.Sprint(i, "a"), fmt.Sprint(i, "b"))
			}
		}
		f.wantCommitted(f.tp, want...)
		f.wantStable(f.tp, 18, 18)
	})
}

func TestInit_RecoversAProducerAndKnowsItsOwnRepetition(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		who := f.init(f.a, txn.Identity{Producer: 0, Epoch: 0}) // an id that is not known: what it shows counts for nothing
		next := f.init(f.a, who)
		if next.Producer != who.Producer || next.Epoch != who.Epoch+1 {
			t.Errorf("%v after %v", next, who)
		}
		if again := f.init(f.b, who); again != next {
			t.Errorf("sent again: %v, want %v", again, next)
		}
		last := f.init(f.b, next)
		if _, err := f.a.Txns.Init(t.Context(), "x", 1000, who); !errors.Is(err, txn.ErrFenced) {
			t.Errorf("one before the last: %v", err)
		}
		if f.end(f.a, last, false, true); f.init(f.a, last).Epoch != last.Epoch+1 { // the end's answer was lost
			t.Error("after an end")
		}
		for _, ms := range []int32{0, -1, 900_001} {
			if _, err := f.a.Txns.Init(t.Context(), "x", ms, who); !errors.Is(err, txn.ErrTimeout) {
				t.Errorf("time-out of %d ms: %v", ms, err)
			}
		}
	})
}

func TestEpochs_AreNeverUsedUp(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		who := f.init(f.a)
		f.a.MustProduce(batch(who, f.tp, 0, "1"))
		for who.Epoch < 40 {
			who = f.end(f.a, who, false, true)
		}
		item := f.Items(f.Keys.Transaction("x"))[0]
		f.Put(item.Key, []byte(strings.Replace(string(item.Value), fmt.Sprintf(`"epoch":%d,"serial"`, who.Epoch), `"epoch":32766,"serial"`, 1)))
		who.Epoch = 32766
		f.a.MustProduce(batch(who, f.tp, 0, "2"))
		next := f.end(f.b, who, true, true)
		if next.Producer == who.Producer || next.Epoch != 0 {
			t.Fatalf("%v after %v", next, who)
		}
		f.a.MustProduce(batch(next, f.tp, 0, "3"))
		wantRefused(t, f.a.Produce(batch(who, f.tp, 1, "late")), ingest.ErrFenced)
		wantRefused(t, f.a.Produce(batch(who, f.part(1), 0, "late")), txn.ErrMapping)
		f.end(f.a, next, true, true)
		f.wantCommitted(f.tp, "2", "3")
	})
}

func count(lines []string, what string) (n int) {
	for _, l := range lines {
		if strings.HasPrefix(l, what) {
			n++
		}
	}
	return n
}

// DESIGN §10: ending a transaction is one etcd transaction and no PUT, however many partitions it has; first batches on new
// partitions are one a flush.
func TestBudget_OfATransaction(t *testing.T) {
	for _, parts := range []int{1, 100, 5000} {
		t.Run(fmt.Sprint(parts), func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				who := f.init(f.b)
				var in []ingest.Incoming
				for p := range parts {
					in = append(in, batch(who, f.part(p), 0, "x"))
				}
				flushes := f.b.Flushes()
				f.Transcript()
				f.b.MustProduce(in...)
				lines := f.Transcript()
				if joins, n := count(lines, "b kv commit transactions/x"), f.b.Flushes()-flushes; joins > n+1 || joins == 0 {
					t.Errorf("%d etcd transactions of memberships in %d flushes", joins, n)
				}
				f.b.MustProduce(batch(who, f.part(0), 1, "again"))
				lines = f.Transcript()
				if n := count(lines, "b kv commit transactions/x") + count(lines, "b kv get transactions/x"); n != 0 {
					t.Errorf("%d requests for a partition that is a member already: %q", n, lines)
				}
				f.end(f.b, who, true, true)
				lines = f.Transcript()
				if n, puts := count(lines, "b kv commit"), count(lines, "b store put"); n != 1 || puts != 0 {
					t.Errorf("%d etcd transactions and %d PUTs: %q", n, puts, lines)
				}
				f.wantStable(f.part(parts-1), map[bool]record.Offset{true: 3, false: 2}[parts == 1], map[bool]record.Offset{true: 3, false: 2}[parts == 1])
			})
		})
	}
}
