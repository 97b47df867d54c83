package fetch

import (
	"fmt"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// Inspector is what administrators ask about partitions; *Fetcher is it. It tells what this instance has folded
// so far: who must see all that was acknowledged asks for a barrier first.
type Inspector interface {
	// Bytes is the size of a partition as stored; 0 for one that is not known. ErrUnavailable.
	Bytes(tp record.TopicPartition) (int64, error)
	// Producers lists the idempotent producers that a partition knows. ErrUnavailable.
	Producers(tp record.TopicPartition) ([]Producer, error)
}

// Producer is what a partition knows of an idempotent producer.
type Producer struct {
	ID    record.ProducerID
	Epoch record.Epoch
	Last  int32 // sequence of its last record; -1: none of this epoch
	// Open is the first offset of its open transaction; -1: it has none.
	Open record.Offset
}

var _ Inspector = (*Fetcher)(nil)

// Bytes implements Inspector. The ledger is looked at for one partition at a time, so that it is never held for long.
func (f *Fetcher) Bytes(tp record.TopicPartition) (n int64, err error) {
	err = f.inspect(func(l *ledger.Ledger) { n = l.Partition(tp).Bytes() })
	return n, err
}

// Producers implements Inspector.
func (f *Fetcher) Producers(tp record.TopicPartition) (out []Producer, err error) {
	err = f.inspect(func(l *ledger.Ledger) {
		l.Partition(tp).EachProducer(func(p ledger.HeadProducer) {
			one := Producer{p.ID, p.Epoch, p.Last, -1}
			if p.OpenSerial > 0 {
				one.Open = p.OpenFirst
			}
			out = append(out, one)
		})
	})
	return out, err
}

func (f *Fetcher) inspect(look func(*ledger.Ledger)) error {
	if err := f.Stream.View(look); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}
