package sweep_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/sweep"
)

// visits are rounds by sweepers that remember nothing.
type visits struct {
	*coretest.Cluster
	t    *testing.T
	a    *coretest.Instance
	skew time.Duration // of the clock of the next one
	at   sweep.Progress
}

const grace = 10 * time.Minute

func newVisits(t *testing.T) *visits {
	c := coretest.NewCluster(t)
	return &visits{Cluster: c, t: t, a: c.Instance("a", coretest.Options{}).Ready()}
}

// orphan puts a segment that nothing refers to, and lets the floor pass it.
func (v *visits) orphan() string {
	v.t.Helper()
	id, err := v.a.Stream.NewID()
	if err == nil {
		err = v.Disk.Put(v.t.Context(), ledger.SegmentKey(id), []byte("x"))
	}
	if err != nil {
		v.t.Fatal(err)
	}
	v.Put(v.Keys.Floor(), coordination.Mark(time.Now().Add(time.Second).UnixMilli()).Bytes())
	return ledger.SegmentKey(id)
}

func (v *visits) visit() (through bool) {
	v.t.Helper()
	v.a.Barrier()
	now := func() time.Time { return time.Now().Add(v.skew) }
	w := sweep.New(sweep.Settings{
		Store: v.a.Store, KV: v.a.KV, Keys: v.Keys, Stream: v.a.Stream, Now: now, Log: coretest.Quiet(), Grace: grace,
		RaiseFloor: func(context.Context) error { return nil },
	})
	to, through, err := w.Visit(v.t.Context(), sweep.Recent, v.at, now().Add(time.Minute))
	if err != nil {
		v.t.Fatal(err)
	}
	v.at = to
	return through
}

func (v *visits) there(key string) bool {
	list, err := v.Disk.List(v.t.Context(), key, "", 1)
	if err != nil {
		v.t.Fatal(err)
	}
	return len(list) == 1
}

func (v *visits) dockets() (keys []string) {
	list, err := v.Disk.List(v.t.Context(), sweep.DocketPrefix, "", 1000)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, o := range list {
		keys = append(keys, o.Key)
	}
	return keys
}

func TestVisit_DeletesOnlyAfterTheGraceByEtcdsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisits(t)
		key := v.orphan()
		v.visit()
		for _, v.skew = range []time.Duration{0, time.Hour, -time.Hour} { // clocks of others are wrong
			v.visit()
			time.Sleep(grace/3 - time.Second)
			if !v.there(key) {
				t.Fatal("deleted before the grace was over")
			}
		}
		if n := len(v.dockets()); n != 1 {
			t.Errorf("%d dockets, want the one that lists the orphan", n)
		}
		time.Sleep(10 * time.Second)
		v.visit()
		if v.there(key) {
			t.Error("it is still there")
		}
		if n := len(v.dockets()); n != 0 {
			t.Errorf("%d dockets are left", n)
		}
	})
}

// What became referred to between two visits stays: the second reads references too.
func TestVisit_WhatIsReferredToByThenStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisits(t)
		key := v.orphan()
		v.visit()
		id, err := ledger.ParseSegmentKey(key)
		if err != nil {
			t.Fatal(err)
		}
		commit := ledger.Commit{Segments: []ledger.SegmentRef{{ID: id}}}
		v.Put(v.Keys.Commit(ulid.Make()), commit.Encode())
		time.Sleep(grace + time.Second)
		v.visit()
		if !v.there(key) {
			t.Error("deleted, though a commit names it")
		}
	})
}

func TestVisit_ADocketThatCountsForNothingBeginsTheGraceAnew(t *testing.T) {
	for _, how := range []string{"lost", "damaged", "of another era"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVisits(t)
				key := v.orphan()
				v.visit()
				docket := v.dockets()[0]
				b, err := v.Disk.Get(t.Context(), docket, 0, -1)
				if err != nil {
					t.Fatal(err)
				}
				_ = v.Disk.Delete(t.Context(), docket)
				switch how {
				case "damaged":
					b[len(b)-1] ^= 1
					err = v.Disk.Put(t.Context(), docket, b)
				case "of another era":
					object := sweep.SealDocket("another", key)
					err = v.Disk.Put(t.Context(), docket, object)
				}
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(grace + time.Second)
				v.visit()
				if !v.there(key) {
					t.Fatal("deleted by a docket that counts for nothing")
				}
				time.Sleep(grace + time.Second)
				v.visit()
				if v.there(key) {
					t.Error("never deleted")
				}
				if n := len(v.dockets()); n != 0 {
					t.Errorf("%d dockets are left", n)
				}
			})
		})
	}
}

// A round of many pages whose time is always over after one goes on where it was, and what matures in the middle of it is not forgotten.
func TestVisit_ARoundGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisits(t)
		const n, used = 3500, 1500 // the first of them are referred to
		var commit ledger.Commit
		for i := range n {
			id, err := v.a.Stream.NewID()
			if err == nil {
				err = v.Disk.Put(t.Context(), ledger.SegmentKey(id), []byte("x"))
			}
			if err != nil {
				t.Fatal(err)
			}
			if i < used {
				commit.Segments = append(commit.Segments, ledger.SegmentRef{ID: id})
			}
			time.Sleep(time.Millisecond)
		}
		v.Put(v.Keys.Commit(ulid.Make()), commit.Encode())
		v.orphan()
		rounds, visits := 0, 0
		for ; v.segments() > used && visits < 200; visits++ {
			v.short()
			if v.at.After == "" {
				rounds++
			}
			time.Sleep(4 * time.Minute)
		}
		if left := v.segments(); left != used {
			t.Errorf("%d of %d objects are left after %d visits, %d are referred to", left, n, visits, used)
		}
		if rounds >= visits {
			t.Error("each visit was a whole round")
		}
		for range 20 {
			v.short()
			time.Sleep(4 * time.Minute)
		}
		if left := v.dockets(); len(left) > 0 {
			t.Errorf("%d dockets are left", len(left))
		}
		t.Log(fmt.Sprint(visits, " visits, ", rounds, " rounds"))
	})
}

// segments counts them.
func (v *visits) segments() (n int) {
	for after := ""; ; {
		list, err := v.Disk.List(v.t.Context(), ledger.SegmentPrefix, after, 1000)
		if err != nil {
			v.t.Fatal(err)
		}
		if n += len(list); len(list) < 1000 {
			return n
		}
		after = list[len(list)-1].Key
	}
}

// short is a visit whose time is over after one page.
func (v *visits) short() {
	v.t.Helper()
	v.a.Barrier()
	w := sweep.New(sweep.Settings{
		Store: v.a.Store, KV: v.a.KV, Keys: v.Keys, Stream: v.a.Stream, Now: time.Now, Log: coretest.Quiet(), Grace: grace,
		RaiseFloor: func(context.Context) error { return nil },
	})
	to, _, err := w.Visit(v.t.Context(), sweep.Recent, v.at, time.Now())
	if err != nil {
		v.t.Fatal(err)
	}
	v.at = to
}
