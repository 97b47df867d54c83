package fsck_test

import (
	"fmt"
	"testing"

	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/fsck"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
)

// damage is one thing that goes wrong, and what must be found.
type damage struct {
	name string
	want fsck.Kind
	deep bool // only reading the bytes finds it
	do   func(f *fixture)
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		if at < 0 {
			at += len(b)
		}
		b[at] ^= 1
		return b
	}
}

func first(h *ledger.Head, settled bool) *ledger.Span {
	for i := range h.Spans {
		if h.Spans[i].Inline == nil && h.Spans[i].Settled() == settled {
			return &h.Spans[i]
		}
	}
	panic("no such span")
}

// inEtcd are changes of keys.
func inEtcd() []damage {
	offsets := func(f *fixture, p int32, at int) {
		f.Put(f.Keys.GroupOffset("g", "t"), fmt.Appendf(nil, `{"version":1,"id":"%v","offsets":[[%d,%d,-1,0,""]]}`, f.topic, p, at))
	}
	return []damage{
		{"a head does not decode", fsck.Undecodable, false, func(f *fixture) { f.Put(f.Keys.Head(f.topic, 3), []byte{1, 2, 3}) }},
		{"a commit does not decode", fsck.Undecodable, false, func(f *fixture) { f.Put(f.Items(f.Keys.Commits())[0].Key, []byte{9}) }},
		{"a topic does not decode", fsck.Undecodable, false, func(f *fixture) { f.Put(f.Keys.Topic("x"), []byte("{")) }},
		{"a key that nobody knows", fsck.UnknownKey, false, func(f *fixture) { f.Put(f.Keys.Log()+"what", []byte("x")) }},
		{"the floor is above the stamp", fsck.Marks, false, func(f *fixture) { f.Put(f.Keys.Floor(), (f.Mark(f.Keys.Stamp()) + 5).Bytes()) }},
		{"a head of no partition", fsck.LeftoverHead, false, func(f *fixture) { f.Put(f.Keys.Head(f.topic, 77), (&ledger.Head{}).Encode()) }},
		{"as-of is ahead of etcd", fsck.HeadRange, false, func(f *fixture) { f.head(3, func(h *ledger.Head) { h.AsOf += 1_000_000 }) }},
		{"log start beyond the end", fsck.HeadRange, false, func(f *fixture) { f.head(3, func(h *ledger.Head) { h.LogStart = 1000 }) }},
		{"a span is shifted", fsck.Gap, false, func(f *fixture) { f.head(3, func(h *ledger.Head) { first(h, false).Base++ }) }},
		{"a span is lost", fsck.Gap, false, func(f *fixture) { f.head(1, func(h *ledger.Head) { h.Spans = h.Spans[1:] }) }},
		{"the end is beyond the references", fsck.Gap, false, func(f *fixture) { f.head(3, func(h *ledger.Head) { h.Next += 10 }) }},
		{"offsets twice", fsck.Overlap, false, func(f *fixture) {
			f.head(0, func(h *ledger.Head) { h.Spans[0].Base -= 2 })
		}},
		{"a huge gap", fsck.Gap, false, func(f *fixture) {
			f.head(3, func(h *ledger.Head) { h.Next += 1 << 40; h.Spans[len(h.Spans)-1].End += 1 << 33 })
		}},
		{"an aborted transaction is forgotten", fsck.AbortedList, true, func(f *fixture) { f.head(2, func(h *ledger.Head) { h.Aborted = h.Aborted[1:] }) }},
		{"an aborted transaction that was not", fsck.AbortedList, true, func(f *fixture) {
			f.head(1, func(h *ledger.Head) { h.Aborted[0].Producer++ })
		}},
		{"an aborted transaction beyond the end", fsck.AbortedList, false, func(f *fixture) { f.head(1, func(h *ledger.Head) { h.Aborted[len(h.Aborted)-1].Last += 1 << 30 }) }},
		{"a producer's last sequence", fsck.ProducerWindow, false, func(f *fixture) { f.head(2, func(h *ledger.Head) { last(h).Last += 5 }) }},
		{"a transaction that nobody has open", fsck.Hanging, false, func(f *fixture) {
			f.head(2, func(h *ledger.Head) { last(h).OpenSerial, last(h).OpenFirst = 5, 1 })
		}},
		{"the transactional id is lost", fsck.Hanging, false, func(f *fixture) { f.open(); f.Delete(f.Keys.Transaction("app")) }},
		{"producer ids begin anew", fsck.ProducerNext, false, func(f *fixture) { f.Put(f.Keys.ProducersNext(), []byte("17")) }},
		{"pending offsets of nothing", fsck.Transaction, false, func(f *fixture) { f.Put(f.Keys.GroupPending("g", "app"), []byte(`{"version":1,"topics":{}}`)) }},
		{"a transactional id does not decode", fsck.Undecodable, false, func(f *fixture) { f.Put(f.Keys.Transaction("bad"), []byte("{}")) }},
		{"a group is beyond the end", fsck.OffsetBeyond, false, func(f *fixture) { offsets(f, 3, 4) }},
		{"a group's offset of no partition", fsck.OffsetNowhere, false, func(f *fixture) { offsets(f, 99, 0) }},
		{"a group's offsets do not decode", fsck.Undecodable, false, func(f *fixture) { f.Put(f.Keys.GroupOffset("g", "t"), []byte("[]")) }},
	}
}

// last is the producer 7000, which is idempotent.
func last(h *ledger.Head) *ledger.HeadProducer {
	for i := range h.Producers {
		if h.Producers[i].ID == 7000 {
			return &h.Producers[i]
		}
	}
	panic("no producer 7000")
}

func used(place ledger.Place, p int32, what func(f *fixture, key string, s ledger.Span)) func(f *fixture) {
	return func(f *fixture) {
		key, s := f.used(p, place)
		what(f, key, s)
	}
}

// inBucket are changes of objects.
func inBucket() []damage {
	remove := func(f *fixture, key string, _ ledger.Span) { f.remove(key) }
	batch := func(f *fixture, key string, s ledger.Span) { f.rewrite(key, flip(int(s.Position)+65)) }
	offset := func(f *fixture, key string, s ledger.Span) { f.rewrite(key, flip(int(s.Position)+7)) }
	cut := func(f *fixture, key string, s ledger.Span) {
		f.rewrite(key, func(b []byte) []byte { return b[:s.Position+s.Length-1] })
	}
	index := func(f *fixture, key string, _ ledger.Span) { f.rewrite(key, flip(-40)) }
	return []damage{
		{"a segment is gone", fsck.Missing, false, used(ledger.InSegment, 3, remove)},
		{"a shared object is gone", fsck.Missing, false, used(ledger.InShared, 1, remove)},
		{"an object of a manifest is gone", fsck.Missing, false, used(ledger.InOwn, 0, remove)},
		{"a segment is cut", fsck.Short, false, used(ledger.InSegment, 3, cut)},
		{"a shared object is cut", fsck.Short, false, used(ledger.InShared, 1, cut)},
		{"a bit of a segment", fsck.Corrupt, true, used(ledger.InSegment, 3, batch)},
		{"a bit of a shared object", fsck.Corrupt, true, used(ledger.InShared, 1, batch)},
		{"a bit of a partition's own object", fsck.Corrupt, true, used(ledger.InOwn, 0, batch)},
		{"an offset in a settled object", fsck.WrongOffsets, true, used(ledger.InOwn, 0, offset)},
		{"the index of a segment", fsck.WrongIndex, true, used(ledger.InSegment, 3, index)},
		{"the index of a settled object", fsck.WrongIndex, true, used(ledger.InOwn, 0, index)},
		{"two objects are swapped", fsck.WrongOffsets, true, func(f *fixture) {
			w := f.Walk()[f.tp(0)]
			a, b := w.Listed[3].Key(f.tp(0)), w.Listed[4].Key(f.tp(0))
			var first []byte
			f.rewrite(a, func(body []byte) []byte { first = body; return body })
			f.rewrite(a, func([]byte) (out []byte) {
				f.rewrite(b, func(body []byte) []byte { out = body; return first })
				return out
			})
		}},
		{"a root is gone", fsck.Missing, false, func(f *fixture) { f.remove(f.Walk()[f.tp(0)].Manifest.Key(f.tp(0))) }},
		{"a root does not decode", fsck.ManifestBad, false, func(f *fixture) { f.rewrite(f.Walk()[f.tp(0)].Manifest.Key(f.tp(0)), flip(30)) }},
		{"a page is gone", fsck.Missing, false, func(f *fixture) { f.remove(f.page()) }},
		{"a page does not decode", fsck.ManifestBad, false, func(f *fixture) { f.rewrite(f.page(), flip(300)) }},
		{"a page lost an entry", fsck.ManifestBad, false, func(f *fixture) {
			f.rewrite(f.page(), func(b []byte) []byte {
				entries, err := manifest.DecodePage(b)
				if err != nil {
					f.t.Fatal(err)
				}
				return manifest.EncodePage(entries[1:])
			})
		}},
		{"a page says other bytes than its root", fsck.ManifestSums, false, func(f *fixture) {
			f.root(func(r *manifest.Root) { r.Pages[0].Bytes++ })
		}},
		{"a root lost its last entry", fsck.ManifestBad, false, func(f *fixture) {
			f.root(func(r *manifest.Root) { r.Entries = r.Entries[:len(r.Entries)-1] })
		}},
		{"a root has other sums than its head", fsck.ManifestSums, false, func(f *fixture) {
			f.head(0, func(h *ledger.Head) { m := *h.Manifest; m.Objects++; h.Manifest = &m })
		}},
		{"an object that is not ours", fsck.ForeignName, false, func(f *fixture) { f.put("photos/holiday.jpg", []byte("x")) }},
		{"a foreign name among segments", fsck.ForeignName, false, func(f *fixture) { f.put("segments/readme", []byte("x")) }},
		{"a part of a backup", fsck.BackupBad, false, func(f *fixture) { f.rewrite(f.object(backup.PartPrefix), flip(60)) }},
		{"a journal object", fsck.BackupBad, false, func(f *fixture) { f.rewrite(f.object(backup.JournalPrefix), flip(60)) }},
		{"no backup", fsck.BackupNone, false, func(f *fixture) { f.remove(f.object(backup.RootPrefix)) }},
		{"a journal object is gone", fsck.JournalGap, false, func(f *fixture) {
			f.remove(f.object(backup.JournalPrefix))
			f.a.MustProduce(oneMore(f))
			f.do(f.keeper.WriteJournal)
		}},
	}
}

func (f *fixture) page() string {
	root := f.readRoot()
	return root.Pages[0].Key(f.tp(0))
}

func (f *fixture) readRoot() *manifest.Root {
	b, err := f.Disk.Get(f.t.Context(), f.Walk()[f.tp(0)].Manifest.Key(f.tp(0)), 0, -1)
	if err != nil {
		f.t.Fatal(err)
	}
	root, err := manifest.Decode(b)
	if err != nil {
		f.t.Fatal(err)
	}
	return root
}

// root changes the root of partition 0.
func (f *fixture) root(change func(*manifest.Root)) {
	root := f.readRoot()
	change(root)
	f.rewrite(f.Walk()[f.tp(0)].Manifest.Key(f.tp(0)), func([]byte) []byte { return root.Encode() })
}

func TestCheck_FindsWhatIsDamaged(t *testing.T) {
	for _, d := range append(inEtcd(), inBucket()...) {
		t.Run(d.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				d.do(f)
				r := f.check(false)
				if d.deep {
					if r.Found(d.want) {
						t.Error("found without reading bytes: is this the damage that it should be?")
					}
					r = f.check(true)
				}
				if !r.Found(d.want) {
					t.Errorf("no %s in %+v", d.want, r.Findings)
				}
				for _, x := range r.Findings {
					if x.Means == "" || x.Do == "" {
						t.Errorf("says nothing of use: %+v", x)
					}
				}
			})
		})
	}
}
