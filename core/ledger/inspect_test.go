package ledger

import (
	"slices"
	"testing"

	"github.com/firnlog/firnlog/core/record"
)

func TestBytes_WhatIsReferredToAndMayStillBeRead(t *testing.T) {
	w := newWorld(t)
	w.createTopic("a", topicA, 1)
	tp := part(topicA, 0)
	bytes := func() int64 { return w.live.Partition(tp).Bytes() }
	if n := bytes(); n != 0 {
		t.Errorf("%d bytes of nothing", n)
	}
	w.append(tp, plain(2), plain(3))
	w.append(tp, batch(7, 0, 0, 4), batch(7, 0, 9, 1)) // the second is out of order: a hole, which does not count
	if n := bytes(); n != 900 {
		t.Errorf("%d bytes", n)
	}
	w.checkpoint(w.live, tp)
	w.append(tp, plain(1))
	if n := bytes(); n != 1000 {
		t.Errorf("%d bytes after a checkpoint and another commit", n)
	}
	p := w.live.Partition(tp)
	for below, want := range map[record.Offset]int64{4: 1000, 5: 500, 9: 100, 10: 0} {
		h := p.Head(w.rev)
		h.LogStart = below
		if n := h.partition(tp, 0).Bytes(); n != want {
			t.Errorf("log start %d: %d bytes, want %d", below, n, want)
		}
	}
}

func TestEachProducer_LongestSilentFirst(t *testing.T) {
	w := newWorld(t)
	w.createTopic("a", topicA, 1)
	tp := part(topicA, 0)
	w.append(tp, batch(7, 1, 0, 4), plain(5))
	w.append(tp, batch(8, 0, 0, 2))
	w.append(tp, batch(7, 1, 4, 3))
	var got []HeadProducer
	w.live.Partition(tp).EachProducer(func(p HeadProducer) {
		p.Revision = 0
		got = append(got, p)
	})
	same := func(a, b HeadProducer) bool { return a.ID == b.ID && a.Epoch == b.Epoch && a.Last == b.Last }
	if want := []HeadProducer{{ID: 8, Last: 1}, {ID: 7, Epoch: 1, Last: 6}}; !slices.EqualFunc(got, want, same) {
		t.Errorf("%+v", got)
	}
}
