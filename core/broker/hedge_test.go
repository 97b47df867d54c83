package broker

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
)

// stuckOnce is a store one of whose GETs of segments is never answered.
type stuckOnce struct {
	objectstore.Store
	gets, cancelled atomic.Int64
	stuck           int64 // which one
}

func (s *stuckOnce) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if strings.HasPrefix(key, "segments/") && s.gets.Add(1) == s.stuck {
		<-ctx.Done()
		s.cancelled.Add(1)
		return nil, ctx.Err()
	}
	return s.Store.Get(ctx, key, offset, length)
}

// TestHedge_AConsumerDoesNotWaitForAGETThatHangs: without a second GET it would for the 15 s of an attempt.
func TestHedge_AConsumerDoesNotWaitForAGETThatHangs(t *testing.T) {
	const records = 60
	store, kv := &stuckOnce{Store: memory.New(), stuck: 50}, newKV()
	b := start(t, store, kv)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	p := client(t, kgo.SeedBrokers(b.kafka), kgo.DefaultProduceTopic("t"), kgo.AllowAutoTopicCreation(), kgo.ProducerLinger(0))
	for range records { // a segment each
		if err := p.ProduceSync(ctx, kgo.SliceRecord(bytes.Repeat([]byte("x"), 1000))).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	b.stop()
	store.gets.Store(0)
	b = start(t, store, kv, func(s *Settings) { s.HedgeGets = true })
	c := client(t, kgo.SeedBrokers(b.kafka), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	started := time.Now()
	for got := 0; got < records; {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		got += fetches.NumRecords()
	}
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("%d records took %v", records, took)
	}
	text := scrape(t, b)
	if sent, won := sampleOf(text, "firnlog_store_hedges_total"), sampleOf(text, "firnlog_store_hedges_won_total"); won < 1 || sent < won {
		t.Errorf("%v second GETs, %v won", sent, won)
	}
	for store.cancelled.Load() == 0 {
		if ctx.Err() != nil {
			t.Fatal("the GET that hangs was not cancelled")
		}
		time.Sleep(time.Millisecond)
	}
	if failed := sampleOf(scrape(t, b), `firnlog_store_errors_total{op="get"}`); failed > 0 {
		t.Errorf("%v failed GETs: a loser counts as one", failed)
	}
}
