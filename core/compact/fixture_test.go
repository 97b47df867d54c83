package compact_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/compact"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/core/txn"
	"github.com/firnlog/firnlog/core/upkeep"
)

// tombstones is delete.retention.ms of the topic.
const tombstones = 10 * time.Minute

// fixture is a compacted topic of one partition, with a model of what was written to it.
type fixture struct {
	*coretest.Cluster
	t         *testing.T
	a         *coretest.Instance
	tp        record.TopicPartition
	dice      *rand.Rand
	compactor *compact.Compactor
	reporting sync.Mutex // several compactors may run at once
	reports   []compact.Report
	tune      func(*compact.Settings)

	log   []written // by offset; a marker has no key and is not data
	txns  map[string]*transaction
	count int
}

// written is a record as it was sent.
type written struct {
	key, value string // value "": a tombstone
	data       bool
	txn        *transaction
	at         time.Time
}

type transaction struct {
	who     txn.Identity
	state   string // open, committed, aborted
	next    int32
	records []record.Offset
}

func tiny(s *compact.Settings) {
	s.KeysBytes, s.Bytes, s.PieceBytes, s.DirtyMin = 24*8, 2000, 300, 1
}

func bubble(t *testing.T, seed uint64, configs []string, fn func(f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		all := append([]string{"cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0", "delete.retention.ms", fmt.Sprint(tombstones.Milliseconds())}, configs...)
		f := &fixture{Cluster: c, t: t, tp: record.TopicPartition{Topic: c.CreateTopic("t", 1, all...)}, dice: rand.New(rand.NewPCG(seed, 9)), txns: map[string]*transaction{}, tune: tiny}
		f.a = c.Instance("a", options()).Ready()
		f.compactor = f.compactorOf(f.a)
		fn(f)
	})
}

func options() coretest.Options {
	return coretest.Options{Upkeep: func(s *upkeep.Settings) { s.CheckpointAge, s.Lag, s.SweepGrace = 0, time.Minute, 0 }}
}

func (f *fixture) settlerOf(in *coretest.Instance) *settle.Settler {
	s := settle.Settings{Store: in.Store, KV: in.KV, Keys: f.Keys, Stream: in.Stream, Now: in.Now, Log: coretest.Quiet()}.Defaults()
	s.Bytes, s.Age, s.Rest, s.SegmentsMax, s.FanIn, s.SpansMax, s.SpillObjects, s.PieceBytes, s.AheadBytes = 1500, time.Minute, 0, 12, 3, 8, 2, 700, 2000
	return settle.New(s)
}

func (f *fixture) compactorOf(in *coretest.Instance) *compact.Compactor {
	archived := archive.New(in.Store, archive.BytesMax)
	s := compact.Settings{Store: in.Store, Stream: in.Stream, Archive: archived, Amender: amend.New(in.Store, archived, in.Stream, in.KV, f.Keys),
		Now: in.Now, Log: coretest.Quiet(), Observe: f.report}.Defaults()
	f.tune(&s)
	if f.dice.IntN(2) == 0 {
		s.StepMax = -1 // every group is a step of its own
	}
	return compact.New(s)
}

func (f *fixture) report(r compact.Report) {
	f.reporting.Lock()
	defer f.reporting.Unlock()
	f.reports = append(f.reports, r)
}

// send writes one batch of keys, "" for a tombstone, in the transaction of that id or in none.
func (f *fixture) send(id string, codec record.Codec, pairs ...[2]string) {
	f.t.Helper()
	settings := record.Settings{Codec: codec}
	var t *transaction
	if id != "" {
		t = f.transaction(id)
		settings.Transactional = true
		settings.Sequence = &record.Sequence{Producer: t.who.Producer, Epoch: t.who.Epoch, First: t.next}
		t.next += int32(len(pairs))
	}
	b, now := record.NewBatch(settings), time.Now()
	for _, p := range pairs {
		b.Append(now.UnixMilli(), []byte(p[0]), valueOf(p[1]), record.RecordHeader{Key: "h", Value: []byte(p[0])})
	}
	sealed, err := b.Seal()
	if err != nil {
		f.t.Fatal(err)
	}
	base := f.a.MustProduce(ingest.Incoming{Partition: f.tp, Batch: sealed, Transaction: id, Implicit: id != ""})[0]
	f.pad(base)
	for i, p := range pairs {
		f.log = append(f.log, written{key: p[0], value: p[1], data: true, txn: t, at: now})
		if t != nil {
			t.records = append(t.records, base+record.Offset(i))
		}
	}
}

func valueOf(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// pad notes the markers that lie before offset next.
func (f *fixture) pad(next record.Offset) {
	for record.Offset(len(f.log)) < next {
		f.log = append(f.log, written{})
	}
}

func (f *fixture) transaction(id string) *transaction {
	t := f.txns[id]
	if t == nil || t.state != "open" {
		who := txn.Identity{Producer: -1, Epoch: -1}
		if t != nil {
			who = t.who
		} else {
			var err error
			if who, err = f.a.Txns.Init(f.t.Context(), id, 900_000, who); err != nil {
				f.t.Fatal(err)
			}
		}
		t = &transaction{who: who, state: "open"}
		f.txns[id] = t
	}
	return t
}

func (f *fixture) end(id string, commit bool) {
	f.t.Helper()
	t := f.txns[id]
	if t == nil || t.state != "open" {
		return
	}
	who, err := f.a.Txns.End(f.t.Context(), id, t.who, commit, true)
	if err != nil {
		f.t.Fatal(err)
	}
	t.state = map[bool]string{true: "committed", false: "aborted"}[commit]
	t.who = who
	f.a.Barrier()
	f.a.View(func(l *ledger.Ledger) { f.pad(l.Partition(f.tp).Next()) })
}

// settleHeads covers everything by heads.
func (f *fixture) settleHeads() {
	f.t.Helper()
	f.a.Upkeep.Observe()
	if err := f.a.Upkeep.Checkpoint(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// settleAll also settles it.
func (f *fixture) settleAll() {
	f.t.Helper()
	f.settleHeads()
	if err := f.settlerOf(f.a).Run(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) compactAll() {
	f.t.Helper()
	if err := f.compactor.Run(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// got is a record as a consumer sees it.
type got struct {
	offset     record.Offset
	key, value string
	ms         int64
}

// read is a consumer, from the log start to the end of what it may see; it must get there.
func (f *fixture) read(in *coretest.Instance, committed bool) (out []got, start, end record.Offset) {
	f.t.Helper()
	bounds, err := in.Fetch.Bounds(f.t.Context(), f.tp)
	if err != nil {
		f.t.Fatal(err)
	}
	start, end = bounds.LogStart, bounds.HighWatermark
	if committed {
		end = bounds.LastStable
	}
	for at := start; at < end; {
		size := 1 + f.dice.IntN(3000)
		if f.dice.IntN(3) == 0 {
			size = 1 << 20
		}
		r := in.Fetch.Fetch(f.t.Context(), fetch.Request{Partitions: []fetch.Partition{{TopicPartition: f.tp, Offset: at, BytesMax: size}}, BytesMax: 1 << 20, ReadCommitted: committed})[0]
		if r.Err != nil || len(r.Batches) == 0 {
			f.t.Fatalf("a reader is stuck at offset %d of %d (committed %v): %v", at, end, committed, r.Err)
		}
		var more []got
		more, at = consume(f.t, r, at, committed)
		out = append(out, more...)
	}
	return out, start, end
}

// consume does what clients do with an answer: aborted transactions are passed over until their marker.
func consume(t *testing.T, r fetch.Result, from record.Offset, committed bool) (out []got, next record.Offset) {
	t.Helper()
	pending := slices.SortedFunc(slices.Values(r.Aborted), func(a, b fetch.Aborted) int { return cmp.Compare(a.First, b.First) })
	aborted := map[record.ProducerID]bool{}
	next = from
	for b, err := range record.Batches(r.Batches) {
		if err != nil {
			t.Fatal(err)
		}
		h, err := record.Check(b)
		if err != nil {
			t.Fatal(err)
		}
		for len(pending) > 0 && pending[0].First <= h.LastOffset() {
			aborted[pending[0].Producer] = true
			pending = pending[1:]
		}
		next = h.LastOffset() + 1
		if h.IsControl() {
			if m, err := record.ReadMarker(b); err == nil && !m.Commit {
				delete(aborted, h.Producer)
			}
			continue
		}
		if committed && h.IsTransactional() && aborted[h.Producer] {
			continue
		}
		for rec, err := range record.Records(b, 1<<20) {
			if err != nil {
				t.Fatal(err)
			}
			if h.OffsetOf(rec) >= from {
				out = append(out, got{h.OffsetOf(rec), string(rec.Key), string(rec.Value), h.TimestampOf(rec)})
			}
			if len(rec.Headers) != 1 || string(rec.Headers[0].Value) != string(rec.Key) {
				t.Fatalf("offset %d has headers %v", h.OffsetOf(rec), rec.Headers)
			}
		}
	}
	return out, next
}

// check compares what readers see with Kafka's rule.
func (f *fixture) check() {
	f.t.Helper()
	f.Walk()
	f.checkCompact()
	for _, committed := range []bool{false, true} {
		records, start, end := f.read(f.a, committed)
		last := record.Offset(-1)
		view := map[string]string{}
		for _, r := range records {
			w := f.log[r.offset]
			if r.offset <= last || !w.data || w.key != r.key || w.value != r.value || w.at.UnixMilli() != r.ms {
				f.t.Fatalf("offset %d after %d: read %+v, written was %+v", r.offset, last, r, w)
			}
			if w.txn != nil && committed && w.txn.state != "committed" {
				f.t.Fatalf("offset %d of an %s transaction is read", r.offset, w.txn.state)
			}
			last = r.offset
			if w.txn == nil || w.txn.state == "committed" {
				replay(view, r.key, r.value)
			}
		}
		f.checkTombstones(records, start, end, committed)
		want := map[string]string{}
		for at := start; at < end; at++ {
			if w := f.log[at]; w.data && (w.txn == nil || w.txn.state == "committed") {
				replay(want, w.key, w.value)
			}
		}
		for key := range want {
			if view[key] != want[key] {
				f.t.Fatalf("committed %v: key %s is %q, want %q", committed, key, view[key], want[key])
			}
		}
		for key := range view {
			if _, ok := want[key]; !ok {
				f.t.Fatalf("committed %v: key %s came back as %q", committed, key, view[key])
			}
		}
	}
}

// checkTombstones: one that is the last record of its key stays for delete.retention.ms at least.
func (f *fixture) checkTombstones(records []got, start, end record.Offset, committed bool) {
	f.t.Helper()
	there, last := map[record.Offset]bool{}, map[string]record.Offset{}
	for _, r := range records {
		there[r.offset] = true
	}
	for at := start; at < end; at++ {
		if w := f.log[at]; w.data && (w.txn == nil || w.txn.state == "committed") {
			last[w.key] = at
		}
	}
	for key, at := range last {
		if w := f.log[at]; !there[at] && (w.value != "" || time.Since(w.at) < tombstones) {
			f.t.Fatalf("committed %v: the last record of %s, at offset %d, written %v ago, is gone", committed, key, at, time.Since(w.at))
		}
	}
}

func replay(view map[string]string, key, value string) {
	if value == "" {
		delete(view, key)
	} else {
		view[key] = value
	}
}

// checkCompact demands that nothing superfluous is left below the offset that is clean.
func (f *fixture) checkCompact() {
	f.t.Helper()
	records, _, _ := f.read(f.a, false)
	clean := f.clean()
	latest := map[string]record.Offset{}
	for _, r := range records {
		if r.offset >= clean {
			continue
		}
		w := f.log[r.offset]
		if before, ok := latest[r.key]; ok {
			f.t.Errorf("below %d, key %s is left at offset %d and at %d", clean, r.key, before, r.offset)
		}
		latest[r.key] = r.offset
		if w.txn != nil && w.txn.state == "aborted" {
			f.t.Errorf("below %d, offset %d is of an aborted transaction", clean, r.offset)
		}
	}
}
