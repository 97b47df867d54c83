package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// batch is one batch of a client.
type batch struct {
	Sent
	bytes []byte
	first time.Time // when it was first sent
	dice  dice

	corrupt     bool   // its bytes were damaged on their way
	transaction string // transactional id; "": none
	implicit    bool
}

// keysMax is how many keys a partition has.
const keysMax = 12

// time gives a batch the timestamp of its records, which no other batch has: it is known by it. Some clients' clocks are wrong.
func (w *world) time(d *dice) int64 {
	ms := time.Now().UnixMilli()
	if d.chance(.05) {
		ms += d.between(-w.long(20*time.Second), w.long(20*time.Second)).Milliseconds()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.mu.times[ms] {
		ms++
	}
	w.mu.times[ms] = true
	return ms
}

// newBatch makes a batch that can be told from all others.
func (w *world) newBatch(tp record.TopicPartition, sequence *record.Sequence, of ...*transaction) *batch {
	d := throw(w.seed, "batch", int(w.nextUID.Add(1)), 0, "")
	uid := w.time(&d)
	b := record.NewBatch(record.Settings{Sequence: sequence, Transactional: len(of) > 0})
	n := 1 + d.below(3)
	contents := make([]content, n)
	for i := range n {
		key, value := fmt.Append(nil, "k", d.below(keysMax)), make([]byte, 4+d.below(60))
		if _, _ = d.Read(value); d.chance(.15) {
			value = nil
		}
		b.Append(uid, key, value)
		contents[i] = contentOf(key, value)
	}
	bytes, err := b.Seal()
	if err != nil {
		panic(err) // cannot be: it has records
	}
	h, _ := record.ReadHeader(bytes)
	out := &batch{bytes: bytes, first: time.Now(), dice: d}
	out.Sent = Sent{UID: uid, Partition: tp, Records: int32(n), CRC: h.CRC, Producer: record.NoProducer, contents: contents, bytes: int64(h.Size)}
	if sequence != nil {
		out.Producer, out.Epoch, out.Sequence = sequence.Producer, sequence.Epoch, sequence.First
	}
	sent := out.Sent
	for _, t := range of {
		w.judge.Begun(t, &sent)
	}
	w.judge.Send(&sent)
	w.shared.sends(out)
	return out
}

// errNoAnswer: the connection broke or the client had waited long enough.
var errNoAnswer = errors.New("no answer")

// send gives batches to an instance and waits for the outcomes. What comes from an instance that was
// killed meanwhile is no answer.
func (w *world) send(ctx context.Context, in *instance, d *dice, batches ...*batch) []ingest.Outcome {
	w.operations.Add(int64(len(batches)))
	none := make([]ingest.Outcome, len(batches))
	incoming := make([]ingest.Incoming, len(batches))
	for i, b := range batches {
		none[i] = ingest.Outcome{Err: errNoAnswer}
		incoming[i] = ingest.Incoming{Partition: b.Partition, Batch: b.bytes, Transaction: b.transaction, Implicit: b.implicit}
	}
	ctx, cancel := context.WithTimeout(ctx, d.between(500*time.Millisecond, 3*time.Second))
	defer cancel()
	if !wait(ctx, d.between(100*time.Microsecond, 3*time.Millisecond)) {
		return none
	}
	in.gate(d)
	w.knows(ctx, in, d, batches)
	if in.isDead() {
		return none
	}
	for _, b := range batches {
		w.transcript.note(b.first, in.number, "send", nameOf(b.Partition), fmt.Sprintf("uid %d", b.UID))
	}
	pending := in.ingest.Add(ctx, incoming)
	release := in.holds(pending, batches)
	select {
	case <-pending.Done():
	case <-ctx.Done():
	case <-in.gone:
	}
	release()
	if !wait(ctx, d.between(100*time.Microsecond, 3*time.Millisecond)) || in.isDead() {
		return none
	}
	in.gate(d)
	if in.isDead() || ctx.Err() != nil {
		return none
	}
	return pending.Wait(ctx)
}

// knows waits behind a barrier where the instance does not know a partition yet. Ingest would do so itself, but all
// who wait there go on at the same instant, in an order that no seed decides.
func (w *world) knows(ctx context.Context, in *instance, d *dice, batches []*batch) {
	known := true
	_ = in.stream.View(func(l *ledger.Ledger) {
		for _, b := range batches {
			known = known && l.Has(b.Partition)
		}
	})
	if !known {
		_ = in.stream.Barrier(ctx) // what it could not bring is looked for again by ingest
		wait(ctx, d.between(0, time.Millisecond))
	}
}

// plain is a client without idempotence: it tries again only what is said not to have been appended.
func (w *world) plain(ctx context.Context, number int) {
	d := throw(w.seed, "plain", number, 0, "")
	for wait(ctx, d.between(w.Think/4, w.Think*2)) && !w.quiet.Load() {
		all := w.judge.Partitions()
		var batches []*batch
		for range 1 + d.below(2) {
			batches = append(batches, w.newBatch(all[d.below(len(all))], nil))
			w.damage(batches[len(batches)-1], &d)
		}
		for try := 0; try < 4 && len(batches) > 0; try++ {
			var again []*batch
			for i, o := range w.send(ctx, w.pick(&d), &d, batches...) {
				if w.heard(batches[i], o) && errors.Is(o.Err, ingest.ErrNotAppended) {
					again = append(again, batches[i])
				}
			}
			if batches = again; !wait(ctx, d.between(10*time.Millisecond, 200*time.Millisecond)) {
				return
			}
		}
	}
}

// heard tells the judge what a client was told, and says whether there was an answer.
func (w *world) heard(b *batch, o ingest.Outcome) bool {
	switch {
	case errors.Is(o.Err, errNoAnswer):
		return false
	case o.Err == nil:
		w.judge.Acked(b.UID, o.Base)
		w.shared.acked(b, o.Base)
		if w.lie != nil {
			w.lie(w.judge, b)
		}
		w.transcript.note(b.first, -1, "ack", nameOf(b.Partition), fmt.Sprintf("uid %d at %d", b.UID, o.Base))
	case errors.Is(o.Err, ingest.ErrUnknownPartition):
		w.judge.ToldUnknown(b.Partition)
	case errors.Is(o.Err, ingest.ErrOldDuplicate):
		w.judge.ToldOld(b.UID)
	case errors.Is(o.Err, ingest.ErrFenced):
		w.judge.ToldFenced(b.UID)
	case errors.Is(o.Err, record.ErrCorrupt):
		w.judge.ToldCorrupt(b.UID, b.corrupt)
	}
	return true
}

// session is an idempotent producer writing to one partition.
type session struct {
	id     record.ProducerID
	epoch  record.Epoch
	tp     record.TopicPartition
	window int
	usual  *instance
	mu     struct {
		sync.Mutex
		next    int32
		unacked []*batch // oldest first
		broken  bool
	}
}

// state says how many batches are on their way, and whether the session must end.
func (s *session) state() (unacked int, broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.unacked), s.mu.broken
}

func (s *session) breaks() {
	s.mu.Lock()
	s.mu.broken = true
	s.mu.Unlock()
}

// isOldest says that all batches before b are acknowledged.
func (s *session) isOldest(b *batch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.unacked) > 0 && s.mu.unacked[0] == b
}

func (s *session) acked(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, o := range s.mu.unacked {
		if o == b {
			s.mu.unacked = append(s.mu.unacked[:i:i], s.mu.unacked[i+1:]...)
			return
		}
	}
}

// idempotent is a client with several batches in flight, over several instances at times.
func (w *world) idempotent(ctx context.Context, number int) {
	d := throw(w.seed, "idempotent", number, 0, "")
	var flights sync.WaitGroup
	defer flights.Wait()
	var s *session
	for wait(ctx, d.between(w.Think/4, w.Think)) && !w.quiet.Load() {
		n, broken := 0, true
		if s != nil {
			n, broken = s.state()
		}
		if broken || n == 0 && d.chance(.03) {
			s = w.newSession(ctx, s, &d)
			continue
		}
		if n == 0 && d.chance(.01) {
			wait(ctx, d.between(time.Second, min(w.ProducerExpiry, w.long(28*time.Second))+w.long(5*time.Second))) // it falls silent
		}
		if n < s.window {
			b := w.newBatch(s.tp, &record.Sequence{Producer: s.id, Epoch: s.epoch, First: s.mu.next})
			s.mu.Lock()
			s.mu.next += b.Records
			s.mu.unacked = append(s.mu.unacked, b)
			s.mu.Unlock()
			flights.Go(func() { w.deliver(ctx, s, b) })
		}
	}
}

// newSession begins with a new producer id, or with the next epoch of the old one on the same partition.
func (w *world) newSession(ctx context.Context, old *session, d *dice) *session {
	all := w.judge.Partitions()
	s := &session{tp: all[d.below(len(all))], window: 1 + d.below(4), usual: w.pick(d)}
	if old != nil && d.chance(.3) {
		s.id, s.epoch, s.tp = old.id, old.epoch+1, old.tp
		return s
	}
	in := w.pick(d)
	limit, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	id, err := in.ids.NextProducerID(limit)
	if err != nil || in.isDead() {
		return nil
	}
	w.judge.Handed(id)
	s.id = id
	return s
}

const deliveryMax = 5 * time.Second

// deliver sends one batch until it is acknowledged, or the session is broken.
func (w *world) deliver(ctx context.Context, s *session, b *batch) {
	for {
		in := s.usual
		if b.dice.chance(.3) || in.isDead() {
			in = w.pick(&b.dice)
		}
		oldest := s.isOldest(b)
		o := w.send(ctx, in, &b.dice, b)[0]
		w.heard(b, o)
		switch {
		case o.Err == nil, errors.Is(o.Err, ingest.ErrOldDuplicate):
			s.acked(b)
			return
		case errors.Is(o.Err, ingest.ErrFenced), errors.Is(o.Err, ingest.ErrUnknownPartition):
			s.breaks()
		case oldest && (errors.Is(o.Err, ingest.ErrOutOfOrder) || errors.Is(o.Err, ingest.ErrUnknownProducer)):
			w.judge.ToldOutOfTurn(b.UID)
			s.breaks()
		case !w.quiet.Load() && time.Since(b.first) > deliveryMax:
			s.breaks()
		}
		if _, broken := s.state(); broken || !wait(ctx, b.dice.between(20*time.Millisecond, 200*time.Millisecond)) {
			return
		}
	}
}

// probe sends one batch through an instance, which must be acknowledged at once.
func (w *world) probe(ctx context.Context, in *instance) {
	d := throw(w.seed, "probe", in.number, in.life, "")
	all := w.others()
	b := w.newBatch(all[d.below(len(all))], nil)
	o := w.send(ctx, in, &d, b)[0]
	if w.heard(b, o); o.Err != nil && ctx.Err() == nil {
		w.judge.Stuck(in.name() + " does not take a batch: " + o.Err.Error())
	}
}
