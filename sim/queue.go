package sim

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/sim/queues"
)

// The workload of queues: what clients of all kinds did and were told is recorded, and judged by sim/queues, which knows
// nothing of streams, commits or objects.
//
//	keys 0 and 1   inputs: everybody writes there
//	keys 2 and 3   everybody writes there too
//	keys 4 and 5   results: transformers read an input, and write one record for each of its records, with the
//	               input's new offset, in one transaction
//
// Every transactional id has two clients: each is the zombie of the other, as when one is started while the old one hangs.

// QueueSettings say how many clients there are; without any there is no such workload.
type QueueSettings struct {
	Plain, Idempotent, Transactional, Readers int
	Transformers                              int // of each input
}

const (
	queueTopic   = "queue"
	queueKeys    = 6
	queueWritten = 4 // keys that producers write
	queueInputs  = 2
	// valuesMax is of how many records a batch may be: its uid and a record's place make the value.
	valuesMax = 4
	finalMax  = 60 * time.Second // for a transformer to get one step further, after everything has healed
)

// DrawQueues gives the settings of a history of queues: those of the seed, with other clients.
func DrawQueues(seed uint64) Settings {
	s := Draw(seed)
	d := throw(seed, "queues", 0, 0, "")
	s.Plain, s.Idempotent, s.Transactional, s.Consumers = 0, 0, 0, 0
	s.Queue = QueueSettings{Plain: 1 + d.below(2), Idempotent: 1 + d.below(3), Transactional: 2 + d.below(3), Readers: 2 + d.below(3), Transformers: 1 + d.below(2)}
	return s
}

// queue is one such workload.
type queue struct {
	*world
	*queues.Recorder
	settings QueueSettings
	id       record.TopicID
	sent     atomic.Bool  // nothing more comes to the inputs
	read     atomic.Bool  // somebody has read all of it, after everything else
	worked   atomic.Int64 // transactions of transformers that are done
	work     sync.WaitGroup
	mu       struct {
		sync.Mutex
		processes int
	}
}

func (w *world) newQueue() *queue {
	begin := time.Now()
	return &queue{world: w, settings: w.Queue, Recorder: queues.NewRecorder(func() time.Duration { return time.Since(begin) })}
}

// process gives a number that no client has had.
func (q *queue) process() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.processes++
	return q.mu.processes
}

func (q *queue) partition(k queues.Key) record.TopicPartition {
	return record.TopicPartition{Topic: q.id, Partition: int32(k)}
}

// create makes the topic, before the faults begin.
func (q *queue) create(ctx context.Context) {
	d := throw(q.seed, "queue topic", 0, 0, "")
	for wait(ctx, d.between(time.Millisecond, 20*time.Millisecond)) {
		in := q.pick(&d)
		limit, cancel := context.WithTimeout(ctx, 5*time.Second)                                                                            // it may be killed meanwhile
		_, _ = in.topics.Create(limit, topic.Spec{Name: queueTopic, Partitions: queueKeys, ReplicationFactor: 1, Configs: q.kept()}, false) // it may be there already
		cancel()
		if t, ok := in.stream.TopicByName(queueTopic); ok {
			q.id = t.ID
			return
		}
	}
}

// kept are configs that keep all records, which move to cold storage in some histories.
func (q *queue) kept() map[string]string {
	d := throw(q.seed, "queue configs", 0, 0, "")
	out := map[string]string{topic.TimestampAfterMax: strconv.FormatInt(1<<50, 10), topic.RetentionMs: "-1"}
	q.cools(out, fmt.Sprint(d.between(0, 20*q.Aging.Unit).Milliseconds()))
	return out
}

// start runs the clients; those that do not end by themselves end with busy.
func (q *queue) start(ctx, busy context.Context, clients, readers *sync.WaitGroup) {
	for i := range q.settings.Plain {
		clients.Go(func() { q.plainSender(ctx, i) })
	}
	for i := range q.settings.Idempotent {
		clients.Go(func() { q.idempotentSender(ctx, i) })
	}
	for i := range q.settings.Transactional {
		clients.Go(func() { q.transactor(ctx, i) })
	}
	for i := range q.settings.Readers {
		readers.Go(func() { q.reader(busy, i) })
	}
	for k := range queues.Key(queueInputs) {
		for i := range q.settings.Transformers {
			q.work.Go(func() { q.transformer(ctx, k, i) })
		}
	}
}

// settle waits until all inputs have been worked on, for as long as somebody gets on: how much is left after the faults differs
// a lot. It is called when no batch is on its way any more.
func (q *queue) settle(ctx context.Context) {
	q.sent.Store(true)
	through := make(chan struct{})
	go func() { q.work.Wait(); close(through) }()
	for before := int64(-1); before != q.worked.Load(); {
		before = q.worked.Load()
		select {
		case <-through:
			return
		case <-ctx.Done():
			return
		case <-time.After(q.long(finalMax) + q.putOff()):
		}
	}
	q.judge.Stuck("transformers")
}

// finish reads everything once more, through each instance, with both isolations.
func (q *queue) finish(ctx context.Context, in *instance) {
	d := throw(q.seed, "queue end", in.number, in.life, "")
	for _, uncommitted := range []bool{false, true} {
		op := queues.Op{Process: q.process(), Outcome: queues.Done, Start: q.Now(), Uncommitted: uncommitted, Polled: true, Final: true}
		for k := range queues.Key(queueKeys) {
			op.Keys = append(op.Keys, k)
			b, err := in.fetch.Bounds(ctx, q.partition(k))
			for at := b.LogStart; err == nil && at < b.HighWatermark && ctx.Err() == nil; {
				steps, next := q.poll(ctx, in, &d, map[queues.Key]record.Offset{k: at}, uncommitted)
				if next[k] == at {
					q.judge.Stuck(fmt.Sprintf("%s: key %d ends at %d of %d", in.name(), k, at, b.HighWatermark))
					break
				}
				op.Steps, at = append(op.Steps, steps...), next[k]
			}
			if err != nil && ctx.Err() == nil {
				q.judge.Stuck(fmt.Sprintf("%s: key %d has no bounds: %v", in.name(), k, err))
			}
		}
		if ctx.Err() == nil {
			q.Add(op)
			q.read.Store(true)
		}
	}
}

// check judges the history. One that was broken off has not come to its end: nothing is said about it.
func (q *queue) check() *queues.Report {
	var inputs []queues.Key
	for k := range queues.Key(queueInputs) {
		inputs = append(inputs, k)
	}
	return queues.Check(&queues.History{Ops: q.Ops(), Drained: inputs})
}
