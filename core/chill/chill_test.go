package chill_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/chill"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/core/upkeep"
	"github.com/firnlog/firnlog/objectstore"
)

type fixture struct {
	*coretest.Cluster
	t     *testing.T
	a     *coretest.Instance
	tp    record.TopicPartition
	moved int
}

// bubble has a partition of 40 batches, one an hour, most of them in its manifest.
func bubble(t *testing.T, configs []string, fn func(f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, t: t, tp: record.TopicPartition{Topic: c.CreateTopic("t", 1, append([]string{"firnlog.cold.after.ms", "36000000"}, configs...)...)}}
		f.a = c.Instance("a", coretest.Options{Upkeep: func(s *upkeep.Settings) { s.CheckpointAge = 0 }}).Ready()
		s := settle.Settings{Store: f.a.Store, KV: f.a.KV, Keys: c.Keys, Stream: f.a.Stream, Now: f.a.Now, Log: coretest.Quiet()}.Defaults()
		s.Bytes, s.Age, s.Rest, s.SegmentsMax, s.FanIn, s.SpansMax, s.SpillObjects, s.PieceBytes, s.AheadBytes = 1500, time.Minute, 0, 12, 3, 8, 2, 700, 2000
		settler := settle.New(s)
		for range 40 {
			f.a.MustProduce(coretest.Plain(f.tp, strings.Repeat("x", 600)))
			time.Sleep(time.Hour)
			f.a.Upkeep.Observe()
			if err := errors.Join(f.a.Upkeep.Checkpoint(t.Context()), settler.Run(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		fn(f)
	})
}

func (f *fixture) chiller(store objectstore.Store, tune func(*chill.Settings)) *chill.Chiller {
	archived := archive.New(store, archive.BytesMax)
	s := chill.Settings{Store: store, Stream: f.a.Stream, Archive: archived, Amender: amend.New(store, archived, f.a.Stream, f.a.KV, f.Keys),
		Now: f.a.Now, Log: coretest.Quiet(), Elsewhere: true, Observe: func(objects int, _ int64) { f.moved += objects }}.Defaults()
	tune(&s)
	return chill.New(s)
}

func usual(*chill.Settings) {}

func (f *fixture) run(c *chill.Chiller) {
	f.t.Helper()
	for more := true; more; {
		var err error
		if more, err = c.Step(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
	}
}

// check: old entries are cold, young ones are not, and every record is read.
func (f *fixture) check(what string) (cold int) {
	f.t.Helper()
	w := f.Walk()[f.tp]
	old := time.Now().Add(-10 * time.Hour).UnixMilli()
	for _, s := range w.Listed {
		if s.Place == ledger.InCold {
			cold++
		}
		if (s.Place == ledger.InCold) != (s.MaxTimestamp <= old) {
			f.t.Errorf("%s: entry of %d to %d, %v old, is in place %d", what, s.Base, s.End, time.Since(time.UnixMilli(s.MaxTimestamp)), s.Place)
		}
	}
	if n := len(f.a.ReadAll(f.tp)); n != 40 {
		f.t.Errorf("%s: %d records", what, n)
	}
	return cold
}

func TestChill_MovesWhatIsOldAndReadersDoNotNotice(t *testing.T) {
	bubble(t, nil, func(f *fixture) {
		c := f.chiller(f.a.Store, func(s *chill.Settings) { s.BytesMax, s.EntriesMax = 3000, 2 })
		f.run(c)
		cold := f.check("at first")
		if cold < 3 || f.moved != cold {
			t.Errorf("%d entries are cold, %d objects were moved", cold, f.moved)
		}
		f.run(c) // which looks at the manifest that it has written
		f.Transcript()
		f.run(c)
		if lines := f.Transcript(); len(lines) > 0 || f.moved != cold {
			t.Errorf("nothing to do, and %q", lines)
		}
		time.Sleep(5 * time.Hour)
		f.run(c)
		if now := f.check("five hours later"); now <= cold {
			t.Errorf("%d cold entries, there were %d", now, cold)
		}
	})
}

// refusing is a store that takes no storage class but one.
type refusing struct {
	objectstore.Store
	takes string
}

func (r *refusing) Put(ctx context.Context, key string, body ...[]byte) error {
	if class := objectstore.ClassOf(ctx); class != "" && class == r.takes {
		return r.Store.Put(objectstore.InClass(ctx, ""), key, body...)
	}
	return r.Store.Put(ctx, key, body...)
}

func TestChill_AClassThatIsRefusedIsReportedAndLosesNothing(t *testing.T) {
	bubble(t, []string{"firnlog.cold.storage.class", "GLACIER_IR"}, func(f *fixture) {
		store := &refusing{Store: f.a.Store}
		c := f.chiller(store, usual)
		f.run(c)
		if c.Refused() != 1 || f.moved != 0 {
			t.Errorf("%d partitions with a class that is refused, %d objects moved", c.Refused(), f.moved)
		}
		if n := len(f.a.ReadAll(f.tp)); n != 40 {
			t.Errorf("%d records", n)
		}
		f.Transcript()
		f.run(c)
		if lines := f.Transcript(); len(lines) != 0 {
			t.Errorf("tried again at once: %q", lines)
		}
		store.takes = "GLACIER_IR"
		time.Sleep(time.Hour)
		f.run(c)
		if cold := f.check("when it is taken"); cold == 0 || c.Refused() != 0 {
			t.Errorf("%d cold entries, %d refused", cold, c.Refused())
		}
	})
}

func TestChill_WithoutAClassAndWithoutAnotherBucketNothingMoves(t *testing.T) {
	bubble(t, nil, func(f *fixture) {
		f.run(f.chiller(f.a.Store, func(s *chill.Settings) { s.Elsewhere = false }))
		if f.moved != 0 {
			t.Errorf("%d objects were copied for nothing", f.moved)
		}
	})
}

// Killed after each of its requests, before or after it took effect, a chill is finished by the next.
func TestChill_KilledAnywhereLosesNothing(t *testing.T) {
	for _, fail := range []struct {
		kv    coordination.Failure
		store objectstore.Failure
	}{{coordination.FailBefore, objectstore.FailBefore}, {coordination.FailAfter, objectstore.FailAfter}} {
		for at := 1; ; at++ {
			requests := 0
			bubble(t, nil, func(f *fixture) {
				dead := func() bool { requests++; return requests >= at }
				f.FaultStore(func(_ string, op objectstore.Op, _ string) (d objectstore.Decision) {
					if dead() {
						d.Fail = fail.store
					}
					return d
				})
				f.FaultKV(func(_ string, op coordination.Op, _ string) (d coordination.Decision) {
					if op != coordination.OpUpdate && op != coordination.OpWatch && dead() {
						d.Fail = fail.kv
					}
					return d
				})
				ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
				_, _ = f.chiller(f.a.Store, usual).Step(ctx)
				cancel()
				f.FaultStore(nil)
				f.FaultKV(nil)
				time.Sleep(time.Second)
				f.a.Barrier()
				f.run(f.chiller(f.a.Store, usual))
				if cold := f.check("after a kill"); cold == 0 {
					f.t.Errorf("killed at request %d: nothing is cold", at)
				}
			})
			if t.Failed() || requests < at {
				break
			}
		}
	}
}

// Entries of one object need not be neighbours: segments of the same moment are settled in the order of their ids, and have
// their offsets in the order of their commits. It is copied once all the same.
func TestChill_AnObjectOfSeveralEntriesIsCopiedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, t: t, tp: record.TopicPartition{Topic: c.CreateTopic("t", 1, "firnlog.cold.after.ms", "36000000")}}
		f.a = c.Instance("a", coretest.Options{SegmentBytes: 500, Upkeep: func(s *upkeep.Settings) { s.CheckpointAge = 0 }}).Ready()
		s := settle.Settings{Store: f.a.Store, KV: f.a.KV, Keys: c.Keys, Stream: f.a.Stream, Now: f.a.Now, Log: coretest.Quiet()}.Defaults()
		s.Bytes, s.Rest, s.SegmentsMax, s.SpansMax, s.SpillObjects = 6000, 0, 12, 8, 2
		settler := settle.New(s)
		for range 3 {
			var in []ingest.Incoming
			for range 48 {
				in = append(in, coretest.Plain(f.tp, strings.Repeat("x", 600)))
			}
			f.a.MustProduce(in...)
			f.a.Upkeep.Observe()
			if err := f.a.Upkeep.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Hour)
			if err := settler.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		objects := func() int {
			seen := map[string]bool{}
			for _, s := range f.Walk()[f.tp].Listed {
				seen[s.Key(f.tp)] = true
			}
			return len(seen)
		}
		entries, before := len(f.Walk()[f.tp].Listed), objects()
		if entries < before+10 {
			t.Fatalf("%d entries of %d objects: this shows nothing", entries, before)
		}
		time.Sleep(20 * time.Hour)
		f.run(f.chiller(f.a.Store, func(s *chill.Settings) { s.EntriesMax = 1 }))
		if objects() != before || f.moved != before {
			t.Errorf("%d cold objects, %d copied, there were %d", objects(), f.moved, before)
		}
	})
}
