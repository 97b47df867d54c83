package fsck_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fsck"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/objectstore"
)

// meddling lets something happen before a request to the store.
type meddling struct {
	objectstore.Store
	before func(op, key string)
}

func (m *meddling) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	m.before("get", key)
	return m.Store.Get(ctx, key, offset, length)
}

func (m *meddling) List(ctx context.Context, prefix, after string, limit int) ([]objectstore.Info, error) {
	m.before("list", prefix)
	return m.Store.List(ctx, prefix, after, limit)
}

// replace settles everything anew, and removes what was there, as sweep would after its grace.
func (f *fixture) replace() {
	before := f.Bucket()
	for range 12 {
		f.a.MustProduce(coretest.Plain(f.tp(0), strings.Repeat("x", 600)), coretest.Plain(f.tp(1), "y"), coretest.Plain(f.tp(3), "z"))
		f.checkpoint()
		time.Sleep(time.Hour)
		f.do(f.settler.Run)
	}
	named := map[string]struct{}{}
	for _, w := range f.Walk() {
		for key := range w.Named {
			named[key] = struct{}{}
		}
	}
	for _, key := range before {
		if _, ok := named[key]; !ok {
			f.remove(key)
		}
	}
}

func TestCheck_WhatMaintenanceReplacesMeanwhileIsNoFinding(t *testing.T) {
	for _, at := range []string{"list segments/", "list settled/", "list manifests/", "get settled/", "get segments/", "get manifests/"} {
		t.Run(at, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				done := false
				op, prefix, _ := strings.Cut(at, " ")
				m := &meddling{f.Disk, func(o, key string) {
					if !done && o == op && strings.HasPrefix(key, prefix) {
						done = true
						f.replace()
					}
				}}
				s := fsck.Settings{Store: m, KV: f.Etcd, Cluster: "test", Now: time.Now, Deep: true}
				r, err := fsck.New(s).Check(t.Context())
				if err != nil || r.Harm() || !done {
					t.Errorf("happened: %v; %v, %+v", done, err, r.Errors())
				}
				if r.Counts.Again == 0 && r.Counts.DeepReplaced == 0 {
					t.Error("nothing was replaced: this test tests nothing")
				}
			})
		})
	}
}

func (f *fixture) scrubber(observe func(int64, []fsck.Finding)) *fsck.Scrubber {
	return fsck.NewScrubber(fsck.ScrubSettings{
		Store: f.a.Store, Stream: f.a.Stream, Now: time.Now, Log: coretest.Quiet(), Random: func() float64 { return 0.5 },
		BytesPerSecond: 1 << 20, GetBytes: 1 << 18, For: time.Minute, Observe: observe,
	})
}

func TestScrub_ReadsEverythingInARoundAtItsPace(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		want := f.check(true).Counts
		read, stretches := int64(0), int64(0)
		s := f.scrubber(func(bytes int64, found []fsck.Finding) {
			read, stretches = read+bytes, stretches+1
			if len(found) > 0 {
				t.Errorf("%+v", found)
			}
		})
		began := time.Now()
		for stretches < 2*want.DeepStretch {
			if time.Since(began) > time.Hour {
				t.Fatalf("%d stretches in an hour", stretches)
			}
			before := time.Now()
			f.do(s.Step)
			if took := time.Since(before); took > 62*time.Second {
				t.Errorf("a step took %v", took)
			}
		}
		if least := 2 * want.DeepStretch / 4; time.Since(began) < time.Duration(least)*time.Second {
			t.Errorf("%d GETs in %v, each counts as a quarter of a second", 2*want.DeepStretch, time.Since(began))
		}
		if read < 2*want.DeepBytes {
			t.Errorf("%d bytes in two rounds of %d", read, want.DeepBytes)
		}
	})
}

func TestScrub_FindsWhatIsDamaged(t *testing.T) {
	for _, d := range inBucket() {
		if !d.deep && d.want != fsck.Missing && d.want != fsck.ManifestBad && d.want != fsck.Short {
			continue // of the bucket as a whole: fsck's alone
		}
		t.Run(d.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				d.do(f)
				found := map[fsck.Kind]bool{}
				s := f.scrubber(func(_ int64, all []fsck.Finding) {
					for _, x := range all {
						found[x.Kind] = true
					}
				})
				for range 10 {
					f.do(s.Step)
				}
				if !found[d.want] && !(d.want == fsck.Missing && found[fsck.ManifestBad]) {
					t.Errorf("no %s in %v", d.want, found)
				}
			})
		})
	}
}

func TestScrub_WhatIsReplacedMeanwhileIsNoFinding(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		key, _ := f.used(1, ledger.InShared)
		s := f.scrubber(func(_ int64, all []fsck.Finding) {
			if len(all) > 0 {
				t.Errorf("%s: %+v", key, all)
			}
		})
		for range 5 {
			f.do(s.Step)
			f.replace()
		}
	})
}

func TestScrub_RestsWhenARoundWasShort(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		whole, stretches := f.check(true).Counts.DeepStretch, int64(0)
		s := fsck.NewScrubber(fsck.ScrubSettings{
			Store: f.a.Store, Stream: f.a.Stream, Now: time.Now, Log: coretest.Quiet(), Random: func() float64 { return 0 },
			BytesPerSecond: 1 << 20, GetBytes: 1 << 18, For: time.Minute, RoundMin: 24 * time.Hour, Observe: func(int64, []fsck.Finding) { stretches++ },
		})
		for range 23 * 60 {
			f.do(s.Step)
			time.Sleep(time.Minute)
		}
		if stretches < whole/2 || stretches > whole {
			t.Errorf("%d stretches of %d in a day", stretches, whole)
		}
		for range 24 * 60 {
			f.do(s.Step)
			time.Sleep(time.Minute)
		}
		if stretches < whole+whole/2 || stretches > 2*whole {
			t.Errorf("%d stretches of %d in two days", stretches, whole)
		}
	})
}
