package segment

import (
	"fmt"

	"github.com/firnlog/firnlog/core/record"
)

// Verify reads a whole object and checks every byte of it: magic, index, the CRC of each batch, and that the
// batches are what the index says. It is for fsck and scrub. Errors: ErrCorrupt, ErrVersion.
func Verify(object []byte) (Index, error) {
	x, err := ReadIndex(object)
	if err != nil {
		return Index{}, err
	}
	if x.Size != int64(len(object)) {
		return Index{}, fmt.Errorf("verify segment of %d bytes in %d: %w", x.Size, len(object), ErrCorrupt)
	}
	if string(object[:headerSize]) != magic {
		return Index{}, fmt.Errorf("verify segment with magic %q: %w", object[:headerSize], ErrCorrupt)
	}
	for _, run := range x.Runs {
		if err := VerifyRun(run, object[run.Position:run.Position+run.Length]); err != nil {
			return Index{}, err
		}
	}
	return x, nil
}

// VerifyRun checks that bytes are the undamaged batches of run.
func VerifyRun(run Run, bytes []byte) error {
	got := Run{TopicPartition: run.TopicPartition, Position: run.Position}
	for b, err := range record.Batches(bytes) {
		if err != nil {
			return fmt.Errorf("verify run %v/%d at %d: %w: %w", run.Topic, run.Partition, run.Position+got.Length, ErrCorrupt, err)
		}
		h, err := record.Check(b)
		if err != nil {
			return fmt.Errorf("verify run %v/%d at %d: %w: %w", run.Topic, run.Partition, run.Position+got.Length, ErrCorrupt, err)
		}
		got.Batches++
		got.add(h)
	}
	if got != run {
		return fmt.Errorf("verify run %v/%d: index says %+v, batches %+v: %w", run.Topic, run.Partition, run, got, ErrCorrupt)
	}
	return nil
}
