package segment

import (
	"fmt"

	"github.com/firnlog/firnlog/core/record"
)

// SettledSum adds up the batches of a settled run one after the other, for who does not hold the run whole, and says in the end
// whether they are what the index says. Of each batch it checks CRC, order and extent.
type SettledSum struct {
	want  *SettledRun
	got   SettledRun
	block Block
	next  record.Offset
}

// NewSettledSum begins with nothing of run.
func NewSettledSum(run *SettledRun) *SettledSum {
	s := &SettledSum{want: run, next: run.Base}
	s.got = SettledRun{Run: Run{TopicPartition: run.TopicPartition, Position: run.Position}, Base: run.Base, End: run.End}
	return s
}

// Add takes the next batch. ErrCorrupt: it is damaged, or not in order, or not of these offsets.
func (s *SettledSum) Add(batch []byte) error {
	h, err := record.Check(batch)
	if err == nil && (h.BaseOffset < s.next || h.LastOffsetDelta < 0 || h.LastOffset() >= s.want.End) {
		err = fmt.Errorf("batch of offsets %d to %d between %d and %d", h.BaseOffset, h.LastOffset(), s.next, s.want.End)
	}
	if err != nil {
		return s.fail(err)
	}
	s.next = h.LastOffset() + 1
	s.got.count(h, batch, &s.block)
	return nil
}

func (s *SettledSum) fail(err error) error {
	return fmt.Errorf("verify run %v/%d at %d: %w: %w", s.want.Topic, s.want.Partition, s.want.Position+s.got.Length, ErrCorrupt, err)
}

// Done says whether the batches were those of the run, all of them. ErrCorrupt: they were not.
func (s *SettledSum) Done() error {
	s.got.closeBlocks(s.block)
	if !s.got.equal(s.want) {
		return fmt.Errorf("verify run %v/%d: index says %+v, batches %+v: %w", s.want.Topic, s.want.Partition, *s.want, s.got, ErrCorrupt)
	}
	return nil
}

// VerifySettledRun checks that bytes are the undamaged batches of run.
func VerifySettledRun(run *SettledRun, bytes []byte) error {
	sum := NewSettledSum(run)
	for b, err := range record.Batches(bytes) {
		if err != nil {
			return sum.fail(err)
		}
		if err := sum.Add(b); err != nil {
			return err
		}
	}
	return sum.Done()
}
