package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
	"github.com/firnlog/firnlog/core/topic"
)

// configure gives the topic of a hand-made history configs.
func (h *hand) configure(configs ...string) {
	t := &ledger.Topic{ID: h.topic, Partitions: 2, Configs: map[string]string{}}
	for i := 0; i < len(configs); i += 2 {
		t.Configs[configs[i]] = configs[i+1]
	}
	h.put(h.keys.Topic("t"), t.Encode(), false)
}

// keyed appends a batch with a record for each of keys, whose value is null where the key ends with a minus.
func (h *hand) keyed(keys ...string) (*Sent, []byte) {
	h.uids++
	b := record.NewBatch(record.Settings{})
	var contents []content
	for _, key := range keys {
		value := []byte(fmt.Sprint(h.uids))
		if name, ok := strings.CutSuffix(key, "-"); ok {
			key, value = name, nil
		}
		b.Append(h.uids, []byte(key), value)
		contents = append(contents, contentOf([]byte(key), value))
	}
	bytes, err := b.Seal()
	if err != nil {
		h.t.Fatal(err)
	}
	header, _ := record.ReadHeader(bytes)
	s := &Sent{UID: h.uids, Partition: h.partition(0), Records: int32(len(keys)), CRC: header.CRC, Producer: record.NoProducer, contents: contents, bytes: int64(len(bytes))}
	h.judge.Send(s)
	h.append(byte(h.uids), bytes)
	return s, stamped(bytes, s.base)
}

// without is a batch that lacks the records at some places, with a delete horizon if one is left without value.
func (h *hand) without(batch []byte, horizon int64, gone ...int32) []byte {
	out, err := record.Clean(batch, record.Cleaning{Keep: func(r record.Record) bool {
		for _, k := range gone {
			if r.OffsetDelta == k {
				return false
			}
		}
		return true
	}, Horizon: horizon, DecompressedMax: 1 << 20})
	if err != nil {
		h.t.Fatal(err)
	}
	return out.Batch
}

// settled stores batches in an object of their own, and a head that refers to it.
func (h *hand) settled(n byte, start, end record.Offset, batches ...[]byte) {
	h.head(start, end, h.object(n, start, end, batches...))
}

// object stores batches in an object of their own, and gives the span that refers to it.
func (h *hand) object(n byte, start, end record.Offset, batches ...[]byte) ledger.Span {
	b := segment.NewSettled()
	_ = b.Begin(h.partition(0), start)
	for _, batch := range batches {
		_ = b.Add(batch)
	}
	_ = b.End(end)
	sealed, err := b.Seal()
	if err != nil {
		h.t.Fatal(err)
	}
	var body []byte
	for _, c := range sealed.Chunks {
		body = append(body, c...)
	}
	id, run := h.id(n), sealed.Runs[0]
	h.judge.Stored(ledger.ObjectKey(ledger.InOwn, h.partition(0), id), body)
	return ledger.Span{Segment: id, Place: ledger.InOwn, Position: run.Position, Length: run.Length, Base: start, End: end, MaxTimestamp: run.MaxTimestamp}
}

// head writes one of partition 0.
func (h *hand) head(start, end record.Offset, spans ...ledger.Span) {
	head := ledger.Head{LogStart: start, Next: end, AsOf: h.rev, Spans: spans}
	h.put(h.keys.Head(h.topic, 0), head.Encode(), false)
}

// walking lets the manifest say how far a walk is.
func (h *hand) walking(clean, through record.Offset) {
	root := &manifest.Root{Compaction: manifest.Compaction{Clean: clean, Through: through}}
	h.judge.roots[h.id(60)] = root
	head := ledger.Head{Next: 1, AsOf: h.rev, Manifest: &ledger.Manifest{ID: h.id(60), End: 1}}
	h.rev++
	if err := h.judge.shipped.Apply(h.rev, []coordination.Event{{Key: h.keys.Head(h.topic, 0), Value: head.Encode(), Revision: h.rev, Create: h.rev}}, ledger.Observer{}); err != nil {
		h.t.Fatal(err)
	}
}

// badAging are histories in which something went before its time, or not at its time, or came back.
func badAging() map[string]func(h *hand) {
	return map[string]func(h *hand){
		"log start went back": func(h *hand) {
			h.keyed("a")
			h.judge.Asks(h.partition(0), 1)
			h.head(1, 1)
			h.head(0, 1, ledger.Span{Segment: h.id(1), Base: 0, End: 1})
		},
		"retained too little": func(h *hand) {
			h.configure(topic.RetentionMs, "1000")
			s, _ := h.keyed("a")
			h.judge.Retains(h.topic, 0, 1, time.UnixMilli(s.UID+1000))
			h.head(1, 1)
		},
		"retained too long": func(h *hand) {
			h.configure(topic.RetentionMs, "1000")
			_, b := h.keyed("a")
			h.settled(50, 0, 1, b)
			h.judge.NothingOverdue(time.Minute)
		},
		"compaction stuck": func(h *hand) {
			h.configure(topic.CleanupPolicy, "compact")
			h.keyed("a")
			h.head(0, 1, ledger.Span{Segment: h.id(1), Base: 0, End: 1})
			h.walking(0, 1)
			h.judge.NothingWalking()
		},
		"a record came back": func(h *hand) {
			h.configure(topic.CleanupPolicy, "compact")
			_, a := h.keyed("a", "b")
			_, b := h.keyed("a")
			h.settled(50, 0, 3, a, b)
			h.settled(51, 0, 3, h.without(a, 0, 0), b)
			h.judge.left(h.partition(0), h.id(50))
		},
	}
}

// left lets a head name an object that was replaced.
func (j *Judge) left(tp record.TopicPartition, id ulid.ULID) {
	p := j.log(tp)
	for n := range p.left {
		if n.id == id {
			j.names(p, "head", map[named]bool{n: true})
		}
	}
}

// TestJudge_RejectsWhatCompactionMustNotDo: each rule of what may go has a history that breaks just this one, and says so.
func TestJudge_RejectsWhatCompactionMustNotDo(t *testing.T) {
	past := time.Now().Add(-time.Hour).UnixMilli()
	for want, history := range map[string]func(h *hand){
		"the last of": func(h *hand) {
			_, a := h.keyed("a", "b")
			h.settled(50, 0, 2, h.without(a, 0, 1))
		},
		"there again": func(h *hand) {
			_, a := h.keyed("a", "b")
			_, b := h.keyed("a")
			h.settled(50, 0, 3, h.without(a, 0, 0), b)
			h.judge.log(h.partition(0)).batches[0].gone |= 2
			h.settled(51, 0, 3, h.without(a, 0, 0), b)
		},
		"whole again": func(h *hand) {
			_, a := h.keyed("a", "b")
			_, b := h.keyed("a")
			h.settled(50, 0, 3, h.without(a, 0, 0), b)
			h.settled(51, 0, 3, a, b)
		},
		"of \"a\" at 0 is gone before its time": func(h *hand) {
			_, a := h.keyed("a-", "b")
			h.settled(50, 0, 2, h.without(a, 0, 0))
		},
		"its record at 0 is not": func(h *hand) {
			_, a := h.keyed("a")
			_, b := h.keyed("a-")
			h.judge.Clock(-48 * time.Hour)
			h.settled(50, 0, 2, a, h.without(b, past))
			h.settled(51, 0, 2, a)
		},
		"not before": func(h *hand) {
			_, a := h.keyed("a-", "b")
			h.settled(50, 0, 2, h.without(a, past))
		},
		"is not as it was appended": func(h *hand) {
			_, a := h.keyed("a", "b")
			b, _ := record.NewBatch(record.Settings{}).Append(1, []byte("a"), []byte("other")).Append(1, []byte("b"), nil).Seal()
			h.settled(50, 0, 2, stamped(b, 0))
			_ = a
		},
		"where none was appended": func(h *hand) {
			_, a := h.keyed("a")
			h.settled(50, 0, 2, a, stamped(a, 1))
		},
		"another one": func(h *hand) {
			h.keyed("a", "b")
			b, _ := record.NewBatch(record.Settings{}).Append(1, []byte("a"), []byte("1")).Seal()
			h.settled(50, 0, 2, stamped(b, 0))
		},
	} {
		t.Run(want, func(t *testing.T) {
			h := newHand(t)
			h.configure(topic.CleanupPolicy, "compact")
			if history(h); len(h.found) == 0 || h.found[0].Checker != "settled bytes" || !strings.Contains(h.found[0].What, want) {
				t.Errorf("found %v", h.found)
			}
		})
	}
}

// TestJudge_RejectsCompactionOfWhatIsTooYoungOrInDoubt: a later record counts when it is old enough and was committed.
func TestJudge_RejectsCompactionOfWhatIsTooYoungOrInDoubt(t *testing.T) {
	for name, history := range map[string]func(h *hand, later *Sent){
		"too young": func(h *hand, later *Sent) {
			later.UID, h.judge.policies[h.topic].lag = time.Now().UnixMilli(), time.Minute
		},
		"aborted":   func(h *hand, later *Sent) { later.Transaction, later.fate = &transaction{}, aborted },
		"undecided": func(h *hand, later *Sent) { later.Transaction = &transaction{} },
	} {
		h := newHand(t)
		h.configure(topic.CleanupPolicy, "compact")
		_, a := h.keyed("a", "b")
		s, b := h.keyed("a")
		history(h, s)
		h.settled(50, 0, 3, h.without(a, 0, 0), b)
		if len(h.found) == 0 || h.found[0].Checker != "settled bytes" || !strings.Contains(h.found[0].What, "the last of") {
			t.Errorf("%s: found %v", name, h.found)
		}
	}
}

// TestJudge_RejectsAMarkerThatGoesBeforeItsTransaction: readers would go on dropping, or what was aborted would count.
func TestJudge_RejectsAMarkerThatGoesBeforeItsTransaction(t *testing.T) {
	h := newHand(t)
	h.configure(topic.CleanupPolicy, "compact")
	_, a := h.inTransaction(1, &transaction{id: "x"}, 0, 1)
	h.mark(2, 1, true)
	h.settled(50, 0, 3, stamped(a, 0))
	if len(h.found) != 1 || !strings.Contains(h.found[0].What, "the marker at 2 is gone") {
		t.Errorf("found %v", h.found)
	}
}

// TestJudge_RejectsReadsOfACompactedLogThatLackMoreThanIsGone: readers may miss what no head names, nothing else.
func TestJudge_RejectsReadsOfACompactedLogThatLackMoreThanIsGone(t *testing.T) {
	for name, read := range map[string]func(h *hand, a, b, c []byte){
		"a gap": func(h *hand, a, b, c []byte) { h.judge.Read("x", h.partition(0), 0, c) },
		"a record that is not gone": func(h *hand, a, b, c []byte) {
			h.judge.Read("x", h.partition(0), 0, h.without(a, 0, 1))
		},
		"in a topic that is not compacted": func(h *hand, a, b, c []byte) {
			h.judge.policies[h.topic].compacted = false
			h.judge.Read("x", h.partition(0), 0, h.without(a, 0, 0))
		},
		"backwards": func(h *hand, a, b, c []byte) {
			h.judge.Read("x", h.partition(0), 0, append(append([]byte{}, b...), b...))
		},
	} {
		h, a, b, c := compactedByHand(t)
		if read(h, a, b, c); len(h.found) != 1 || h.found[0].Checker != "read" {
			t.Errorf("%s: found %v", name, h.found)
		}
	}
}

// compactedByHand is a history of which records 0 and 2 are gone.
func compactedByHand(t *testing.T) (h *hand, a, b, c []byte) {
	h = newHand(t)
	h.configure(topic.CleanupPolicy, "compact")
	_, a = h.keyed("a", "b")
	_, b = h.keyed("a")
	_, c = h.keyed("a", "c-")
	h.settled(50, 0, 5, h.without(a, 0, 0), h.without(c, time.Now().Add(48*time.Hour).UnixMilli()))
	if len(h.found) > 0 {
		t.Fatalf("found %v", h.found)
	}
	return h, a, b, c
}

// TestJudge_AcceptsGoodCompactionAndRetention: what is right is not rejected.
func TestJudge_AcceptsGoodCompactionAndRetention(t *testing.T) {
	h, a, b, c := compactedByHand(t)
	horizon := time.Now().Add(48 * time.Hour).UnixMilli()
	left := append(h.without(a, 0, 0), h.without(c, horizon)...)
	for _, body := range [][]byte{left, append(append(append([]byte{}, a...), b...), c...)} { // as it is now, and as who lags sees it
		if at := h.judge.Read("x", h.partition(0), 0, body); at != 5 {
			t.Errorf("read up to %d", at)
		}
	}
	if at := h.judge.Read("x", h.partition(0), 2, h.without(c, horizon)); at != 5 {
		t.Errorf("read from a gap up to %d", at)
	}
	h.judge.Clock(50 * time.Hour) // somebody's clock is beyond the horizon of the tombstone
	h.settled(51, 0, 5, h.without(a, 0, 0), h.without(h.without(c, horizon), 0, 1))
	h.configure(topic.RetentionMs, "1000", topic.RetentionBytes, "1")
	h.judge.Retains(h.topic, 0, 3, time.Now())
	h.settled(52, 3, 5, h.without(h.without(c, horizon), 0, 1))
	h.judge.Asks(h.partition(0), 5)
	h.head(5, 5)
	h.judge.NothingOverdue(time.Minute)
	if len(h.found) > 0 {
		t.Errorf("found %v", h.found)
	}
}

// TestJudge_RejectsALogStartThatNobodyHasMoved: retention by size leaves as much as it says, and somebody decides it.
func TestJudge_RejectsALogStartThatNobodyHasMoved(t *testing.T) {
	for name, history := range map[string]func(h *hand){
		"nobody": func(h *hand) { h.configure(topic.RetentionMs, "0") },
		"by size": func(h *hand) {
			h.configure(topic.RetentionBytes, "10000", topic.RetentionMs, "-1")
			h.judge.Retains(h.topic, 0, 1, time.Now())
		},
		"of a topic that keeps everything": func(h *hand) {
			h.configure(topic.RetentionMs, "0", topic.CleanupPolicy, "compact")
			h.judge.Retains(h.topic, 0, 1, time.Now())
		},
	} {
		h := newHand(t)
		history(h)
		h.keyed("a")
		if h.head(1, 1); len(h.found) == 0 || h.found[0].Checker != "retained too little" {
			t.Errorf("%s: found %v", name, h.found)
		}
	}
}
