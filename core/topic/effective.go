package topic

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/firnlog/firnlog/core/ledger"
)

// The getters give a topic's effective configs: what was set, or else the default. They are one map
// look-up and one parse, cheap enough for every batch. A value that does not parse (only an
// edit by hand can do that) counts as not set.

// MessageBytesMax is the largest record batch in bytes, as sent.
func MessageBytesMax(t *ledger.Topic) int { return int(long(t, MaxMessageBytes, defaultMessageBytes)) }

// CompressionType is the codec to store with; "producer" keeps batches as they come, "uncompressed" is none.
func CompressionType(t *ledger.Topic) string {
	if v, ok := t.Configs[Compression]; ok {
		return v
	}
	return "producer"
}

// CompressionLevel is the level to use with a codec that has one (gzip, lz4, zstd); ok is false for others.
func CompressionLevel(t *ledger.Topic, codec string) (level int, ok bool) {
	defaults := map[string]int64{"gzip": -1, "lz4": 9, "zstd": 3}
	def, ok := defaults[codec]
	if !ok {
		return 0, false
	}
	return int(long(t, "compression."+codec+".level", def)), true
}

// IsLogAppendTime says that the write's time replaces the producer's timestamps.
func IsLogAppendTime(t *ledger.Topic) bool { return t.Configs[MessageTimestamp] == "LogAppendTime" }

// TimestampBounds gives how far in ms a record's timestamp may lie behind and ahead of now.
func TimestampBounds(t *ledger.Topic) (beforeMs, afterMs int64) {
	return long(t, TimestampBeforeMax, math.MaxInt64), long(t, TimestampAfterMax, defaultAfterMaxMs)
}

// FlushInterval is how long records of the topic may wait before they are written; ok is false when the topic does not say.
func FlushInterval(t *ledger.Topic) (d time.Duration, ok bool) {
	v := long(t, FlushMs, math.MaxInt64)
	return millis(v), v != math.MaxInt64
}

// IsCompacted says that cleanup.policy includes compact: every record needs a key.
func IsCompacted(t *ledger.Topic) bool { return policy(t, "compact") }

// IsDeleted says that cleanup.policy includes delete, so that retention applies.
func IsDeleted(t *ledger.Topic) bool {
	_, set := t.Configs[CleanupPolicy]
	return !set || policy(t, "delete")
}

func policy(t *ledger.Topic, want string) bool {
	rest := t.Configs[CleanupPolicy]
	for rest != "" {
		var one string
		one, rest, _ = strings.Cut(rest, ",")
		if strings.TrimSpace(one) == want {
			return true
		}
	}
	return false
}

// RetentionTime is how long records are kept; ok is false when for ever.
func RetentionTime(t *ledger.Topic) (d time.Duration, ok bool) {
	v := long(t, RetentionMs, defaultRetentionMs)
	return millis(v), v >= 0 && IsDeleted(t)
}

// RetentionSize is how many bytes a partition keeps; ok is false when there is no limit.
func RetentionSize(t *ledger.Topic) (bytes int64, ok bool) {
	v := long(t, RetentionBytes, -1)
	return v, v >= 0 && IsDeleted(t)
}

// TombstoneRetention is how long a tombstone stays after it was first compacted.
func TombstoneRetention(t *ledger.Topic) time.Duration {
	return millis(long(t, DeleteRetentionMs, defaultTombstoneMs))
}

// CompactionLag is how long a record stays uncompacted: at least, and at most.
func CompactionLag(t *ledger.Topic) (least, most time.Duration) {
	return millis(long(t, MinCompactionLagMs, 0)), millis(long(t, MaxCompactionLagMs, math.MaxInt64))
}

// SegmentAge is a hint: the age at which records count as old enough to be compacted.
func SegmentAge(t *ledger.Topic) time.Duration {
	return millis(long(t, SegmentMs, defaultRetentionMs))
}

// DirtyRatio is the share of uncompacted bytes at which a compacted partition is compacted again.
func DirtyRatio(t *ledger.Topic) float64 {
	if f, err := strconv.ParseFloat(t.Configs[MinCleanableRatio], 64); err == nil {
		return f
	}
	return defaultDirtyRatio
}

// Cold says at which age objects move to cold storage, and to which class ("": the bucket's own). ok is false when
// they never do. Log compaction rewrites old objects again and again, so that compacted topics stay out of it.
func Cold(t *ledger.Topic) (after time.Duration, class string, ok bool) {
	v := long(t, ColdAfterMs, -1)
	return millis(v), t.Configs[ColdStorageClass], v >= 0 && !IsCompacted(t)
}

// Source says where an effective value comes from.
type Source int8

// The sources, with the numbers of Kafka's DescribeConfigs.
const (
	FromTopic   Source = 1
	FromDefault Source = 5
)

// Effective gives the value of a config of the table for a topic.
func Effective(t *ledger.Topic, c Config) (value string, from Source) {
	if v, ok := t.Configs[c.Name]; ok {
		return v, FromTopic
	}
	return c.Default, FromDefault
}

func long(t *ledger.Topic, name string, def int64) int64 {
	v, ok := t.Configs[name]
	if !ok {
		return def
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return def
	}
	return n
}

// millis turns ms into a Duration; more than fits is the longest there is.
func millis(ms int64) time.Duration {
	if ms > math.MaxInt64/int64(time.Millisecond) {
		return math.MaxInt64
	}
	return time.Duration(ms) * time.Millisecond
}
