package deliver

import (
	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/record"
)

const (
	// portionBatches is how many batches are made of one portion at most: then the partition is read on, and others have their turn.
	portionBatches = 10
	// portionBytes is of how many bytes of events a portion is; one record may exceed it.
	portionBytes = 8 << 20
)

// take makes a portion of what was fetched of a partition: its records, and the offset to go on from.
func take(f consume.Fetched, rule Rule, frame int) (records []Record, next record.Offset, err error) {
	size := 0
	next, err = consume.Walk(f.Result, f.Position, func(h record.Header, one record.Record) (full bool, err error) {
		if len(records) >= portionBatches*rule.RecordsMax || size >= portionBytes {
			return true, nil
		}
		r := Record{Record: one, Offset: h.OffsetOf(one), Timestamp: h.TimestampOf(one)}
		r.JSON = encode(f.Topic, f.Partition, h, &r)
		size += len(r.JSON) // also of one that is too large for any event: it is held until it is buried
		if frame+len(r.JSON) > rule.BytesMax {
			r.JSON = nil
		}
		records = append(records, r)
		return false, nil
	})
	return records, next, err
}
