package differential

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/record"
)

// try produces a batch in each version, or in the newest one.
func (s *Session) try(op, topic string, partition int32, batch []byte) {
	s.newest(op, func(int16) kmsg.Request { return s.produceOf(topic, partition, batch) })
}

// produce appends good batches, and addresses some wrongly.
func (s *Session) produce() {
	s.topic("produced", 3)
	good := func() []byte { return s.batch(record.Settings{}, 0, "one", "two", "three") }
	for v := range int16(producedFrom) {
		s.do("message formats 0 and 1", v, s.produceOf("produced", 0, good()))
	}
	s.every("good", func(int16) kmsg.Request { return s.produceOf("produced", 0, good()) })
	s.every("acks of the leader", func(int16) kmsg.Request {
		req := s.produceOf("produced", 0, good())
		req.Acks = 1
		return req
	})
	s.every("unknown topic", func(int16) kmsg.Request { return s.produceOf("unknown", 0, good()) })
	s.every("unknown partition", func(int16) kmsg.Request { return s.produceOf("produced", 3, good()) })
	s.every("negative partition", func(int16) kmsg.Request { return s.produceOf("produced", -1, good()) })
	s.between("invalid topic name", 0, 12, func(int16) kmsg.Request { return s.produceOf("a/b", 0, good()) })
	for _, acks := range []int16{2, -2} {
		s.every(fmt.Sprintf("acks %d", acks), func(int16) kmsg.Request {
			req := s.produceOf("produced", 0, good())
			req.Acks = acks
			return req
		})
	}
	s.every("no topics", func(int16) kmsg.Request {
		req := s.produceOf("produced", 0, good())
		req.Topics = nil
		return req
	})
	s.every("good beside bad", func(int16) kmsg.Request {
		req := s.produceOf("produced", 1, good())
		s.addBatch(req, "produced", 77, good())
		s.addBatch(req, "produced", 2, s.changed(good(), func(b []byte) { b[len(b)-1] ^= 1 }, false))
		return req
	})
	s.newest("two partitions of a topic named twice", func(int16) kmsg.Request {
		req := s.produceOf("produced", 1, good())
		s.addBatch(req, "produced", 2, good())
		return req
	})
	s.withoutAnswer()
	for i, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		s.every("codec "+codec, func(int16) kmsg.Request {
			return s.produceOf("produced", 0, s.batch(record.Settings{Codec: record.Codec(i)}, 0, "a", "b"))
		})
	}
	for p := range int32(3) {
		s.newest(fmt.Sprintf("everything in partition %d", p), func(int16) kmsg.Request { return s.fetchOf("produced", p, 0, 1<<20) })
	}
}

// withoutAnswer asks for no acknowledgement: there is no answer, and an error closes the connection.
func (s *Session) withoutAnswer() {
	for _, one := range []struct {
		op        string
		topic     string
		partition int32
	}{{"good", "produced", 0}, {"unknown topic", "unknown", 0}, {"unknown partition", "produced", 9}} {
		if s.open() != nil {
			return
		}
		req := s.produceOf(one.topic, one.partition, s.batch(record.Settings{}, 0, "silent"))
		req.Acks = 0
		req.SetVersion(min(s.served[req.Key()].Max, 12))
		after := kmsg.NewPtrApiVersionsRequest()
		fate := "closed"
		if body, err := s.exchange(append(s.conn.frame(req), s.conn.frame(after)...)); err == nil {
			fate = "open, answered in turn"
			if int32(binary.BigEndian.Uint32(body)) != s.conn.correlation {
				fate = "answered"
				s.close()
			}
		}
		s.note(kmsg.Produce, "no acknowledgement, "+one.op, req.Version, connection, fate)
	}
}

// changed gives a batch with some bytes changed, and with the CRC of the changed bytes if asked for.
func (s *Session) changed(batch []byte, change func([]byte), seal bool) []byte {
	out := append([]byte(nil), batch...)
	change(out)
	if seal {
		binary.BigEndian.PutUint32(out[17:], crc32.Checksum(out[21:], crc32.MakeTable(crc32.Castagnoli)))
	}
	return out
}

// Places of fields in a batch.
const (
	atBaseOffset = 0
	atLength     = 8
	atMagic      = 16
	atAttributes = 21
	atLastDelta  = 23
	atProducer   = 43
	atEpoch      = 51
	atSequence   = 53
	atRecords    = 57
)

// badBatches are refused, each for one reason.
func (s *Session) badBatches() {
	s.topic("refused", 40)
	partition := int32(0)
	refuse := func(op string, batch []byte) {
		s.try(op, "refused", partition, batch)
		s.newest(op+", read", func(int16) kmsg.Request { return s.fetchOf("refused", partition, 0, 1<<20) })
		partition++
	}
	good := s.batch(record.Settings{}, 0, "one", "two")
	put16 := func(at int, v int16) func([]byte) {
		return func(b []byte) { binary.BigEndian.PutUint16(b[at:], uint16(v)) }
	}
	put32 := func(at int, v int32) func([]byte) {
		return func(b []byte) { binary.BigEndian.PutUint32(b[at:], uint32(v)) }
	}
	put64 := func(at int, v int64) func([]byte) {
		return func(b []byte) { binary.BigEndian.PutUint64(b[at:], uint64(v)) }
	}
	for _, one := range []struct {
		op     string
		change func([]byte)
		seal   bool
	}{
		{"flipped bit in the records", func(b []byte) { b[len(b)-1] ^= 1 }, false},
		{"flipped bit in the CRC", func(b []byte) { b[17] ^= 1 }, false},
		{"length too large", put32(atLength, int32(len(good))), true},
		{"length too small", put32(atLength, 20), true},
		{"length negative", put32(atLength, -5), true},
		{"magic 3", func(b []byte) { b[atMagic] = 3 }, true},
		{"magic 1", func(b []byte) { b[atMagic] = 1 }, true},
		{"magic 0", func(b []byte) { b[atMagic] = 0 }, true},
		{"base offset 5", put64(atBaseOffset, 5), true},
		{"no records by its header", put32(atRecords, 0), true},
		{"more records by its header", put32(atRecords, 3), true},
		{"fewer records by its header", put32(atRecords, 1), true},
		{"negative records", put32(atRecords, -1), true},
		{"last offset delta too large", put32(atLastDelta, 7), true},
		{"last offset delta negative", put32(atLastDelta, -1), true},
		{"control bit", put16(atAttributes, 0x20), true},
		{"LogAppendTime bit", put16(atAttributes, 0x08), true},
		{"transactional bit without a producer", put16(atAttributes, 0x10), true},
		{"unused attribute bit", put16(atAttributes, 0x80), true},
		{"codec 5", put16(atAttributes, 5), true},
		{"codec 7", put16(atAttributes, 7), true},
		{"producer -2", put64(atProducer, -2), true},
		{"producer without epoch", put64(atProducer, 4000), true},
		{"sequence without a producer", put32(atSequence, 3), true},
		{"epoch without a producer", put16(atEpoch, 3), true},
		{"records that end too soon", func(b []byte) { b[61] = 0x7e }, true},
		{"gzip that is none", put16(atAttributes, 1), true},
	} {
		refuse(one.op, s.changed(good, one.change, one.seal))
	}
	refuse("cut off in the records", good[:len(good)-3])
	refuse("cut off in the header", good[:40])
	refuse("three bytes", good[:3])
	refuse("two batches", append(append([]byte(nil), good...), good...))
	refuse("a batch and some bytes", append(append([]byte(nil), good...), 1, 2, 3))
	s.every("empty bytes", func(int16) kmsg.Request { return s.produceOf("refused", 38, []byte{}) })
	s.every("transactional id without a transaction", func(int16) kmsg.Request {
		req := s.produceOf("refused", 39, good)
		id := ""
		req.TransactionID = &id
		return req
	})
	s.limits()
}

// limits are those of configs.
func (s *Session) limits() {
	s.topic("small", 1, "max.message.bytes", "200")
	s.every("above max.message.bytes", func(int16) kmsg.Request {
		return s.produceOf("small", 0, s.batch(record.Settings{}, 0, strings.Repeat("x", 300)))
	})
	s.every("below max.message.bytes", func(int16) kmsg.Request { return s.produceOf("small", 0, s.batch(record.Settings{}, 0, "x")) })
	exact := s.batch(record.Settings{}, 0, "")
	s.topic("exact", 1, "max.message.bytes", fmt.Sprint(len(exact)))
	s.try("exactly max.message.bytes", "exact", 0, exact)
	s.try("one above max.message.bytes", "exact", 0, s.batch(record.Settings{}, 0, "x"))
	s.topic("compacted", 1, "cleanup.policy", "compact")
	keyless := record.NewBatch(record.Settings{}).Append(s.ms(0), []byte("k"), []byte("v")).Append(s.ms(0), nil, []byte("v")).Append(s.ms(0), nil, nil)
	batch, err := keyless.Seal()
	if err != nil {
		s.err = err
		return
	}
	s.every("no key on a compacted topic", func(int16) kmsg.Request { return s.produceOf("compacted", 0, batch) })
	s.every("keys on a compacted topic", func(int16) kmsg.Request { return s.produceOf("compacted", 0, s.batch(record.Settings{}, 0, "v")) })
	for _, codec := range []string{"gzip", "snappy", "lz4", "zstd", "uncompressed"} {
		s.topic("as."+codec, 1, "compression.type", codec)
		s.try("plain to compression.type "+codec, "as."+codec, 0, s.batch(record.Settings{}, 0, "a", "b"))
		s.try("gzip to compression.type "+codec, "as."+codec, 0, s.batch(record.Settings{Codec: record.CodecGzip}, 0, "c", "d"))
		s.every("from compression.type "+codec, func(int16) kmsg.Request { return s.fetchOf("as."+codec, 0, 0, 1<<20) })
	}
}

// timestamps are checked against the clock, or replaced by it.
func (s *Session) timestamps() {
	s.topic("appended", 1, "message.timestamp.type", "LogAppendTime")
	s.every("LogAppendTime", func(int16) kmsg.Request {
		return s.produceOf("appended", 0, s.batch(record.Settings{}, 0, "one", "two"))
	})
	s.every("LogAppendTime, gzip", func(int16) kmsg.Request {
		return s.produceOf("appended", 0, s.batch(record.Settings{Codec: record.CodecGzip}, 0, "one", "two"))
	})
	s.newest("LogAppendTime, read", func(int16) kmsg.Request { return s.fetchOf("appended", 0, 0, 1<<20) })
	s.topic("timely", 1, "message.timestamp.before.max.ms", "7200000", "message.timestamp.after.max.ms", "1000")
	for _, one := range []struct {
		op     string
		second int
	}{{"in time", 0}, {"too old", -7200}, {"too new", 7200}} {
		s.every("timestamps "+one.op, func(int16) kmsg.Request { return s.produceOf("timely", 0, s.batch(record.Settings{}, one.second, "x")) })
	}
	mixed := record.NewBatch(record.Settings{}).Append(s.ms(0), nil, []byte("good")).Append(s.ms(7200), nil, []byte("too new")).Append(s.ms(-7200), nil, []byte("too old"))
	batch, err := mixed.Seal()
	if err != nil {
		s.err = err
		return
	}
	s.every("some timestamps too far", func(int16) kmsg.Request { return s.produceOf("timely", 0, batch) })
	s.topic("any.time", 1)
	s.try("timestamp two hours ahead, defaults", "any.time", 0, s.batch(record.Settings{}, 7200+3600, "x"))
	s.try("timestamp years ago, defaults", "any.time", 0, s.batch(record.Settings{}, -3600*24*800, "x"))
	negative := s.changed(s.batch(record.Settings{}, 0, "x"), func(b []byte) {
		binary.BigEndian.PutUint64(b[27:], ^uint64(0))
		binary.BigEndian.PutUint64(b[35:], ^uint64(0))
	}, true)
	s.try("no timestamp", "any.time", 0, negative)
	s.newest("timestamps, read", func(int16) kmsg.Request { return s.fetchOf("any.time", 0, 0, 1<<20) })
}
