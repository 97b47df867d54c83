package fsck

import (
	"context"
	"errors"
	"fmt"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
	"github.com/firnlog/firnlog/objectstore"
)

// stretch is a reference of a partition to bytes of an object.
type stretch struct {
	ledger.Span
	tp      record.TopicPartition
	name    string
	blocks  []segment.Block
	aborted []ledger.Aborted // that may end in it
	strict  bool             // markers and aborted transactions are as they were written: no log compaction
	// rewritten: log compaction has been at the partition. What it rewrote last may reach beyond where it says it has come, as far as the
	// object went that lay there: so a marker without data is no news.
	rewritten bool
	start     record.Offset // of the log: of what lies below, aborted transactions are forgotten
}

// reader reads stretches and checks every byte of them.
type reader struct {
	store   objectstore.Store
	archive *archive.Archive
	window  window
	segment struct { // the index that was read last
		key   string
		index segment.Index
	}
	bytes, batches int64
}

func newReader(store objectstore.Store, a *archive.Archive, pace func(context.Context, int64) error) *reader {
	return &reader{store: store, archive: a, window: window{store: store, pace: pace}}
}

// walk is a stretch on its way.
type walk struct {
	*stretch
	*found
	key      string
	next     record.Offset
	newest   int64
	position int64 // from the beginning of the stretch
	block    int
	blockEnd int64 // position where the block ends
	sum      *segment.SettledSum
	markers  map[ledger.Aborted]bool    // that should be there, and were
	data     map[record.ProducerID]bool // met in the stretch since their last marker
}

// check reads a stretch. until is where what is wanted of this object ends. What it finds are findings; an error says that the
// store cannot be read, or that the object is not there (objectstore.ErrNotFound).
func (r *reader) check(ctx context.Context, s *stretch, until int64) ([]Finding, error) {
	w := &walk{stretch: s, found: &found{where: s.name}, key: s.Key(s.tp), next: s.Base, markers: map[ledger.Aborted]bool{}, data: map[record.ProducerID]bool{}}
	r.window.open(w.key, until)
	for _, a := range s.aborted {
		if a.Last >= s.Base && a.Last < s.End {
			w.markers[ledger.Aborted{Producer: a.Producer, Last: a.Last}] = false
		}
	}
	var err error
	if s.Settled() {
		err = r.settledIndex(ctx, w)
	} else {
		err = r.segmentIndex(ctx, w)
	}
	if err != nil {
		return nil, err
	}
	if err := r.walk(ctx, w); err != nil {
		return nil, err
	}
	return w.all, nil
}

// isIndexDamage says that an index is damaged, rather than out of reach.
func isIndexDamage(err error) bool {
	return errors.Is(err, segment.ErrCorrupt) || errors.Is(err, segment.ErrVersion)
}

// segmentIndex reads the footer of a segment: the stretch must lie in one of its runs.
func (r *reader) segmentIndex(ctx context.Context, w *walk) error {
	if r.segment.key != w.key {
		x, err := r.readSegmentIndex(ctx, w.key)
		if isIndexDamage(err) {
			w.add(WrongIndex, "%s: %v", w.key, err)
			return nil
		}
		if err != nil {
			return err
		}
		r.segment.key, r.segment.index = w.key, x
	}
	for _, run := range r.segment.index.Runs {
		if run.Position <= w.Position && w.Position+w.Length <= run.Position+run.Length {
			return nil
		}
	}
	w.add(WrongIndex, "%s: the index has no run around the %d bytes at %d of offsets %d to %d", w.key, w.Length, w.Position, w.Base, w.End-1)
	return nil
}

func (r *reader) readSegmentIndex(ctx context.Context, key string) (segment.Index, error) {
	need := int64(segment.TailBytes)
	for {
		if err := r.window.pace(ctx, need); err != nil {
			return segment.Index{}, err
		}
		tail, err := r.store.Get(ctx, key, -need, -1)
		if err != nil {
			return segment.Index{}, fmt.Errorf("get %s: %w", key, err)
		}
		x, err := segment.ReadIndex(tail)
		if short := (*segment.ShortTailError)(nil); errors.As(err, &short) && short.Need > need {
			need = short.Need
			continue
		}
		return x, err
	}
}

// settledIndex reads the footer of a settled object. A stretch that is a whole run is added up and compared with it; a fork may
// share less than its source has.
func (r *reader) settledIndex(ctx context.Context, w *walk) error {
	x, err := r.archive.Index(ctx, w.key)
	if isIndexDamage(err) {
		w.add(WrongIndex, "%s: %v", w.key, err)
		return nil
	}
	if err != nil {
		return err
	}
	if w.Length == 0 {
		return nil // none of these offsets is left
	}
	runs := x.From(w.Position, w.Length)
	switch {
	case len(runs) == 1 && runs[0].Position == w.Position && runs[0].Length == w.Length && runs[0].Base == w.Base && runs[0].End == w.End:
		w.sum = segment.NewSettledSum(&runs[0])
	case len(runs) > 0 && runs[0].Position == w.Position && runs[0].Base == w.Base && runs[len(runs)-1].End >= w.End:
	default:
		w.add(WrongIndex, "%s: the index has no run of offsets %d to %d in the %d bytes at %d", w.key, w.Base, w.End-1, w.Length, w.Position)
	}
	return nil
}

// walk goes through the batches.
func (r *reader) walk(ctx context.Context, w *walk) error {
	if len(w.blocks) > 0 {
		w.blockEnd = w.blocks[0].Length
	}
	for w.position < w.Length {
		at := w.Position + w.position
		head, err := r.window.bytes(ctx, at, min(record.HeaderSize, w.Length-w.position))
		var batch []byte
		var h record.Header
		if err == nil {
			if h, err = record.ReadHeader(head); err == nil && w.position+int64(h.Size) > w.Length {
				err = fmt.Errorf("batch of %d bytes where %d are left: %w", h.Size, w.Length-w.position, record.ErrCorrupt)
			}
		}
		if err == nil {
			batch, err = r.window.bytes(ctx, at, int64(h.Size))
		}
		if err == nil {
			_, err = record.Check(batch)
		}
		switch {
		case errors.Is(err, record.ErrCorrupt), errors.Is(err, record.ErrOldFormat):
			w.add(Corrupt, "%s at byte %d, offsets from %d on: %v", w.key, at, w.next, err)
			return nil
		case errors.Is(err, errShort):
			w.add(Short, "offsets from %d on: %v", w.next, err)
			return nil
		case err != nil:
			return err
		}
		r.bytes += int64(h.Size)
		r.batches++
		if !w.batch(batch, h) {
			return nil
		}
	}
	w.done()
	return nil
}

// batch takes the next one; false: what follows cannot be told any more.
func (w *walk) batch(b []byte, h record.Header) bool {
	base := h.BaseOffset
	if !w.Settled() {
		base = w.next
	}
	if w.Settled() && w.Owner != (record.TopicPartition{}) && base >= w.End {
		w.position = w.Length // a fork's reference may end before its bytes do
		return true
	}
	last := base + record.Offset(h.LastOffsetDelta)
	if base < w.next || h.LastOffsetDelta < 0 || last >= w.End || !w.Settled() && h.Records != h.LastOffsetDelta+1 {
		w.add(WrongOffsets, "%s at byte %d: a batch of offsets %d to %d and %d records; those from %d to %d are referred to", w.key, w.Position+w.position, base, last, h.Records, w.next, w.End-1)
		return false
	}
	if w.sum != nil {
		if err := w.sum.Add(b); err != nil {
			w.add(WrongIndex, "%s: %v", w.key, err)
			w.sum = nil
		}
	}
	switch {
	case h.IsControl():
		w.marker(b, base)
	case h.IsTransactional() && h.Records > 0:
		w.data[h.Producer] = true
	}
	w.next, w.newest = last+1, max(w.newest, h.MaxTimestamp)
	w.position += int64(h.Size)
	return w.inBlocks()
}

// inBlocks holds the end of a batch against the blocks that a manifest lists.
func (w *walk) inBlocks() bool {
	if len(w.blocks) == 0 || w.position < w.blockEnd {
		return true
	}
	if b := w.blocks[w.block]; w.position != w.blockEnd || w.next > b.End {
		w.add(WrongIndex, "%s: block %d ends with byte %d and offset %d, its batches with byte %d and offset %d", w.key, w.block, w.blockEnd, b.End-1, w.position, w.next-1)
		return false
	}
	if w.block++; w.block < len(w.blocks) {
		w.blockEnd += w.blocks[w.block].Length
	}
	return true
}

// marker holds one that was settled against the aborted transactions.
func (w *walk) marker(b []byte, at record.Offset) {
	m, err := record.ReadMarker(b)
	if err != nil {
		w.add(Corrupt, "%s: the marker at offset %d: %v", w.key, at, err)
		return
	}
	id := ledger.Aborted{Producer: m.Producer, Last: at}
	_, listed := w.markers[id]
	gone := w.rewritten && !m.Commit && !listed && !w.data[m.Producer]
	if w.strict && at >= w.start && m.Commit == listed && !gone {
		w.add(AbortedList, "%s: the marker of producer %d at offset %d says commit=%v, the list of aborted transactions says otherwise", w.key, m.Producer, at, m.Commit)
	}
	w.markers[id] = true
	delete(w.data, m.Producer)
}

func (w *walk) done() {
	if !w.Settled() && w.next != w.End {
		w.add(WrongOffsets, "%s: %d bytes at %d hold offsets %d to %d; those up to %d are referred to", w.key, w.Length, w.Position, w.Base, w.next-1, w.End-1)
	}
	if w.newest > w.MaxTimestamp {
		w.add(TimeIndex, "%s: offsets %d to %d are as new as %d ms, the reference says %d", w.key, w.Base, w.End-1, w.newest, w.MaxTimestamp)
	}
	for id, there := range w.markers {
		if w.strict && w.Settled() && id.Last >= w.start && !there {
			w.add(AbortedList, "%s: there is no marker at offset %d, where a transaction of producer %d was aborted", w.key, id.Last, id.Producer)
		}
	}
	if w.sum != nil {
		if err := w.sum.Done(); err != nil {
			w.add(WrongIndex, "%s: %v", w.key, err)
		}
	}
}
