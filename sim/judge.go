package sim

import (
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
)

// Judge knows everything: it sees each revision of the KV as it is made and each
// object as it lands, and is told what clients sent, got and read. It has two
// opinions of each batch: that of the shipped fold, run from the beginning of
// time, and its own, which knows batches by their uids.
//
// It decides nothing and delays nothing; its methods only note violations.
type Judge struct {
	mu       sync.Mutex
	keys     coordination.Keys
	violated func(Violation)
	note     func(partition, what string) // for the transcript
	began    time.Time

	shipped  *ledger.Ledger
	rev      coordination.Revision
	floor    coordination.Mark
	stamp    coordination.Mark
	topics   map[string]record.TopicID
	alive    map[record.TopicID]int32 // partitions
	existed  map[record.TopicID]bool
	objects  map[ulid.ULID][]byte
	listed   map[ulid.ULID]map[ulid.ULID]bool // of manifests: what each names
	pages    map[ulid.ULID][]manifest.Entry
	roots    map[ulid.ULID]*manifest.Root
	walked   map[walked]bool      // references whose bytes were looked at
	segments map[ulid.ULID]string // the commit key that brought it
	commits  map[string]bool      // keys there now
	logs     map[record.TopicPartition]*partitionLog
	sent     map[int64]*Sent
	ids      map[record.ProducerID]bool
	every    coordination.Revision // digests are kept of each so many revisions
	digests  map[coordination.Revision]map[record.TopicPartition]uint64
	sampled  coordination.Revision
	counts   Counts
	blind    bool // towards the stream

	policies         map[record.TopicID]*policies
	fastest, slowest time.Duration                              // of all clocks
	moved            func(record.TopicPartition, record.Offset) // a log start, by retention; may be nil
}

// Counts say how much a history held.
type Counts struct {
	Commits, Batches, Acks, Reads, Compared, Expired, Heads, Deleted, Transactions, Settled, Manifests int
	Compacted, Retained, Groups, Chilled                                                               int // records gone, log starts moved, swaps, objects

	Windows, Undecided int // of calls that were searched for an order, and those where that took too long
}

// Sent is one batch as a client sent it. Its uid stands in the batch as first timestamp.
type Sent struct {
	UID       int64
	Partition record.TopicPartition
	Records   int32
	CRC       uint32
	Producer  record.ProducerID
	Epoch     record.Epoch
	Sequence  int32
	base      record.Offset // where it was appended
	appended  bool

	Transaction *transaction // nil: of none
	fate        fate

	contents []content // its records
	bytes    int64
	at       time.Time // when it was appended
	gone     uint8     // records that log compaction has taken, a bit each
	horizon  int64     // its delete horizon, once it was cleaned
	parts    []*Sent   // of a marker: what it ended
}

// Violation is one thing that must never be.
type Violation struct {
	Checker string
	Key     string // what to look for in the transcript
	What    string
	At      time.Duration
}

func (v Violation) String() string { return fmt.Sprintf("%s at %v: %s", v.Checker, v.At, v.What) }

// partitionLog is what a partition holds, by the judge's own count.
type partitionLog struct {
	name      string
	tp        record.TopicPartition
	next      record.Offset
	start     record.Offset // as DeleteRecords has told somebody
	batches   []*Sent       // in the order of offsets
	producers map[record.ProducerID]*memo
	acked     record.Offset // end of what was acknowledged

	begin    record.Offset               // log start, as heads say
	asked    record.Offset               // of DeleteRecords
	retained map[record.Offset]time.Time // log starts that retention has decided on, and when
	named    map[named]bool              // what the last head refers to
	left     map[named]bool              // what an earlier one did, and the last one does not
}

// memo is the judge's own idea of what a partition knows of a producer.
type memo struct {
	epoch record.Epoch
	next  int32
	rev   coordination.Revision

	closed int64   // transactions up to this serial have ended
	open   int64   // serial of the open one; 0: none
	parts  []*Sent // of the open one
}

// NewJudge makes a judge. violated and note are called under the judge's lock.
func NewJudge(keys coordination.Keys, violated func(Violation), note func(partition, what string)) *Judge {
	return &Judge{keys: keys, violated: violated, note: note, began: time.Now(),
		topics: map[string]record.TopicID{}, alive: map[record.TopicID]int32{}, existed: map[record.TopicID]bool{},
		objects: map[ulid.ULID][]byte{}, listed: map[ulid.ULID]map[ulid.ULID]bool{}, pages: map[ulid.ULID][]manifest.Entry{}, roots: map[ulid.ULID]*manifest.Root{},
		walked: map[walked]bool{}, segments: map[ulid.ULID]string{}, commits: map[string]bool{},
		logs: map[record.TopicPartition]*partitionLog{}, sent: map[int64]*Sent{}, ids: map[record.ProducerID]bool{},
		policies: map[record.TopicID]*policies{}, every: 16, digests: map[coordination.Revision]map[record.TopicPartition]uint64{}}
}

func (j *Judge) bad(checker, key, format string, args ...any) {
	j.violated(Violation{checker, key, fmt.Sprintf(format, args...), time.Since(j.began)})
}

func (j *Judge) log(tp record.TopicPartition) *partitionLog {
	p := j.logs[tp]
	if p == nil {
		p = &partitionLog{name: nameOf(tp), tp: tp, producers: map[record.ProducerID]*memo{}, retained: map[record.Offset]time.Time{}, left: map[named]bool{}}
		j.logs[tp] = p
	}
	return p
}

// nameOf is the end of the key of a partition's head.
func nameOf(tp record.TopicPartition) string {
	return fmt.Sprintf("%s/%010d", hex.EncodeToString(tp.Topic[:]), tp.Partition)
}

// Send notes what a client is about to send.
func (j *Judge) Send(s *Sent) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sent[s.UID] = s
}

// Handed notes a producer id that an instance handed out.
func (j *Judge) Handed(id record.ProducerID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ids[id] {
		j.bad("producer id twice", "producers/next", "id %d", id)
	}
	j.ids[id] = true
}

// Counts so far.
func (j *Judge) Counts() Counts {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.counts
}

// Partitions lists the partitions that are alive, in order.
func (j *Judge) Partitions() (out []record.TopicPartition) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.shipped == nil {
		return nil
	}
	for _, name := range sortedKeys(j.topics) {
		id := j.topics[name]
		for i := range j.alive[id] {
			out = append(out, record.TopicPartition{Topic: id, Partition: i})
		}
	}
	return out
}

// has says whether a partition is alive by the judge's own count.
func (j *Judge) has(tp record.TopicPartition) bool {
	n, ok := j.alive[tp.Topic]
	return ok && tp.Partition < n
}
