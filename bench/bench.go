// Package bench puts a load on any Kafka-compatible broker and measures what comes of it: bytes and records a second, the
// time until a record is acknowledged and until a consumer has it, and what the broker's process and its object store are
// asked for meanwhile.
//
// Owns: the load, the clocks, the sums. Does not own: brokers (whoever calls starts them), how results are shown side by
// side (bench/compare).
package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// Work is the load of one run.
type Work struct {
	Kafka      []string // HOST:PORT, any of the cluster
	Topic      string
	Partitions int
	Bytes      int64 // of values that are written
	ValueBytes int
	Clients    int           // producers side by side, each with a connection of its own
	Linger     time.Duration // negative: as the client does by default
	Plain      bool          // without idempotence
	Rate       int           // records a second over all clients; 0: as fast as they are taken
	// Versions that the client uses at most, for a broker that hangs up on newer ones instead of answering; nil: the client's own.
	Versions *kversion.Versions
	Config   map[string]string // of the topic
	ClientID string            // "": firnlog-bench

	made bool // the topic
}

// each is how many records a client writes.
func (w *Work) each() int { return int(max(1, w.Bytes/int64(w.ValueBytes)/int64(w.Clients))) }

// Records is how many all of them write.
func (w *Work) Records() int { return w.each() * w.Clients }

// MakeTopic makes the topic and waits until each partition answers.
func (w *Work) MakeTopic(ctx context.Context) error {
	client, err := w.client()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := reach(ctx, client); err != nil {
		return fmt.Errorf("no broker answers at %v: %w", w.Kafka, err)
	}
	admin := kadm.NewClient(client)
	made, err := admin.CreateTopic(ctx, int32(w.Partitions), 1, w.config(), w.Topic) //nolint:gosec // a count from the command line
	if err != nil {
		return fmt.Errorf("create topic %q: %w", w.Topic, err)
	}
	if made.Err != nil {
		return fmt.Errorf("create topic %q: %w", w.Topic, made.Err)
	}
	w.made = true
	for {
		ends, err := admin.ListEndOffsets(ctx, w.Topic)
		if err == nil && ends.Error() == nil && len(ends[w.Topic]) == w.Partitions {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("await topic %q: %w", w.Topic, ctx.Err())
		}
	}
}

func (w *Work) config() map[string]*string {
	out := map[string]*string{}
	for name, value := range w.Config {
		out[name] = &value
	}
	return out
}

// reach asks for an answer soon: everything else is tried until ctx ends.
func reach(ctx context.Context, client *kgo.Client) error {
	const soon = 15 * time.Second
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	return client.Ping(ctx)
}

// RemoveTopic deletes the topic that MakeTopic made.
func (w *Work) RemoveTopic(ctx context.Context) error {
	if !w.made {
		return nil
	}
	client, err := w.client()
	if err != nil {
		return err
	}
	defer client.Close()
	gone, err := kadm.NewClient(client).DeleteTopic(ctx, w.Topic)
	if err = errors.Join(err, gone.Err); err != nil {
		return fmt.Errorf("remove topic %q (remove it by hand): %w", w.Topic, err)
	}
	w.made = false
	return nil
}

// client connects with what the work says and the given options.
func (w *Work) client(options ...kgo.Opt) (*kgo.Client, error) {
	options = append(options, kgo.SeedBrokers(w.Kafka...), kgo.ClientID(cmp.Or(w.ClientID, "firnlog-bench")))
	if w.Versions != nil {
		options = append(options, kgo.MaxVersions(w.Versions))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", w.Kafka, err)
	}
	return client, nil
}

// values are made before the clock starts: half of each is random, half text, so that compression has something to do but not
// everything.
func (w *Work) values() [][]byte {
	const different = 1024
	dice := rand.New(rand.NewPCG(1, uint64(w.ValueBytes))) //nolint:gosec // no secret
	out := make([][]byte, different)
	for i := range out {
		v := make([]byte, w.ValueBytes)
		for j := range v {
			if j < len(v)/2 {
				v[j] = byte(dice.Uint32())
			} else {
				v[j] = "the quick brown fox jumps over the lazy dog "[j%44]
			}
		}
		out[i] = v
	}
	return out
}
