package deliver

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// A dead letter is the record with its key, value and headers, and headers that say where it lay and why it is here. Its batch has a
// producer id of its own, a hash of group, topic id, partition and offset, with sequence 0: whoever gives the same record up again, after a
// crash before the commit, writes what the fold knows for a duplicate. The limits are those of messages from queues: the partition's last
// 10,000 producers, for a day.

// Failure is why a record is given up.
type Failure struct {
	Reason  string
	Message string
}

// Reasons.
const (
	ReasonFunctionError = "function-error"
	ReasonTimeout       = "time-out"
	ReasonNamed         = "reported" // in batchItemFailures
	ReasonBadAnswer     = "bad-answer"
	ReasonTooLarge      = "too-large"
)

// Headers of dead letters.
const (
	HeaderTopic     = "firnlog-dead-topic"
	HeaderPartition = "firnlog-dead-partition"
	HeaderOffset    = "firnlog-dead-offset"
	HeaderTimestamp = "firnlog-dead-timestamp" // ms, of the record
	HeaderGroup     = "firnlog-dead-group"
	HeaderFunction  = "firnlog-dead-function"
	HeaderReason    = "firnlog-dead-reason"
	HeaderError     = "firnlog-dead-error"
	HeaderAttempts  = "firnlog-dead-attempts"
	HeaderLeftOut   = "firnlog-dead-left-out" // bytes of the value, which the dead-letter topic does not take
)

const messageBytesMax = 1 << 10

// Letter is a record that is given up.
type Letter struct {
	Record
	Failure
	Attempts int // failed invocations that it was in

	Group, Function, Topic string
	TopicID                record.TopicID
	Partition              int32
}

// Batch is the letter for a partition of the dead-letter topic: that of its key, or of its identity, so that it comes there again. bare: without value
// and headers of its own, where those are too large.
func (l *Letter) Batch(dead *ledger.Topic, now int64, bare bool) (in ingest.Incoming, err error) {
	id := l.producer()
	in.Partition = record.TopicPartition{Topic: dead.ID, Partition: int32(int64(id) % int64(dead.Partitions))}
	if l.Key != nil {
		in.Partition.Partition = record.PartitionForKey(l.Key, dead.Partitions)
	}
	value, headers := l.Value, l.headers(bare)
	if bare {
		value = nil
	}
	b := record.NewBatch(record.Settings{Sequence: &record.Sequence{Producer: id}})
	b.Append(now, l.Key, value, headers...)
	if in.Batch, err = b.Seal(); err != nil {
		return in, fmt.Errorf("make a dead letter: %w", err)
	}
	return in, nil
}

// producerBit keeps these ids apart from those that are handed out, which count from 0.
const producerBit = 1 << 62

func (l *Letter) producer() record.ProducerID {
	h := sha256.New()
	h.Write(l.TopicID[:])
	h.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, uint32(l.Partition)), uint64(l.Offset)))
	h.Write([]byte(l.Group))
	return record.ProducerID(binary.BigEndian.Uint64(h.Sum(nil))>>2 | producerBit)
}

func (l *Letter) headers(bare bool) (out []record.RecordHeader) {
	add := func(key, value string) { out = append(out, record.RecordHeader{Key: key, Value: []byte(value)}) }
	if !bare {
		out = append(out, l.Headers...)
	}
	add(HeaderTopic, l.Topic)
	add(HeaderPartition, strconv.Itoa(int(l.Partition)))
	add(HeaderOffset, strconv.FormatInt(int64(l.Offset), 10))
	add(HeaderTimestamp, strconv.FormatInt(l.Timestamp, 10))
	add(HeaderGroup, l.Group)
	add(HeaderFunction, l.Function)
	add(HeaderReason, l.Reason)
	add(HeaderError, clip(l.Message))
	add(HeaderAttempts, strconv.Itoa(l.Attempts))
	if bare {
		add(HeaderLeftOut, strconv.Itoa(len(l.Value)))
	}
	return out
}

// clip cuts a message at a whole character.
func clip(s string) string {
	if len(s) <= messageBytesMax {
		return s
	}
	n := messageBytesMax
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// Buried says that a letter is in the dead-letter topic, by this or by an earlier write.
func Buried(err error) bool { return err == nil || errors.Is(err, ingest.ErrOldDuplicate) }
