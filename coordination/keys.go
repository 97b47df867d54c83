package coordination

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"
)

// Keys is the table of all keys of one cluster in etcd. One card per family:
//
//	key                            value                                            written by
//	log/format                     version in force, era, features (JSON)           creation, upgrade, restore
//	log/stamp, log/floor           Mark: 8 bytes, big endian ms; only ever grow      upkeep
//	log/topics/<name>              id, partitions, configs (JSON)                    admin
//	log/commits/<ULID>             a commit (core/ledger); emptied once covered      ingest, txn, upkeep
//	log/heads/<topic>/<partition>  a head (core/ledger)                             checkpoint, settle, retain, DeleteRecords
//	instances/<node>               addresses, zone (JSON; leased)                    each instance
//	instances/callers/<key>        a function that may call instances, by its public key (leased)  functions
//	leases/<duty>                  who does this duty (leased)                       upkeep
//	upkeep                         what maintenance by functions remembers (JSON; core/maintain); no state of the cluster  maintain
//	covered                        revision, decimal: every commit created up to it is covered by the heads of all its partitions. A hint that is always true: who reads commits need not read these  upkeep
//	restore                        the era that a restore is about to begin; gone when it has  restore
//	producers/next                 next block of producer ids (decimal)              producer ids
//	transactions/<id>              a transactional id: its producer and what is open (JSON; core/txn)  txn
//	groups/<group>                 coordinator, members, assignment (JSON; core/group)  group
//	groups/<group>/members/<member>  a member that is served by whoever is asked: what it must know (JSON; leased)  group
//	groups/<group>/offsets/<topic>  committed offsets of one topic (JSON; core/group)  group, txn
//	groups/<group>/grace            while it is there, members that nobody can hear any more keep their places (leased)  group
//	groups/<group>/pending/<id>     offsets that an open transaction will commit (JSON; core/group)  group, txn
//	users/<name>                    credentials of a user, salted (JSON; core/auth)         admin
//	acls/<id>                       one ACL, under a hash of what it says (JSON; core/acl)  admin
//	quotas/<id>                     limits of a user, client id or address, under a hash of whom they are for (JSON; core/quota)  admin
//	pepper                          random bytes that salts of unknown users are made from  admin
//
// <group>, <member>, the <name> of users and the <id> of transactions are escaped as in the path of a URL, since they may be any text: "/" is %2F.
//
// <topic> is 32 hex digits, <partition> 10 decimal digits with leading zeros, so that
// byte order is numeric order.
type Keys struct{ root string }

// NewKeys gives the keys of a cluster: all lie below /firnlog/<cluster>/.
func NewKeys(cluster string) Keys { return Keys{"/firnlog/" + cluster + "/"} }

// Root is the prefix of everything of this cluster.
func (k Keys) Root() string { return k.root }

// Log is the prefix of the one stream: all that the fold depends on.
func (k Keys) Log() string { return k.root + "log/" }

// Format holds the format version in force and the era.
func (k Keys) Format() string { return k.root + "log/format" }

// Stamp is the mark from which ids take their time.
func (k Keys) Stamp() string { return k.root + "log/stamp" }

// Floor is the mark at or below which no id may be committed or newly referred to.
func (k Keys) Floor() string { return k.root + "log/floor" }

// Topics is the prefix of all topics.
func (k Keys) Topics() string { return k.root + "log/topics/" }

// Topic holds one topic by name.
func (k Keys) Topic(name string) string { return k.Topics() + name }

// Commits is the prefix of all commits.
func (k Keys) Commits() string { return k.root + "log/commits/" }

// Commit holds one commit.
func (k Keys) Commit(id ulid.ULID) string { return k.Commits() + id.String() }

// Heads is the prefix of all heads.
func (k Keys) Heads() string { return k.root + "log/heads/" }

// TopicHeads is the prefix of the heads of one topic.
func (k Keys) TopicHeads(topic [16]byte) string {
	return k.Heads() + hex.EncodeToString(topic[:]) + "/"
}

// Head holds the head of one partition.
func (k Keys) Head(topic [16]byte, partition int32) string {
	return k.Heads() + headName(topic, partition)
}

func headName(topic [16]byte, partition int32) string {
	return fmt.Sprintf("%x/%010d", topic[:], partition)
}

// Instances is the prefix of all live instances.
func (k Keys) Instances() string { return k.root + "instances/" }

// Instance holds one live instance.
func (k Keys) Instance(node int32) string { return k.Instances() + strconv.Itoa(int(node)) }

// Lease says who does a maintenance duty.
func (k Keys) Lease(duty string) string { return k.root + "leases/" + duty }

// Upkeep is what maintenance remembers that no process does. It may be lost at any time.
func (k Keys) Upkeep() string { return k.root + "upkeep" }

// Covered holds a revision up to which heads cover all commits. It may be behind, or missing.
func (k Keys) Covered() string { return k.root + "covered" }

// Restore is there while a restore writes: until it has, there is no Format, so nobody else can write.
func (k Keys) Restore() string { return k.root + "restore" }

// ProducersNext holds the first producer id that no instance has taken.
func (k Keys) ProducersNext() string { return k.root + "producers/next" }

// Transactions is the prefix of all transactional ids.
func (k Keys) Transactions() string { return k.root + "transactions/" }

// Transaction holds one transactional id.
func (k Keys) Transaction(id string) string { return k.Transactions() + url.PathEscape(id) }

// ParseTransaction gives the transactional id of a key below Transactions.
func (k Keys) ParseTransaction(key string) (id string, ok bool) {
	name, ok := strings.CutPrefix(key, k.Transactions())
	if !ok {
		return "", false
	}
	id, err := url.PathUnescape(name)
	return id, err == nil && id != "" && k.Transaction(id) == key
}

// Groups is the prefix of all groups and their offsets.
func (k Keys) Groups() string { return k.root + "groups/" }

// Group holds one group: who coordinates it, its members and what they have.
func (k Keys) Group(group string) string { return k.Groups() + url.PathEscape(group) }

// GroupBelow is the prefix of all keys of a group but Group itself.
func (k Keys) GroupBelow(group string) string { return k.Group(group) + "/" }

// GroupMembers is the prefix of a group's members that nobody holds in memory.
func (k Keys) GroupMembers(group string) string { return k.GroupBelow(group) + "members/" }

// GroupMember holds one of them.
func (k Keys) GroupMember(group, member string) string {
	return k.GroupMembers(group) + url.PathEscape(member)
}

// GroupOffsets is the prefix of a group's committed offsets.
func (k Keys) GroupOffsets(group string) string { return k.GroupBelow(group) + "offsets/" }

// GroupOffset holds what a group has committed for all partitions of one topic.
func (k Keys) GroupOffset(group, topic string) string { return k.GroupOffsets(group) + topic }

// GroupGrace is there while members that only a coordinator's memory could judge are not put out: none lives.
func (k Keys) GroupGrace(group string) string { return k.GroupBelow(group) + "grace" }

// GroupPendings is the prefix of the offsets that open transactions will commit for a group.
func (k Keys) GroupPendings(group string) string { return k.GroupBelow(group) + "pending/" }

// GroupPending holds what one open transaction will commit for a group.
func (k Keys) GroupPending(group, transaction string) string {
	return k.GroupPendings(group) + url.PathEscape(transaction)
}

// ParseGroup takes a key below Groups apart: of a group (topic is "") or of its offsets of a topic.
func (k Keys) ParseGroup(key string) (group, topic string, ok bool) {
	rest, ok := strings.CutPrefix(key, k.Groups())
	if !ok {
		return "", "", false
	}
	name, below, _ := strings.Cut(rest, "/")
	group, err := url.PathUnescape(name)
	if err != nil || group == "" {
		return "", "", false
	}
	if key == k.Group(group) {
		return group, "", true
	}
	topic, ok = strings.CutPrefix(below, "offsets/")
	if !ok || topic == "" || key != k.GroupOffset(group, topic) {
		return "", "", false
	}
	return group, topic, true
}

// Family is the kind of a key below Log.
type Family int

// The families below Log. FamilyOther is a key that this version does not know.
const (
	FamilyOther Family = iota
	FamilyFormat
	FamilyStamp
	FamilyFloor
	FamilyTopic
	FamilyCommit
	FamilyHead
)

// LogKey is a parsed key below Log.
type LogKey struct {
	Family    Family
	Name      string    // of a topic
	ID        ulid.ULID // of a commit
	Topic     [16]byte  // of a head
	Partition int32     // of a head
}

// ParseLog takes a key below Log apart. An unknown or malformed one is FamilyOther.
func (k Keys) ParseLog(key string) LogKey {
	rest, ok := strings.CutPrefix(key, k.Log())
	if !ok {
		return LogKey{}
	}
	family, name, below := strings.Cut(rest, "/")
	if !below {
		return LogKey{Family: singleFamily(family)}
	}
	switch family {
	case "topics":
		if name != "" && !strings.Contains(name, "/") {
			return LogKey{Family: FamilyTopic, Name: name}
		}
	case "commits":
		if id, err := ulid.ParseStrict(name); err == nil && id.String() == name {
			return LogKey{Family: FamilyCommit, ID: id}
		}
	case "heads":
		return parseHead(name)
	}
	return LogKey{}
}

func singleFamily(name string) Family {
	switch name {
	case "format":
		return FamilyFormat
	case "stamp":
		return FamilyStamp
	case "floor":
		return FamilyFloor
	}
	return FamilyOther
}

// parseHead takes only what Head writes: two spellings of one head would be two heads.
func parseHead(name string) LogKey {
	id, partition, ok := strings.Cut(name, "/")
	raw, err := hex.DecodeString(id)
	n, err2 := strconv.ParseInt(partition, 10, 32)
	if !ok || err != nil || err2 != nil || len(raw) != 16 || n < 0 {
		return LogKey{}
	}
	key := LogKey{Family: FamilyHead, Topic: [16]byte(raw), Partition: int32(n)}
	if headName(key.Topic, key.Partition) != name {
		return LogKey{}
	}
	return key
}

// ParseInstance gives the node id of a key below Instances.
func (k Keys) ParseInstance(key string) (node int32, ok bool) {
	rest, ok := strings.CutPrefix(key, k.Instances())
	n, err := strconv.ParseInt(rest, 10, 32)
	if !ok || err != nil || n < 0 || k.Instance(int32(n)) != key {
		return 0, false
	}
	return int32(n), true
}

// Mark is the value of stamp or floor: a ULID time part in milliseconds. Its bytes have a fixed width,
// since etcd compares values as bytes.
type Mark uint64

// MarkOf is the time part of an id. An id is "at or below" a mark by this alone.
func MarkOf(id ulid.ULID) Mark { return Mark(id.Time()) }

// Bytes is the value in etcd.
func (m Mark) Bytes() []byte { return binary.BigEndian.AppendUint64(nil, uint64(m)) }

// ParseMark reads a value.
func ParseMark(b []byte) (Mark, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("mark of %d bytes: want 8", len(b))
	}
	return Mark(binary.BigEndian.Uint64(b)), nil
}
