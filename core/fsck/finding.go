package fsck

import "fmt"

// Severity says whether a finding harms.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // something cannot be read, or is wrong: fsck ends with 1
	Warning Severity = "warning" // costs money, or will harm if nothing is done
	Note    Severity = "note"    // as it should be; said for completeness
)

// Kind is what was found.
type Kind string

// The kinds of findings. What they mean, and what to do, is in advices.
const (
	Undecodable    Kind = "undecodable"
	UnknownKey     Kind = "unknown-key"
	Marks          Kind = "marks"
	LeftoverHead   Kind = "leftover-head"
	HeadRange      Kind = "head-range"
	Gap            Kind = "gap"
	Overlap        Kind = "overlap"
	AbortedList    Kind = "aborted-list"
	ProducerWindow Kind = "producer-window"
	ProducerNext   Kind = "producer-ids"
	Hanging        Kind = "hanging-transaction"
	Transaction    Kind = "transaction-state"
	OffsetBeyond   Kind = "offset-beyond-end"
	OffsetBelow    Kind = "offset-below-start"
	OffsetNowhere  Kind = "offset-of-nothing"
	ManifestBad    Kind = "manifest-unreadable"
	ManifestSums   Kind = "manifest-sums"
	Missing        Kind = "missing-object"
	Short          Kind = "short-object"
	Corrupt        Kind = "corrupt-bytes"
	WrongOffsets   Kind = "wrong-offsets"
	WrongIndex     Kind = "wrong-index"
	TimeIndex      Kind = "time-index"
	BackupBad      Kind = "backup-unreadable"
	BackupNone     Kind = "no-backup"
	JournalGap     Kind = "journal-gap"
	ForeignName    Kind = "foreign-name"
	Unreferenced   Kind = "unreferenced"
	Unswept        Kind = "unswept"
	Young          Kind = "too-young"
	ForBackups     Kind = "kept-for-backups"
	EarlierEra     Kind = "earlier-era"
)

// advice says of a kind what it means and what to do.
type advice struct {
	severity  Severity
	means, do string
}

var advices = map[Kind]advice{
	Undecodable:    {Error, "a value in etcd cannot be read, and instances stop at it", "if a newer version wrote it, run that version; else restore etcd from the bucket (firnlog restore)"},
	UnknownKey:     {Error, "a key in the log that this version does not know: instances stop at it", "if a newer version wrote it, run that version; else find out who did, and delete it"},
	Marks:          {Error, "stamp and floor do not fit: ids may be refused, or sweep may delete too much", "stop the brokers and restore etcd from the bucket (firnlog restore)"},
	LeftoverHead:   {Warning, "a head of a partition that does not exist: what it refers to is kept for ever", "nothing reads it; find out who wrote to etcd by hand, and delete the key"},
	HeadRange:      {Error, "a head says of itself what cannot be", "restore etcd from the bucket (firnlog restore); keep a copy of etcd's data for an analysis"},
	Gap:            {Error, "offsets that no reference covers: reading them fails", "restore etcd from the bucket, if a backup still refers to them; else skip them with DeleteRecords (kafka-delete-records) or in the consumer"},
	Overlap:        {Error, "two references cover the same offsets: which is read depends on the reader", "restore etcd from the bucket (firnlog restore)"},
	AbortedList:    {Error, "aborted transactions and their markers do not fit: read_committed readers may see aborted records", "restore etcd from the bucket (firnlog restore); do not trust read_committed of these offsets until then"},
	ProducerWindow: {Error, "what the partition remembers of a producer cannot be: its retries may be doubled or refused", "restart that producer, so that it asks for a new id"},
	ProducerNext:   {Error, "producer ids may be given out twice: batches may be taken for duplicates of another producer's", "set producers/next in etcd above the id that is named"},
	Hanging:        {Error, "an open transaction that no transactional id will end: read_committed readers wait for ever", "kafka-transactions.sh abort --topic TOPIC --partition N --start-offset OFFSET"},
	Transaction:    {Warning, "the state of a transactional id does not fit", "look at it with kafka-transactions.sh describe; aborting the transaction puts it right"},
	OffsetBeyond:   {Error, "a group has committed an offset that does not exist yet: it will skip records or reset", "kafka-consumer-groups.sh --reset-offsets, if nobody committed it on purpose"},
	OffsetBelow:    {Note, "a group's offset has been overtaken by retention: it goes on by its auto.offset.reset", "nothing, if that group has been away for long"},
	OffsetNowhere:  {Note, "committed offsets of a topic or partition that does not exist (any more)", "nothing; they go with the group"},
	ManifestBad:    {Error, "a manifest cannot be read: nothing that it lists can be", "bring the object back (versions of the bucket, a copy); or restore etcd from an older backup"},
	ManifestSums:   {Error, "a manifest is not what its head, or a page not what its root says", "bring the object back (versions of the bucket, a copy); or restore etcd from an older backup"},
	Missing:        {Error, "an object that is referred to is not in the bucket: its records are lost, unless it comes back", "bring it back (versions of the bucket, a copy); look for who deletes there: lifecycle rules, other clusters, people"},
	Short:          {Error, "an object is shorter than what is referred to in it", "bring the whole object back (versions of the bucket, a copy)"},
	Corrupt:        {Error, "bytes are not those that were written: reading them fails, the rest of the partition is not affected", "bring the object back (versions of the bucket, a copy); else skip the offsets with DeleteRecords or in the consumer"},
	WrongOffsets:   {Error, "an object holds other offsets than its reference says", "restore etcd from the bucket (firnlog restore); keep the object for an analysis"},
	WrongIndex:     {Error, "an object's index is not what its bytes or its reference say", "bring the object back (versions of the bucket, a copy); keep the one that is there for an analysis"},
	TimeIndex:      {Warning, "records are newer than their reference says: lookups by time may miss them", "nothing is lost; keep the object for an analysis"},
	BackupBad:      {Error, "a backup or journal object cannot be read: a restore passes it over", "take a new backup now (firnlog backup)"},
	BackupNone:     {Warning, "there is no backup of this era: a lost etcd could not be restored", "take one (firnlog backup), and let the brokers take them (--backup-every, --journal-every)"},
	JournalGap:     {Error, "the journal after the newest backup has a gap: a restore ends before it", "take a new backup now (firnlog backup)"},
	ForeignName:    {Warning, "objects with names that firnlog does not give; it never touches them", "move them elsewhere; a bucket or prefix should be one cluster's alone"},
	Unreferenced:   {Note, "objects that nothing refers to; sweep deletes them", "nothing"},
	Unswept:        {Warning, "objects that nothing refers to for more than a day: sweep does not get at them, and they cost money", "look for errors of the step \"sweep\" in the logs of the brokers"},
	Young:          {Note, "objects that nothing refers to yet; they are above the floor, so they still may be", "nothing"},
	ForBackups:     {Note, "objects that only retained backups refer to; they are kept as long as those (--backup-keep-for)", "nothing"},
	EarlierEra:     {Note, "objects of an earlier era that nothing refers to; sweep leaves them alone", "delete them by hand, when you are sure that nothing will be restored from them"},
}

// Finding is one thing that was found, or many of one kind in the bucket.
type Finding struct {
	Severity Severity `json:"severity"`
	Kind     Kind     `json:"kind"`
	Where    string   `json:"where,omitempty"` // topic/partition, or a key
	What     string   `json:"what,omitempty"`
	Means    string   `json:"means"`
	Do       string   `json:"do"`

	Objects int64    `json:"objects,omitempty"` // of many
	Bytes   int64    `json:"bytes,omitempty"`
	Keys    []string `json:"keys,omitempty"` // some of them
}

func finding(k Kind, where, format string, args ...any) Finding {
	a := advices[k]
	return Finding{Severity: a.severity, Kind: k, Where: where, What: fmt.Sprintf(format, args...), Means: a.means, Do: a.do}
}

// found gathers the findings of one partition.
type found struct {
	where string
	all   []Finding
}

func (f *found) add(k Kind, format string, args ...any) {
	f.all = append(f.all, finding(k, f.where, format, args...))
}
