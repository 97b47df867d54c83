package restore

import (
	"cmp"
	"slices"
	"time"

	"github.com/firnlog/firnlog/core/record"
)

// Report says what a restore did, or would do.
type Report struct {
	Cluster string `json:"cluster"`
	// Backup and Taken: where it began. Through is the revision of the old etcd up to which the order is known, JournalObjects
	// how many led there.
	Backup         string    `json:"backup"`
	Taken          time.Time `json:"taken"`
	OldEra         string    `json:"oldEra"`
	Era            string    `json:"era"`
	Through        int64     `json:"through"`
	JournalObjects int       `json:"journalObjects"`
	// Gap: an object of the journal is missing, and what follows it was put back like what was never journaled.
	Gap        string       `json:"gap,omitempty"`
	PassedOver []PassedOver `json:"passedOver,omitempty"` // backups that could not be used

	Topics       int   `json:"topics"`
	Partitions   int   `json:"partitions"`
	Groups       int   `json:"groups"`
	Transactions int   `json:"transactions"`
	Records      int64 `json:"records"` // that can be read, log starts to ends
	Keys         int   `json:"keys"`    // written to etcd

	// PutBack is what was found after the last journal object: these offsets may not be those that were acknowledged.
	Segments int       `json:"segments"`
	PutBack  []PutBack `json:"putBack,omitempty"`
	Grown    []string  `json:"grown,omitempty"`
	// Records found and not put back: of transactions whose end is not known; whose predecessors are not there; of
	// topics that are not known.
	Transactional int64          `json:"transactional"`
	Refused       int64          `json:"refused"`
	Unknown       []UnknownTopic `json:"unknown,omitempty"`

	Aborted    []string  `json:"aborted,omitempty"` // transactional ids whose open transaction was aborted
	Fenced     []string  `json:"fenced,omitempty"`  // those whose producer must begin anew all the same
	Clamped    []Clamped `json:"clamped,omitempty"` // committed offsets beyond the end
	Missing    []Missing `json:"missing,omitempty"` // objects that partitions refer to
	Unreadable []string  `json:"unreadable,omitempty"`

	Floor uint64 `json:"floor"`

	transactional map[record.ProducerID]record.Epoch
}

// PassedOver is a backup that was not used, and why.
type PassedOver struct {
	Backup string `json:"backup"`
	Why    string `json:"why"`
}

// PutBack is what one partition got back: offsets from From to before To.
type PutBack struct {
	Topic     string        `json:"topic"`
	Partition int32         `json:"partition"`
	From      record.Offset `json:"from"`
	To        record.Offset `json:"to"`
	Records   int64         `json:"records"`
}

// UnknownTopic has records in the bucket, but was made after the last journaled revision: nothing says what it is called.
type UnknownTopic struct {
	ID      string `json:"id"`
	Records int64  `json:"records"`
}

// Clamped is a committed offset that was beyond the end of its partition.
type Clamped struct {
	Group     string        `json:"group"`
	Topic     string        `json:"topic"`
	Partition int32         `json:"partition"`
	From      record.Offset `json:"from"`
	To        record.Offset `json:"to"`
}

// Missing is an object that a partition refers to and the bucket does not have: these offsets cannot be read.
type Missing struct {
	Topic     string        `json:"topic"`
	Partition int32         `json:"partition"`
	Object    string        `json:"object"`
	From      record.Offset `json:"from"`
	To        record.Offset `json:"to"`
}

// Lossy says that something is not as it was up to the last journaled revision, or that acknowledged records may be missing.
func (r *Report) Lossy() bool {
	return len(r.Missing) > 0 || len(r.Unreadable) > 0 || len(r.Unknown) > 0
}

// RecordsPutBack counts them.
func (r *Report) RecordsPutBack() (n int64) {
	for _, p := range r.PutBack {
		n += p.Records
	}
	return n
}

func (r *Report) putBack(topic string, partition int32, base record.Offset, records int64) {
	at, ok := slices.BinarySearchFunc(r.PutBack, PutBack{Topic: topic, Partition: partition}, func(a, b PutBack) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	if !ok {
		r.PutBack = slices.Insert(r.PutBack, at, PutBack{Topic: topic, Partition: partition, From: base})
	}
	p := &r.PutBack[at]
	p.To, p.Records = base+record.Offset(records), p.Records+records
}

func (r *Report) unknown(topic string, records int64) {
	at := slices.IndexFunc(r.Unknown, func(u UnknownTopic) bool { return u.ID == topic })
	if at < 0 {
		at = len(r.Unknown)
		r.Unknown = append(r.Unknown, UnknownTopic{ID: topic})
	}
	r.Unknown[at].Records += records
}
