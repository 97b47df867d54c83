package cost_test

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/cost"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
)

const gib = 1 << 30

func prices(t *testing.T) cost.Prices {
	t.Helper()
	p, err := cost.ReadPrices(cost.BuiltIn())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-6*max(1, math.Abs(want)) }

func TestReadPrices_RefusesTablesThatWouldReckonWrong(t *testing.T) {
	good := string(cost.BuiltIn())
	for name, table := range map[string]string{
		"not JSON":            "x",
		"a misspelt price":    strings.Replace(good, "gibMonth", "gibMoth", 1),
		"no class STANDARD":   strings.Replace(good, `"STANDARD"`, `"USUAL"`, 1),
		"a price below 0":     strings.Replace(good, `"put1000": 0.005`, `"put1000": -1`, 1),
		"two tables":          good + good,
		"a disk of below 0":   strings.Replace(good, `"gibMonth": 0.08`, `"gibMonth": -0.08`, 1),
		"traffic below 0":     strings.Replace(good, `"crossZoneGiB": 0.02`, `"crossZoneGiB": -1`, 1),
		"retrieving below 0":  strings.Replace(good, `"retrieveGiB": 0.03`, `"retrieveGiB": -1`, 1),
		"something afterward": good + "}",
	} {
		if _, err := cost.ReadPrices([]byte(table)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if p := prices(t); p.Date == "" || p.Source == "" || len(p.Classes) < 4 {
		t.Errorf("built in: %+v", p)
	}
}

// The figures are those of a calculation by hand: 100 GiB in STANDARD, 900 in GLACIER_IR, at 1 MiB/s.
func TestBills_AreWhatOneReckonsByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		id := c.CreateTopic("t", 1, "firnlog.cold.after.ms", "1000", "firnlog.cold.storage.class", "GLACIER_IR")
		c.CreateTopic("empty", 1)
		tp := record.TopicPartition{Topic: id}
		in := c.Instance("a", coretest.Options{}).Ready()
		now := time.Now().UnixMilli()
		second := int64(1000)
		oldest := now - 900*1024*second - 100*1024*second // 1 MiB/s
		newID := func() (out [16]byte) { got, _ := in.Stream.NewID(); return got }
		entries := []manifest.Entry{
			{Span: ledger.Span{Segment: newID(), Place: ledger.InCold, Position: 8, Length: 0, Base: 0, End: 1, MaxTimestamp: oldest}},
			{Span: ledger.Span{Segment: newID(), Place: ledger.InCold, Position: 8, Length: 900 * gib, Base: 1, End: 10, MaxTimestamp: now - 5000}},
			{Span: ledger.Span{Segment: newID(), Place: ledger.InOwn, Position: 8, Length: 60 * gib, Base: 10, End: 20, MaxTimestamp: now - 4000}},
		}
		root := manifest.Root{Entries: entries}
		m := root.Sums()
		m.ID = newID()
		if err := c.Disk.Put(t.Context(), ledger.ManifestKey(tp, m.ID), root.Encode()); err != nil {
			t.Fatal(err)
		}
		h := ledger.Head{Next: 32, Manifest: &m, Spans: []ledger.Span{
			{Segment: newID(), Place: ledger.InShared, Position: 8, Length: 40*gib - 100, Base: 20, End: 30, MaxTimestamp: now - 3000},
			{Segment: newID(), Position: 8, Length: 100, Base: 30, End: 32, MaxTimestamp: now - 2000},
		}}
		c.Put(c.Keys.Head(id, 0), h.Encode())
		usage, err := cost.Measure(t.Context(), c.Etcd, c.Keys, archive.New(c.Disk, 1<<20), now)
		if err != nil {
			t.Fatal(err)
		}
		each, all := cost.Bills(prices(t), usage, cost.Requests{Put: 1e6, Get: 2e6, List: 1e5})
		b := each[1]
		if got := fmt.Sprint(b.Classes); got != fmt.Sprint(map[string]cost.Stored{"STANDARD": {Bytes: 100 * gib, Objects: 1, Shared: 2}, "GLACIER_IR": {Bytes: 900 * gib, Objects: 2}}) {
			t.Errorf("stored %v", got)
		}
		if !near(b.BytesPerSecond(), 1<<20) {
			t.Errorf("%f bytes a second", b.BytesPerSecond())
		}
		want := 100*0.023 + 900*0.004
		requests := 1.1e6/1000*0.005 + 2e6/1000*0.0004
		month := 2629800.0 / 1024 // GiB
		disks, traffic := 1000*3*1.5*0.08, month*(2+2.0/3)*0.02
		if !near(b.Storage, want) || !near(b.Requests, requests) || !near(b.Total, want+requests) || !near(b.Replicated, disks+traffic) {
			t.Errorf("%+v; want %f + %f, replicated %f + %f", b, want, requests, disks, traffic)
		}
		if each[0].Total != 0 || !near(all.Total, b.Total) || !near(all.Replicated, b.Replicated) || all.Bytes() != 1000*gib {
			t.Errorf("all: %+v, the empty one %+v", all, each[0])
		}
		observed(t, c, in, h)
	})
}

// observed holds the metrics against the same cluster, and counts what they cost.
func observed(t *testing.T, c *coretest.Cluster, in *coretest.Instance, h ledger.Head) {
	t.Helper()
	in.Barrier()
	c.Transcript()
	o := cost.NewObserver(in.Store, in.Stream, prices(t), time.Now, time.Minute)
	got := map[string]float64{}
	read := func() {
		o.Stored(func(v float64, values ...string) { got[strings.Join(values, " ")] = v })
		o.Dollars(func(v float64, values ...string) { got[values[0]] = v })
	}
	if read(); len(got) != 0 {
		t.Errorf("before the first step: %v", got)
	}
	for range 3 {
		if err := o.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	read()
	if got["t STANDARD"] != 100*gib || got["t GLACIER_IR"] != 900*gib || !near(got["t"], 100*0.023+900*0.004) {
		t.Errorf("metrics: %v", got)
	}
	gets := 0
	for _, line := range c.Transcript() {
		if strings.HasPrefix(line, "a store get") {
			gets++
		}
	}
	if gets != 1 {
		t.Errorf("%d GETs in three steps of one manifest", gets)
	}
	clear(got)
	time.Sleep(4 * time.Minute)
	if read(); len(got) != 0 {
		t.Errorf("long after the duty has moved: %v", got)
	}
}

func TestCount_AddsUpBrokersAndTakesTheirAverageForAMonth(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	serve := func(up, put int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/metrics" {
				http.NotFound(w, r)
				return
			}
			fmt.Fprintf(w, "# HELP x\nprocess_start_time_seconds %d\nfirnlog_store_requests_total{op=\"put\"} %d\nfirnlog_store_requests_total{op=\"get\"} 3.5e+02\nother 5\n", 1_000_000-up, put)
		}))
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "http://")
	}
	r, err := cost.Count(t.Context(), http.DefaultClient, []string{serve(1000, 500), serve(2000, 100)}, now)
	if err != nil || !near(r.Put, cost.Month*(0.5+0.05)) || !near(r.Get, cost.Month*(0.35+0.175)) || !r.Counted {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := cost.Count(t.Context(), http.DefaultClient, []string{serve(-5, 1)}, now); err == nil {
		t.Error("a broker that starts in the future counts")
	}
	if _, err := cost.Count(t.Context(), http.DefaultClient, []string{"127.0.0.1:1"}, now); err == nil {
		t.Error("a broker that does not answer counts")
	}
}

func TestEstimate_GrowsWithTheRateAndSaysSo(t *testing.T) {
	idle, busy := cost.Estimate(0, 0, 0), cost.Estimate(1<<20, 1<<20, 0)
	if puts := busy.Put - idle.Put; !near(puts, cost.Month*(1+2.0/64)) || busy.Counted || !strings.Contains(busy.How, "estimated") {
		t.Errorf("%f more PUTs a month; %+v", puts, busy)
	}
}
