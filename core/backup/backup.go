// Package backup writes what etcd holds to the bucket, so that a lost etcd can be rebuilt from the bucket alone
// (core/restore does that).
//
//	backups/<id>           root of a backup: all keys but leased ones, as of one revision; put last, so a root is a whole backup
//	backups/parts/<id>     the keys, some MiB in each
//	journal/<era>/<id>     all changes of revisions (From, Through], in order
//
// Owns: the formats of these objects, when they are written, and which of them are needed no more.
//
// Does not own: deleting them (sweep alone deletes; it is told by Outlived), what their keys mean (core/ledger, core/group,
// core/txn), and making an etcd from them.
//
// # An object
//
//	8 bytes   magic "FIRNBKP1" (root), "FIRNBPT1" (part), "FIRNJNL1" (journal)
//	4 bytes   length of the header, big endian
//	header    JSON; its "version" is 1
//	zstd      entries, compressed as one frame
//	4 bytes   CRC-32C of all before, big endian
//
// An entry, where n is an unsigned and z a signed varint:
//
//	flags     1 byte: 1 the key was deleted; 2 the key was created by this change; 0 otherwise
//	mod       z, revision of the change (difference to the entry before)
//	create    n, with flags 0 only
//	key       n, bytes; relative to the cluster's root
//	value     n, bytes
//
// # The journal and trimming
//
// Commits are emptied and deleted by trim without regard to the journal, since a journal that cannot be written must not fill
// etcd. It misses nothing all the same: it is read as a watch from the last journaled revision on, and etcd keeps the history of
// the last minutes whatever was deleted since. When that history is compacted away, because nothing could be written for that
// long, a backup takes its place: heads cover every commit that was trimmed. An object names the revisions that it
// covers; a restore follows them without a gap, and an overlap (two writers at once) is harmless.
//
// A journal object holds every commit and every change of a topic, in order, and the last value in it of any other key that is
// not leased: groups, offsets, transactions, users. Of heads it keeps the log start alone, since the rest follows from commits.
package backup

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// Prefixes of the bucket.
const (
	RootPrefix    = "backups/"
	PartPrefix    = "backups/parts/"
	JournalPrefix = "journal/"
)

// Settings of a Keeper.
type Settings struct {
	Store   objectstore.Store
	KV      coordination.KV
	Cluster string
	Now     func() time.Time
	Entropy io.Reader // of ids; used under a lock
	Log     *slog.Logger
	Holder  string // who holds the duty, for people who look

	JournalEvery time.Duration // 0: no journal
	BackupEvery  time.Duration // 0: only those that the journal needs
	// A backup is kept while it is one of the Keep newest, or younger than KeepFor.
	Keep     int
	KeepFor  time.Duration
	LeaseTTL time.Duration
	PartMax  int // bytes of a part before compression; 0: 8 MiB
}

// Keeper writes backups and the journal. What it remembers may be lost at any time.
type Keeper struct {
	Settings
	keys coordination.Keys

	entropy sync.Mutex
	turn    chan struct{} // holds one token: who has it may write
	journal position      // for the holder of the token
	named   struct {
		sync.Mutex
		journals map[string]namedSegments // by key of the object
	}
}

// partMax is the usual size of a part.
const partMax = 8 << 20

// New makes a Keeper; Run starts it, or call its steps.
func New(s Settings) *Keeper {
	if s.PartMax == 0 {
		s.PartMax = partMax
	}
	k := &Keeper{Settings: s, keys: coordination.NewKeys(s.Cluster), turn: make(chan struct{}, 1)}
	k.turn <- struct{}{}
	k.named.journals = map[string]namedSegments{}
	return k
}

// RootKey names the root of a backup.
func RootKey(id ulid.ULID) string { return RootPrefix + id.String() }

// PartKey names a part of one.
func PartKey(id ulid.ULID) string { return PartPrefix + id.String() }

// JournalKey names a journal object.
func JournalKey(era string, id ulid.ULID) string { return JournalPrefix + era + "/" + id.String() }

// idAheadMax is how far an id may be ahead of the stamp; core/stream keeps to the same.
const idAheadMax = 10 * time.Minute

// newID draws an id as every instance does: by its own clock, held between the stamp and ten minutes more.
func (k *Keeper) newID(stamp coordination.Mark) (id ulid.ULID, err error) {
	ms := max(int64(stamp), min(k.Now().UnixMilli(), int64(stamp)+idAheadMax.Milliseconds()))
	k.entropy.Lock()
	defer k.entropy.Unlock()
	if id, err = ulid.New(uint64(ms), k.Entropy); err != nil {
		return id, fmt.Errorf("draw an id: %w", err)
	}
	return id, nil
}

// IsLeased says of a key, relative to the root, that it lives with a process and is no state of the cluster; what maintenance
// remembers is none either.
func IsLeased(key string) bool {
	family, rest, _ := strings.Cut(key, "/")
	switch family {
	case "instances", "leases", "restore", "upkeep", "covered":
		return true
	case "groups":
		_, below, _ := strings.Cut(rest, "/")
		return strings.HasPrefix(below, "members/")
	}
	return false
}

// headOf reads the partition of a head's key.
func headOf(key coordination.LogKey) record.TopicPartition {
	return record.TopicPartition{Topic: key.Topic, Partition: key.Partition}
}
