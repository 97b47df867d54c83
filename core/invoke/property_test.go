package invoke_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/upkeep"
)

// history is what two environments and a broker that does the maintenance wrote between each other.
type history struct {
	*testing.T
	*rand.Rand
	c            *coretest.Cluster
	broker       *coretest.Instance
	environments []*invoke.Environment
	topic        record.TopicID
	accepted     map[record.TopicPartition]map[record.Offset]string // values by offset, of what was acknowledged
	next         map[string]int32                                   // sequence by partition and producer
	made         int
}

const partitions = 3

// incoming makes a batch: plain, the next of a producer, a repetition, or one with a gap.
func (h *history) incoming() (ingest.Incoming, string) {
	tp := record.TopicPartition{Topic: h.topic, Partition: int32(h.IntN(partitions))}
	h.made++
	value := fmt.Sprint("v", h.made)
	if h.IntN(2) == 0 {
		return coretest.Plain(tp, value), value
	}
	id := 1 + h.IntN(3)
	key := fmt.Sprint(tp.Partition, "/", id)
	first := h.next[key]
	switch h.IntN(6) {
	case 0:
		if first > 0 {
			first--
		}
	case 1:
		first += 2
	default:
		h.next[key]++
	}
	return coretest.Idempotent(tp, record.ProducerID(id), 0, first, value), value
}

func (h *history) write() {
	who := h.IntN(len(h.environments) + 1)
	n := 1 + h.IntN(4)
	batches, values := make([]ingest.Incoming, n), make([]string, n)
	for i := range batches {
		batches[i], values[i] = h.incoming()
	}
	var out []ingest.Outcome
	if who == len(h.environments) {
		out = h.broker.Produce(batches...)
	} else {
		var err error
		if out, err = produce(h.T, h.environments[who], "t", batches...); err != nil {
			h.Fatalf("environment %d: %v", who, err)
		}
	}
	for i, o := range out {
		if o.Err == nil && o.Base >= 0 {
			h.acknowledged(batches[i].Partition, o.Base, values[i])
		}
	}
}

// acknowledged keeps what must be at an offset; of a duplicate that is what came first.
func (h *history) acknowledged(tp record.TopicPartition, at record.Offset, value string) {
	if h.accepted[tp] == nil {
		h.accepted[tp] = map[record.Offset]string{}
	}
	if _, known := h.accepted[tp][at]; !known {
		h.accepted[tp][at] = value
	}
}

// compare holds what an environment has folded against the broker's ledger, at one revision.
func (h *history) compare(e *invoke.Environment) {
	need := stream.Need{Topics: []string{"t"}, Partitions: map[string][]int32{}}
	for i := range int32(partitions) {
		if h.IntN(2) == 0 {
			need.Partitions["t"] = append(need.Partitions["t"], i)
		}
	}
	ctx, done, err := e.Begin(h.Context(), need)
	if err != nil {
		h.Fatal(err)
	}
	defer done()
	defer e.End()
	for _, i := range need.Partitions["t"] {
		e.Stream.Want(record.TopicPartition{Topic: h.topic, Partition: i})
	}
	if err := e.Stream.Barrier(ctx); err != nil {
		h.Fatal(err)
	}
	h.broker.Barrier()
	for _, i := range need.Partitions["t"] {
		tp := record.TopicPartition{Topic: h.topic, Partition: i}
		digest := func(s *stream.Stream) (d uint64, next record.Offset) {
			_ = s.View(func(l *ledger.Ledger) { d, next = l.Partition(tp).Digest(), l.Partition(tp).Next() })
			return d, next
		}
		ours, at := digest(e.Stream)
		if theirs, end := digest(h.broker.Stream); ours != theirs {
			h.Fatalf("partition %d: the environment has folded to offset %d, the broker to %d; their states differ", i, at, end)
		}
	}
}

// Whatever is written through whom, and however long an environment was frozen: what it has folded of a partition is what brokers
// have, and each acknowledged batch is where its writer was told.
func TestFold_OfEnvironmentsIsThatOfBrokers(t *testing.T) {
	for seed := range uint64(150) {
		synctest.Test(t, func(t *testing.T) {
			c := coretest.NewCluster(t)
			maintains := func(s *upkeep.Settings) {
				s.CheckpointAge, s.Lag, s.StampEvery = 2*time.Second, 5*time.Second, time.Second
			}
			h := &history{T: t, Rand: rand.New(rand.NewPCG(seed, 1)), c: c, accepted: map[record.TopicPartition]map[record.Offset]string{}, next: map[string]int32{}}
			h.broker = c.Instance("broker", coretest.Options{RunUpkeep: true, Upkeep: maintains}).Ready()
			h.topic = c.CreateTopic("t", partitions)
			h.environments = []*invoke.Environment{newEnvironment(c, "f0"), newEnvironment(c, "f1")}
			defer h.broker.Stop()
			for range 1 + h.IntN(40) {
				switch h.IntN(10) {
				case 0:
					time.Sleep(time.Duration(1+h.IntN(40)) * time.Second)
				case 1:
					i := h.IntN(2)
					h.environments[i] = newEnvironment(c, fmt.Sprint("f", i))
				case 2, 3:
					h.compare(h.environments[h.IntN(2)])
				case 4:
					h.deleteSome()
				default:
					h.write()
				}
			}
			for _, e := range h.environments {
				h.compare(e)
			}
			h.check()
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
	}
}

// deleteSome moves a log start up, through the broker.
func (h *history) deleteSome() {
	tp := record.TopicPartition{Topic: h.topic, Partition: int32(h.IntN(partitions))}
	var next record.Offset
	h.broker.View(func(l *ledger.Ledger) { next = l.Partition(tp).Next() })
	if _, err := h.broker.Upkeep.DeleteRecords(h.Context(), tp, next/2); err != nil {
		h.Fatal(err)
	}
}

// check reads everything.
func (h *history) check() {
	h.broker.Barrier()
	for tp, byOffset := range h.accepted {
		start := record.Offset(0)
		h.broker.View(func(l *ledger.Ledger) { start = l.Partition(tp).LogStart() })
		values := h.broker.ReadAll(tp)
		for at, value := range byOffset {
			if i := int(at - start); i >= 0 && (i >= len(values) || values[i] != value) {
				h.Fatalf("partition %d: %q was acknowledged at offset %d; the log has %q from %d on", tp.Partition, value, at, values, start)
			}
		}
	}
}
