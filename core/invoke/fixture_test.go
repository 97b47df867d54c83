package invoke_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/topic"
)

// newEnvironment makes one that nothing has been asked of: a cold start.
func newEnvironment(c *coretest.Cluster, name string) *invoke.Environment {
	kv, store, entropy := c.Reach(name)
	return invoke.New(invoke.Settings{
		Store: store, KV: kv, Cluster: "test", Now: time.Now, Entropy: entropy, Log: coretest.Quiet(), Margin: time.Second, CacheBytes: 4 << 20,
		Topics: topic.DefaultSettings(), NewTopicID: func() (id record.TopicID) { id[3] = 7; return id },
		NewID: rand.Text,
	})
}

// produce is one invocation that writes these batches.
func produce(t *testing.T, e *invoke.Environment, topicName string, batches ...ingest.Incoming) ([]ingest.Outcome, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ctx, done, err := e.Begin(ctx, stream.Need{Topics: []string{topicName}})
	if err != nil {
		return nil, err
	}
	defer done()
	defer e.End()
	return e.Ingest.Add(ctx, batches).Wait(ctx), nil
}

// mustProduce also demands that all were accepted, and gives their base offsets.
func mustProduce(t *testing.T, e *invoke.Environment, topicName string, batches ...ingest.Incoming) (bases []record.Offset) {
	t.Helper()
	out, err := produce(t, e, topicName, batches...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range out {
		if out[i].Err != nil {
			t.Fatalf("batch %d: %v", i, out[i].Err)
		}
		bases = append(bases, out[i].Base)
	}
	return bases
}
