package fsck

import (
	"context"
	"strconv"
	"strings"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/txn"
)

// transactions holds transactional ids against what partitions have open, at the revision of the snapshot.
func (r *run) transactions(ctx context.Context) error {
	states := map[record.ProducerID]*txn.State{}
	_, err := r.c.list(ctx, r.c.keys.Transactions(), r.now.revision, func(items []coordination.Item) error {
		for _, it := range items {
			r.report.Counts.Transactions++
			s, err := txn.Stored(it.Value)
			if err != nil {
				r.report.add(finding(Undecodable, it.Key, "%v", err))
				continue
			}
			if _, ok := r.c.keys.ParseTransaction(it.Key); !ok || states[s.Producer] != nil {
				r.report.add(finding(Transaction, it.Key, "producer %d has two transactional ids, or this key is none", s.Producer))
			}
			states[s.Producer] = s
			if s.Phase == txn.Ongoing {
				r.ongoing[it.Key[len(r.c.keys.Transactions()):]] = true
				r.overdue(it.Key, s)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	highest := record.ProducerID(-1)
	r.now.ledger.EachPartition(func(tp record.TopicPartition, p *ledger.Partition) {
		p.EachProducer(func(q ledger.HeadProducer) {
			highest = max(highest, q.ID)
			if q.OpenSerial > 0 {
				r.open(tp, &q, states[q.ID])
			}
		})
	})
	for id := range states {
		highest = max(highest, id)
	}
	return r.producerIDs(ctx, highest)
}

// overdueMs is how far a transaction may be past its timeout: it is measured against the stamp, which may stand still.
const overdueMs = 10 * 60_000

func (r *run) overdue(key string, s *txn.State) {
	if late := int64(r.now.ledger.Stamp()) - s.StartedMs - int64(s.TimeoutMs); late > overdueMs {
		r.report.add(finding(Transaction, key, "open %d s longer than its timeout: nobody ends it", late/1000))
	}
}

// open checks that some transactional id will end what a partition has open.
func (r *run) open(tp record.TopicPartition, q *ledger.HeadProducer, s *txn.State) {
	where := r.now.name(tp)
	switch {
	case s == nil:
		r.report.add(finding(Hanging, where, "producer %d, from offset %d on: no transactional id has this producer", q.ID, q.OpenFirst))
	case s.Phase != txn.Ongoing || s.Serial != q.OpenSerial || !s.Has(tp):
		r.report.add(finding(Hanging, where, "producer %d, from offset %d on: transaction %d is open here, its transactional id is at %d (%s)", q.ID, q.OpenFirst, q.OpenSerial, s.Serial, s.Phase))
	}
}

// producerIDs checks that the next id was not given out yet.
func (r *run) producerIDs(ctx context.Context, highest record.ProducerID) error {
	key := r.c.keys.ProducersNext()
	_, err := r.c.list(ctx, key, r.now.revision, func(items []coordination.Item) error {
		for _, it := range items {
			if it.Key != key {
				continue
			}
			next, err := strconv.ParseInt(string(it.Value), 10, 64)
			if err != nil {
				r.report.add(finding(Undecodable, key, "%v", err))
			} else if next <= int64(highest) {
				r.report.add(finding(ProducerNext, key, "the next id is %d, producer %d is known", next, highest))
			}
			highest = -1
		}
		return nil
	})
	return err
}

// groups checks committed and pending offsets, at the revision of the snapshot.
func (r *run) groups(ctx context.Context) error {
	_, err := r.c.list(ctx, r.c.keys.Groups(), r.now.revision, func(items []coordination.Item) error {
		for _, it := range items {
			name, topic, ok := r.c.keys.ParseGroup(it.Key)
			switch {
			case ok && topic == "":
				r.report.Counts.Groups++
			case ok:
				offsets, err := group.StoredOffsets(it.Value)
				r.offsets(it.Key, "group "+name, offsets, err)
			case strings.Contains(it.Key, "/pending/"):
				offsets, err := group.StoredPending(it.Value)
				r.offsets(it.Key, it.Key[len(r.c.keys.Groups()):], offsets, err)
				if id := it.Key[strings.LastIndexByte(it.Key, '/')+1:]; !r.ongoing[id] {
					r.report.add(finding(Transaction, it.Key, "offsets wait for the end of a transaction that is not open"))
				}
			}
		}
		return nil
	})
	return err
}

func (r *run) offsets(key, who string, offsets map[record.TopicPartition]record.Offset, err error) {
	if err != nil {
		r.report.add(finding(Undecodable, key, "%v", err))
		return
	}
	for tp, at := range offsets {
		if !r.now.ledger.Has(tp) {
			r.report.add(finding(OffsetNowhere, key, "%s: offset %d of partition %d of topic id %s", who, at, tp.Partition, tp.Topic))
			continue
		}
		p := r.now.ledger.Partition(tp)
		switch {
		case at > p.Next():
			r.report.add(finding(OffsetBeyond, r.now.name(tp), "%s has committed offset %d, the end is %d", who, at, p.Next()))
		case at < p.LogStart():
			r.report.add(finding(OffsetBelow, r.now.name(tp), "%s has committed offset %d, the log begins at %d", who, at, p.LogStart()))
		}
	}
}
