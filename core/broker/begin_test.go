package broker

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/telemetry"
	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
)

// together lets nobody go on from the last look for objects before all have made it.
type together struct {
	objectstore.Store
	looked sync.WaitGroup
}

func (s *together) List(ctx context.Context, prefix, after string, limit int) ([]objectstore.Info, error) {
	list, err := s.Store.List(ctx, prefix, after, limit)
	if prefix == ledger.SettledPrefix && limit == 1 {
		s.looked.Done()
		s.looked.Wait()
	}
	return list, err
}

// Each finds an empty place, since neither has written anything yet.
func TestBegin_OfTwoClustersThatBeginInOnePlaceAtTheSameTimeOneDoes(t *testing.T) {
	store := &together{Store: memory.New()}
	store.looked.Add(2)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	type outcome struct {
		cluster string
		err     error // nil: it serves
	}
	kv := newKV()
	outcomes, ended := make(chan outcome, 4), make(chan error, 2)
	for _, name := range []string{"a", "b"} {
		b, err := New(Settings{
			Serving: config.Serving{
				Kafka: []string{"127.0.0.1:0"}, HTTP: "127.0.0.1:0", Cluster: name, NodeID: -1, SegmentBytes: 8 << 20, IngestMemory: 64 << 20, HotCache: 64 << 20, ColdCache: 16 << 20, Uploads: 4,
				GroupConsumerSession: 6 * time.Second, GroupConsumerHeartbeat: time.Second, MetricsSeries: 1000,
			},
			Linger: 5 * time.Millisecond, Store: store, KV: kv, Version: "test", Log: telemetry.NewLogger(io.Discard, "debug"),
		})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			err := b.Run(ctx, func(string, string) { outcomes <- outcome{name, nil} })
			if err != nil {
				outcomes <- outcome{name, err}
			}
			ended <- err
		}()
	}
	first, second := <-outcomes, <-outcomes
	if first.err == nil {
		first, second = second, first
	}
	if second.err != nil || !errors.Is(first.err, stream.ErrLost) || !strings.Contains(first.err.Error(), `"`+second.cluster+`" began here`) {
		t.Errorf("%s: %v; %s: %v", first.cluster, first.err, second.cluster, second.err)
	}
	cancel()
	for range 2 {
		<-ended
	}
}
