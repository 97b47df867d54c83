package topic

import (
	"math"
	"strings"
)

// Names of the configs that code asks for.
const (
	CleanupPolicy       = "cleanup.policy"
	ColdAfterMs         = "firnlog.cold.after.ms"
	ColdStorageClass    = "firnlog.cold.storage.class"
	Compression         = "compression.type"
	DeleteRetentionMs   = "delete.retention.ms"
	FlushMessages       = "flush.messages"
	FlushMs             = "flush.ms"
	MaxCompactionLagMs  = "max.compaction.lag.ms"
	MaxMessageBytes     = "max.message.bytes"
	TimestampAfterMax   = "message.timestamp.after.max.ms"
	TimestampBeforeMax  = "message.timestamp.before.max.ms"
	MessageTimestamp    = "message.timestamp.type"
	MinCleanableRatio   = "min.cleanable.dirty.ratio"
	MinCompactionLagMs  = "min.compaction.lag.ms"
	RetentionBytes      = "retention.bytes"
	RetentionMs         = "retention.ms"
	SegmentMs           = "segment.ms"
	SettleCompression   = "firnlog.settle.compression"
	longMax             = "9223372036854775807"
	defaultMessageBytes = 1048588
	defaultAfterMaxMs   = 3_600_000
	defaultRetentionMs  = 604_800_000
	defaultTombstoneMs  = 86_400_000
	defaultDirtyRatio   = 0.5
)

// table is every topic config, sorted by name. It is data, never written to.
//
// Defaults are those of Kafka 4. The last ones that Kafka 4 removed (message.format.version and
// others) are accepted since older tools still copy them.
var table = [...]Config{
	{CleanupPolicy, List, "delete", true, "log.cleanup.policy",
		"What happens to old records: delete removes them after retention.ms or beyond retention.bytes, compact keeps the newest record of each key, both together do both. An empty list keeps everything.",
		listOf("delete", "compact")},
	{"compression.gzip.level", Int, "-1", true, "compression.gzip.level",
		"Level of gzip where compression.type is gzip: 1 (fast) to 9 (small), -1 for the library's default.", gzipLevel},
	{"compression.lz4.level", Int, "9", true, "compression.lz4.level",
		"Level of lz4 where compression.type is lz4: 1 to 17.", between(1, 17)},
	{Compression, String, "producer", true, "compression.type",
		"How batches are stored: producer keeps them as they come; gzip, snappy, lz4, zstd or uncompressed rewrite those that come otherwise.",
		oneOf("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")},
	{"compression.zstd.level", Int, "3", true, "compression.zstd.level",
		"Level of zstd where compression.type is zstd: -131072 (fast) to 22 (small).", between(-131072, 22)},
	{DeleteRetentionMs, Long, "86400000", true, "log.cleaner.delete.retention.ms",
		"How long, in ms, a compacted topic keeps a tombstone after it has been compacted for the first time.", atLeast(0)},
	{"file.delete.delay.ms", Long, "60000", false, "log.segment.delete.delay.ms",
		"Kept only. Deleted objects go when sweep has found them unreferenced twice.", atLeast(0)},
	{ColdAfterMs, Long, "-1", true, "",
		"Age, in ms, at which what was settled for good moves to cold storage: to the class of firnlog.cold.storage.class, in the bucket of --cold-store if there is one. -1: never. Topics whose cleanup.policy has compact stay where they are.", atLeast(-1)},
	{ColdStorageClass, String, "", true, "",
		"Storage class of cold objects, as the object store names it (STANDARD_IA, GLACIER_IR, …). Empty: the bucket's own. Classes whose objects cannot be read at once (GLACIER, DEEP_ARCHIVE) are refused.", storageClass},
	{SettleCompression, String, "producer", true, "",
		"How batches are packed when they are settled: producer leaves them as they are; gzip, snappy, lz4, zstd or uncompressed rewrite those that are packed otherwise and become smaller by it. Offsets, producers, sequences and timestamps stay.",
		oneOf("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")},
	{FlushMessages, Long, longMax, false, "log.flush.interval.messages",
		"Kept only. Every acknowledged record is durable.", atLeast(1)},
	{FlushMs, Long, longMax, true, "log.flush.scheduler.interval.ms",
		"Upper bound, in ms, of the time that records of this topic wait in an instance before they are written. Lowers the instance's linger, never raises it.", atLeast(0)},
	{"follower.replication.throttled.replicas", List, "", false, "follower.replication.throttled.replicas",
		"Kept only. There is no replication between instances.", nil},
	{"index.interval.bytes", Int, "4096", false, "log.index.interval.bytes",
		"Kept only. Objects carry an index of their batches.", atLeast(0)},
	{"leader.replication.throttled.replicas", List, "", false, "leader.replication.throttled.replicas",
		"Kept only. There is no replication between instances.", nil},
	{"local.retention.bytes", Long, "-2", false, "log.local.retention.bytes",
		"Kept only. Nothing is stored on an instance.", atLeast(-2)},
	{"local.retention.ms", Long, "-2", false, "log.local.retention.ms",
		"Kept only. Nothing is stored on an instance.", atLeast(-2)},
	{MaxCompactionLagMs, Long, longMax, true, "log.cleaner.max.compaction.lag.ms",
		"Longest time, in ms, that a record of a compacted topic may stay uncompacted.", atLeast(1)},
	{MaxMessageBytes, Int, "1048588", true, "message.max.bytes",
		"Largest record batch, in bytes as it is sent (after compression).", atLeast(0)},
	{"message.downconversion.enable", Boolean, "true", false, "log.message.downconversion.enable",
		"Kept only. Record batches are always delivered in format v2.", nil},
	{"message.format.version", String, "3.0-IV1", false, "log.message.format.version",
		"Kept only. Record batches are always stored in format v2.", nil},
	{TimestampAfterMax, Long, "3600000", true, "log.message.timestamp.after.max.ms",
		"How far, in ms, a record's timestamp may lie ahead of the instance's clock. Not used with LogAppendTime.", atLeast(0)},
	{TimestampBeforeMax, Long, longMax, true, "log.message.timestamp.before.max.ms",
		"How far, in ms, a record's timestamp may lie behind the instance's clock. Not used with LogAppendTime.", atLeast(0)},
	{"message.timestamp.difference.max.ms", Long, longMax, false, "log.message.timestamp.difference.max.ms",
		"Kept only. Use message.timestamp.before.max.ms and message.timestamp.after.max.ms.", atLeast(0)},
	{MessageTimestamp, String, "CreateTime", true, "log.message.timestamp.type",
		"CreateTime keeps the producer's timestamps, LogAppendTime sets the time of the write.", oneOf("CreateTime", "LogAppendTime")},
	{MinCleanableRatio, Double, "0.5", true, "log.cleaner.min.cleanable.ratio",
		"Share of uncompacted bytes at which a compacted partition is compacted again: 0 to 1.", fraction},
	{MinCompactionLagMs, Long, "0", true, "log.cleaner.min.compaction.lag.ms",
		"Shortest time, in ms, that a record of a compacted topic stays uncompacted.", atLeast(0)},
	{"min.insync.replicas", Int, "1", false, "min.insync.replicas",
		"Kept only. Every acknowledged record is durable in the object store.", atLeast(1)},
	{"preallocate", Boolean, "false", false, "log.preallocate",
		"Kept only. There are no files to preallocate.", nil},
	{"remote.log.copy.disable", Boolean, "false", false, "",
		"Kept only. Everything is in the object store from the start.", nil},
	{"remote.log.delete.on.disable", Boolean, "false", false, "",
		"Kept only. Everything is in the object store from the start.", nil},
	{"remote.storage.enable", Boolean, "false", false, "",
		"Kept only. Everything is in the object store from the start.", nil},
	{RetentionBytes, Long, "-1", true, "log.retention.bytes",
		"How many bytes a partition keeps before its oldest are deleted; -1, like any other negative number, for no limit.", nil},
	{RetentionMs, Long, "604800000", true, "log.retention.ms",
		"How long, in ms, records are kept before they are deleted; -1 for ever.", atLeast(-1)},
	{"segment.bytes", Int, "1073741824", false, "log.segment.bytes",
		"Kept only. Sizes of objects are the operator's to choose.", between(14, math.MaxInt32)},
	{"segment.index.bytes", Int, "10485760", false, "log.index.size.max.bytes",
		"Kept only. Objects carry an index of their batches.", atLeast(4)},
	{"segment.jitter.ms", Long, "0", false, "log.roll.jitter.ms",
		"Kept only. Objects are not rolled by time alone.", atLeast(0)},
	{SegmentMs, Long, "604800000", true, "log.roll.ms",
		"A hint: records of a compacted topic become old enough to be compacted no later than this many ms after they were written.", atLeast(1)},
	{"unclean.leader.election.enable", Boolean, "false", false, "unclean.leader.election.enable",
		"Kept only. There are no leaders whose loss could lose records.", nil},
}

func gzipLevel(value string) string {
	if value == "-1" || between(1, 9)(value) == "" {
		return ""
	}
	return "want 1 to 9, or -1"
}

// storageClass checks the form: which classes there are is the store's to say, when the first object is put.
func storageClass(value string) string {
	switch value {
	case "GLACIER", "DEEP_ARCHIVE":
		return "its objects must be restored before they can be read; GLACIER_IR can be read at once"
	}
	if len(value) > 64 || strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return "want the name of a storage class in capitals, like STANDARD_IA"
	}
	return ""
}
