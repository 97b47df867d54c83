package bench

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Prime writes one small record to each partition: brokers make files and state for a partition when it is first written to, which is
// not what a load on it should measure.
func Prime(ctx context.Context, w *Work) error {
	client, err := w.client(kgo.DefaultProduceTopic(w.Topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	records := make([]*kgo.Record, w.Partitions)
	for p := range records {
		records[p] = &kgo.Record{Partition: int32(p), Value: make([]byte, w.ValueBytes)} //nolint:gosec // a count from the command line
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("prime %q: %w", w.Topic, err)
	}
	return nil
}
