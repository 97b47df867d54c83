package differential

import (
	"context"
	"io"
	"testing"
	"time"

	kvmemory "github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/broker"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/telemetry"
	"github.com/firnlog/firnlog/objectstore/memory"
)

// startFirnlog runs a broker in this process, on memory alone, and gives its address.
func startFirnlog(t *testing.T) string {
	t.Helper()
	b, err := broker.New(broker.Settings{
		Serving: config.Serving{
			Kafka: []string{"127.0.0.1:0"}, HTTP: "127.0.0.1:0", Cluster: "test", NodeID: 1, AutoCreate: true, StrictReplication: true, Partitions: 1,
			SegmentBytes: 8 << 20, IngestMemory: 64 << 20, HotCache: 64 << 20, ColdCache: 16 << 20, Uploads: 4,
		},
		Linger: time.Millisecond, Store: memory.New(), KV: kvmemory.New(kvmemory.Settings{}), Version: "test", Log: telemetry.NewLogger(io.Discard, "error"),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- b.Run(ctx, func(kafka, _ string) { ready <- kafka })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("firnlog ended with: %v", err)
		}
	})
	select {
	case address := <-ready:
		return address
	case err := <-ended:
		t.Fatalf("firnlog did not start: %v", err)
		return ""
	}
}
