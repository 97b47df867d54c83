package restore

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/txn"
)

const (
	producersNext = "producers/next"
	transactions  = "transactions/"
	groups        = "groups/"
	// producersAhead is how many producer ids are left out: instances of the old era may have taken blocks after the
	// last journaled revision, and hand them out still.
	producersAhead = 1 << 20
)

// abortOpen ends every open transaction: those that transactions/<id> names, with a bump; and whatever else is open in a
// partition, by what the partition knows of it.
func (r *Restore) abortOpen() error {
	next, err := r.producersNext()
	if err != nil {
		return err
	}
	fresh := func() record.ProducerID {
		next++
		return record.ProducerID(next - 1)
	}
	seen := func(id record.ProducerID) record.Epoch {
		if e, ok := r.Report.transactional[id]; ok {
			return e
		}
		return -1
	}
	ms := int64(r.mark())
	var markers []ledger.Marker
	for _, key := range slices.Sorted(maps.Keys(r.state.others)) {
		if !strings.HasPrefix(key, transactions) {
			continue
		}
		r.Report.Transactions++
		id, _ := r.keys.ParseTransaction(r.keys.Root() + key)
		t, err := txn.Restore(r.state.others[key], seen, fresh, ms)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		r.state.others[key] = t.Value
		switch {
		case t.Ended != nil:
			markers = append(markers, *t.Ended)
			r.Report.Aborted = append(r.Report.Aborted, id)
		case t.Fenced:
			r.Report.Fenced = append(r.Report.Fenced, id)
		}
	}
	r.state.others[producersNext] = strconv.AppendInt(nil, next, 10)
	if err := r.end(markers); err != nil {
		return err
	}
	return r.end(r.leftOpen(ms))
}

// leftOpen makes markers for what no transactional id accounts for.
func (r *Restore) leftOpen(ms int64) (markers []ledger.Marker) {
	type open struct {
		producer record.ProducerID
		epoch    record.Epoch
		serial   int64
	}
	found := map[open][]record.TopicPartition{}
	r.state.ledger.EachPartition(func(tp record.TopicPartition, p *ledger.Partition) {
		p.EachProducer(func(q ledger.HeadProducer) {
			if q.OpenSerial > 0 {
				k := open{q.ID, q.Epoch, q.OpenSerial}
				found[k] = append(found[k], tp)
			}
		})
	})
	for k, parts := range found {
		slices.SortFunc(parts, record.TopicPartition.Compare)
		markers = append(markers, ledger.Marker{Producer: k.producer, Epoch: min(k.epoch, 1<<15-2), Serial: k.serial, Bump: true, Timestamp: ms, Partitions: parts})
	}
	slices.SortFunc(markers, func(a, b ledger.Marker) int { return int(a.Producer - b.Producer) })
	return markers
}

func (r *Restore) end(markers []ledger.Marker) error {
	if len(markers) == 0 {
		return nil
	}
	rev := r.state.ledger.Revision() + 1
	// The id is looked at by nobody: only heads are written.
	event := coordination.Event{Key: r.keys.Commit(ulid.ULID{15: 1}), Value: (&ledger.Commit{Markers: markers}).Encode(), Create: rev, Revision: rev}
	return r.state.ledger.Apply(rev, []coordination.Event{event}, r.state.observer())
}

// producersNext is above every producer id that was handed out.
func (r *Restore) producersNext() (int64, error) {
	next := int64(0)
	if v, ok := r.state.others[producersNext]; ok {
		var err error
		if next, err = strconv.ParseInt(string(v), 10, 64); err != nil {
			return 0, fmt.Errorf("%s: %w", producersNext, err)
		}
	}
	r.state.ledger.EachPartition(func(_ record.TopicPartition, p *ledger.Partition) {
		p.EachProducer(func(q ledger.HeadProducer) { next = max(next, int64(q.ID)+1) })
	})
	for id := range r.Report.transactional {
		next = max(next, int64(id)+1)
	}
	return next + producersAhead, nil
}

// mark is the floor of the new era: above every id in the bucket and every mark of the old era.
func (r *Restore) mark() coordination.Mark {
	return max(r.bucket.highest, r.state.floor, r.state.stamp, coordination.Mark(r.Now().UnixMilli()))
}

// compose makes the keys of the new etcd.
func (r *Restore) compose() error {
	st := r.state
	r.floor = r.mark()
	era, err := ulid.New(uint64(r.Now().UnixMilli()), r.Entropy)
	if err != nil {
		return fmt.Errorf("draw an era: %w", err)
	}
	// What the old era was answerable for, the new one is: it knows all of its references.
	r.format = ledger.Format{Version: st.version, Era: era.String(), Since: st.since}.Encode()
	for _, t := range st.ledger.Topics() {
		r.put(r.keys.Topic(t.Name), t.Encode())
		r.Report.Topics++
		r.Report.Partitions += int(t.Partitions)
	}
	var parts []record.TopicPartition
	st.ledger.EachPartition(func(tp record.TopicPartition, _ *ledger.Partition) { parts = append(parts, tp) })
	slices.SortFunc(parts, record.TopicPartition.Compare)
	for _, tp := range parts {
		h := r.head(tp)
		r.Report.Records += int64(h.Next - h.LogStart)
		r.put(r.keys.Head(tp.Topic, tp.Partition), h.Encode())
	}
	if err := r.composeOthers(); err != nil {
		return err
	}
	r.Report.Backup, r.Report.Taken, r.Report.OldEra, r.Report.Era = st.root.ID.String(), st.root.Taken, st.root.Era, era.String()
	r.Report.Through, r.Report.Floor, r.Report.Keys = int64(st.through), uint64(r.floor), len(r.puts)+3
	return nil
}

func (r *Restore) put(key string, value []byte) {
	r.puts = append(r.puts, coordination.PutKey(key, value))
}

// head is a partition as the new era begins with it: as-of 0, since revisions begin anew. So do the revisions at which
// producers were last heard of: 0 is before all, and nobody is idle until the new era has lasted that long.
func (r *Restore) head(tp record.TopicPartition) *ledger.Head {
	h := r.state.ledger.Partition(tp).Head(0)
	for i := range h.Producers {
		h.Producers[i].Revision = 0
	}
	h.Truncate(min(r.state.starts[tp], h.Next))
	return h
}

// composeOthers takes over what is not below log/. Offsets of open transactions go with these; offsets beyond the end of
// a partition are brought back to it.
func (r *Restore) composeOthers() error {
	l := r.state.ledger
	end := func(tp record.TopicPartition) (record.Offset, bool) { return l.Partition(tp).Next(), l.Has(tp) }
	for _, key := range slices.Sorted(maps.Keys(r.state.others)) {
		value := r.state.others[key]
		if strings.HasPrefix(key, groups) {
			_, below, _ := strings.Cut(strings.TrimPrefix(key, groups), "/")
			if strings.HasPrefix(below, "pending/") {
				continue
			}
			name, topic, ok := r.keys.ParseGroup(r.keys.Root() + key)
			if ok && topic == "" {
				r.Report.Groups++
			}
			if ok && topic != "" {
				next, clamped, err := group.Clamp(value, end)
				if err != nil {
					return fmt.Errorf("%s: %w", key, err)
				}
				for _, c := range clamped {
					r.Report.Clamped = append(r.Report.Clamped, Clamped{name, topic, c.Partition.Partition, c.From, c.To})
				}
				value = next
			}
		}
		r.put(r.keys.Root()+key, value)
	}
	return nil
}
