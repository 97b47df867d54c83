package differential

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/record"
)

// sequenced is a batch of a producer, whose values name it.
func (s *Session) sequenced(id int64, epoch int16, first int32, records int) []byte {
	var values []string
	for i := range records {
		values = append(values, fmt.Sprintf("epoch %d sequence %d", epoch, int(first)+i))
	}
	return s.batch(record.Settings{Sequence: &record.Sequence{Producer: record.ProducerID(id), Epoch: record.Epoch(epoch), First: first}}, 0, values...)
}

// producer draws a producer id, which is not compared. Kafka has none until its coordinator has loaded.
func (s *Session) producer() int64 {
	id := int64(-1)
	s.await("there are producer ids", func() bool {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.SetVersion(s.served[req.Key()].Max)
		resp, err := s.ask(req)
		if err != nil || resp.(*kmsg.InitProducerIDResponse).ErrorCode != 0 {
			return false
		}
		id = resp.(*kmsg.InitProducerIDResponse).ProducerID
		return true
	})
	s.symbols.named("producer", fmt.Sprint(id))
	return id
}

// idempotence walks through the rules of sequences (KIP-98), each on a partition of its own.
func (s *Session) idempotence() {
	s.topic("sequences", 14)
	partition := int32(0)
	rule := func(name string, steps ...func() (string, []byte)) {
		for _, step := range steps {
			op, batch := step()
			s.try(name+": "+op, "sequences", partition, batch)
		}
		partition++
	}
	step := func(op string, batch []byte) func() (string, []byte) {
		return func() (string, []byte) { return op, batch }
	}
	a, b := s.producer(), s.producer()
	rule("in order", step("first", s.sequenced(a, 0, 0, 3)), step("second", s.sequenced(a, 0, 3, 2)), step("third", s.sequenced(a, 0, 5, 1)))
	rule("gap", step("first", s.sequenced(a, 0, 0, 3)), step("gap", s.sequenced(a, 0, 4, 1)), step("the missing one", s.sequenced(a, 0, 3, 1)), step("again after the gap", s.sequenced(a, 0, 4, 1)))
	rule("duplicate", step("first", s.sequenced(a, 0, 0, 2)), step("second", s.sequenced(a, 0, 2, 2)), step("first again", s.sequenced(a, 0, 0, 2)), step("second again", s.sequenced(a, 0, 2, 2)))
	rule("overlap", step("first", s.sequenced(a, 0, 0, 4)), step("within it", s.sequenced(a, 0, 1, 2)), step("across its end", s.sequenced(a, 0, 3, 3)), step("a part from its start", s.sequenced(a, 0, 0, 2)))
	rule("window", step("0", s.sequenced(a, 0, 0, 1)), step("1", s.sequenced(a, 0, 1, 1)), step("2", s.sequenced(a, 0, 2, 1)), step("3", s.sequenced(a, 0, 3, 1)),
		step("4", s.sequenced(a, 0, 4, 1)), step("5", s.sequenced(a, 0, 5, 1)), step("1 again, in the window", s.sequenced(a, 0, 1, 1)), step("0 again, before the window", s.sequenced(a, 0, 0, 1)))
	rule("epoch", step("epoch 0", s.sequenced(a, 0, 0, 2)), step("epoch 1 from 0", s.sequenced(a, 1, 0, 2)), step("epoch 0 again", s.sequenced(a, 0, 2, 1)), step("epoch 2 not from 0", s.sequenced(a, 2, 5, 1)), step("epoch 1 goes on", s.sequenced(a, 1, 2, 1)))
	rule("duplicate of an older epoch", step("epoch 0", s.sequenced(a, 0, 0, 2)), step("epoch 1", s.sequenced(a, 1, 0, 1)), step("epoch 0, the same batch", s.sequenced(a, 0, 0, 2)))
	rule("unknown producer", step("from 7", s.sequenced(b, 0, 7, 1)))
	rule("unknown producer", step("at epoch 3 from 0", s.sequenced(b, 3, 0, 1)))
	rule("unknown producer", step("at epoch 3 from 9", s.sequenced(b, 3, 9, 1)))
	rule("two producers", step("a", s.sequenced(a, 0, 0, 1)), step("b", s.sequenced(b, 0, 0, 1)), step("a goes on", s.sequenced(a, 0, 1, 1)), step("b goes on", s.sequenced(b, 0, 1, 1)))
	s.newest("what the rule of order let in", func(int16) kmsg.Request { return s.fetchOf("sequences", 0, 0, 1<<20) })
	s.newest("what the rule of duplicates let in", func(int16) kmsg.Request { return s.fetchOf("sequences", 2, 0, 1<<20) })
	s.newest("what the rule of epochs let in", func(int16) kmsg.Request { return s.fetchOf("sequences", 5, 0, 1<<20) })
	s.topic("sequences.every", 16)
	for v := range int32(16) { // the errors of each version
		s.between("first of a version", int16(v), int16(v), func(int16) kmsg.Request {
			return s.produceOf("sequences.every", v, s.sequenced(a, 1, 0, 1))
		})
		s.between("gap in a version", int16(v), int16(v), func(int16) kmsg.Request {
			return s.produceOf("sequences.every", v, s.sequenced(a, 1, 5, 1))
		})
		s.between("fenced in a version", int16(v), int16(v), func(int16) kmsg.Request {
			return s.produceOf("sequences.every", v, s.sequenced(a, 0, 1, 1))
		})
	}
}

// producerIDs draws producer ids.
func (s *Session) producerIDs() {
	s.every("no transactional id", func(int16) kmsg.Request { return kmsg.NewPtrInitProducerIDRequest() })
	s.between("with an id and epoch", 3, 1<<14, func(int16) kmsg.Request {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.ProducerID, req.ProducerEpoch = 5, 2
		return req
	})
	s.between("with an epoch alone", 3, 1<<14, func(int16) kmsg.Request {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.ProducerEpoch = 2
		return req
	})
	s.every("empty transactional id", func(int16) kmsg.Request {
		req := kmsg.NewPtrInitProducerIDRequest()
		empty := ""
		req.TransactionalID = &empty
		return req
	})
	s.every("time-out without a transactional id", func(int16) kmsg.Request {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionTimeoutMillis = 1 << 30
		return req
	})
}
