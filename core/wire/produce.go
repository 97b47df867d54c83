package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// Produce (key 0), versions 0-13.
//
//	v0-v2  advertised, since librdkafka takes them as the sign of message format 2 and of compression
//	       (KAFKA-18659), but refused: they carry formats 0 and 1
//	v3     record batches, transactional id
//	v5     log start in the answer
//	v7     zstd
//	v8     bad records by number, and a message (KIP-467)
//	v9     flexible
//	v10    tagged hints of other leaders: never needed, any instance takes any partition
//	v12    transactions without AddPartitionsToTxn (KIP-890)
//	v13    topic ids
//
// Phase one names the partitions and hands the batches on, in the order of arrival; phase two waits
// for the outcomes. acks=1 is as durable as acks=all. acks=0 is never answered; an error closes the connection.
func (s *Server) produce(ctx context.Context, c *caller, msg kmsg.Request) (finisher, error) {
	req, ok := msg.(*kmsg.ProduceRequest)
	if !ok {
		return nil, fmt.Errorf("%w: %T", errFrame, msg)
	}
	ctx, cancel := context.WithTimeout(ctx, produceTimeout(req.TimeoutMillis))
	p := &produce{server: s, caller: c, req: req, cancel: cancel}
	s.producing.Add(1) // before it is looked whether this server takes any
	if p.plan(ctx); p.steered {
		s.producing.Add(-1)
	}
	if len(p.in) > 0 {
		began := time.Now()
		p.pending = s.add(ctx, p.in)
		c.used.waited += time.Since(began) // for memory
	}
	return func(context.Context) (kmsg.Response, error) { return p.finish(ctx) }, nil
}

// produceTimeoutMin keeps a client's time-out above what one flush may take.
const produceTimeoutMin = time.Second

func produceTimeout(ms int32) time.Duration {
	return max(time.Duration(ms)*time.Millisecond, produceTimeoutMin)
}

// produce is one request between its phases.
type produce struct {
	server  *Server
	caller  *caller
	req     *kmsg.ProduceRequest
	cancel  context.CancelFunc
	slots   []slot // in the order of the request
	in      []ingest.Incoming
	seen    map[record.TopicPartition]bool
	pending waiter
	steered bool // not taken
}

// slot is what became of one partition: refused here, or the outcome number at.
type slot struct {
	err error
	at  int
}

// plan sorts out what can be handed on. Each partition is judged for itself.
func (p *produce) plan(ctx context.Context) {
	find := p.server.names(p.caller)
	refused := p.refusal(ctx)
	p.seen = map[record.TopicPartition]bool{}
	for i := range p.req.Topics {
		t := &p.req.Topics[i]
		found, err := (*ledger.Topic)(nil), refused
		if err == nil {
			found, err = p.findTopic(ctx, find, t)
		}
		for _, part := range t.Partitions {
			p.place(ctx, find, found, err, part)
		}
	}
}

// refusal is what is wrong with the request as a whole.
func (p *produce) refusal(ctx context.Context) error {
	switch {
	case p.req.Version < 3:
		return errOldProduce
	case p.req.Acks < -1 || p.req.Acks > 1:
		return fmt.Errorf("%w, not %d", errAcks, p.req.Acks)
	case p.req.Acks != 0 && p.server.steered(&p.server.refusing):
		p.steered = true
		return errSteered
	}
	if id := text(p.req.TransactionID); id != "" {
		return p.caller.may(ctx, auth.ResourceTransactionalID, id)
	}
	return nil
}

func (p *produce) findTopic(ctx context.Context, find *names, t *kmsg.ProduceRequestTopic) (*ledger.Topic, error) {
	if p.req.Version < 13 {
		if err := topic.CheckName(t.Topic); err != nil {
			return nil, err
		}
	}
	return find.topic(ctx, p.req.Version >= 13, t.Topic, t.TopicID)
}

// place gives a partition of the request its slot.
func (p *produce) place(ctx context.Context, find *names, t *ledger.Topic, err error, part kmsg.ProduceRequestTopicPartition) {
	var tp record.TopicPartition
	if err == nil {
		tp, err = find.partition(ctx, t, part.Partition)
	}
	if err == nil {
		err = checkBatch(part.Records, p.req.Version)
	}
	if err == nil && p.seen[tp] {
		err = fmt.Errorf("partition %d: %w", tp.Partition, errTwice)
	}
	if err != nil {
		p.slots = append(p.slots, slot{err: err})
		return
	}
	p.seen[tp] = true
	p.slots = append(p.slots, slot{at: len(p.in)})
	p.in = append(p.in, ingest.Incoming{Partition: tp, Batch: part.Records, Keeps: int64(p.caller.frame), Transaction: text(p.req.TransactionID), Implicit: p.req.Version >= 12})
}

// Bytes of a record batch that the front end looks at; all else is ingest's to judge.
const (
	batchLengthAt  = 8 // int32, of what follows it
	batchOverhead  = 12
	batchMagicAt   = 16
	batchCodecAt   = 22 // low byte of the attributes
	batchCodecMask = 7
	codecZstd      = 4
)

// checkBatch checks what depends on the request: one batch, and no codec newer than its version.
func checkBatch(b []byte, version int16) error {
	if len(b) <= batchCodecAt || b[batchMagicAt] < 2 {
		if len(b) == 0 {
			return fmt.Errorf("%w, not none", errOneBatch)
		}
		return nil // ingest says what is wrong with it
	}
	if int64(binary.BigEndian.Uint32(b[batchLengthAt:]))+batchOverhead < int64(len(b)) {
		return errOneBatch
	}
	if version < 7 && b[batchCodecAt]&batchCodecMask == codecZstd {
		return errOldForZstd
	}
	return nil
}

// finish waits for the outcomes and answers.
func (p *produce) finish(ctx context.Context) (kmsg.Response, error) {
	defer p.cancel()
	var outcomes []ingest.Outcome
	if p.steered {
		p.server.awaitRelease(ctx)
	} else {
		defer p.server.producing.Add(-1)
	}
	if p.pending != nil {
		outcomes = p.pending.Wait(ctx)
	}
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = p.req.Version
	var failed error
	slots := p.slots
	for i := range p.req.Topics {
		asked := &p.req.Topics[i]
		t := kmsg.NewProduceResponseTopic()
		t.Topic, t.TopicID = asked.Topic, asked.TopicID
		for j := range asked.Partitions {
			out := ingest.Outcome{Err: slots[j].err, Base: -1, AppendTime: -1, LogStart: -1}
			if out.Err == nil {
				out = outcomes[slots[j].at]
			}
			failed = errors.Join(failed, out.Err)
			t.Partitions = append(t.Partitions, p.server.produced(asked.Partitions[j].Partition, out))
		}
		slots = slots[len(asked.Partitions):]
		resp.Topics = append(resp.Topics, t)
	}
	if p.req.Acks != 0 {
		return resp, nil
	}
	if failed != nil {
		return nil, fmt.Errorf("produce without acknowledgement: %w", failed)
	}
	return nil, nil
}

// produced answers one partition. An offset that is not known is -1, never 0.
func (s *Server) produced(partition int32, out ingest.Outcome) kmsg.ProduceResponseTopicPartition {
	p := kmsg.NewProduceResponseTopicPartition()
	p.Partition = partition
	p.BaseOffset, p.LogAppendTime, p.LogStartOffset = int64(out.Base), out.AppendTime, int64(out.LogStart)
	if out.Err == nil {
		return p
	}
	p.BaseOffset, p.LogAppendTime = -1, -1
	if !errors.Is(out.Err, ingest.ErrUnknownProducer) { // by it Java tells an expired producer from one that lost records
		p.LogStartOffset = -1
	}
	p.ErrorCode, p.ErrorMessage = s.code(out.Err), message(out.Err)
	for _, bad := range out.BadRecords {
		r := kmsg.NewProduceResponseTopicPartitionErrorRecord()
		r.RelativeOffset, r.ErrorMessage = bad, p.ErrorMessage
		p.ErrorRecords = append(p.ErrorRecords, r)
	}
	return p
}
