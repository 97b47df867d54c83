package topic

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
)

// getHook runs after each Get has read.
type getHook struct {
	coordination.KV
	after func()
}

func (g *getHook) Get(ctx context.Context, keys ...string) (coordination.Snapshot, error) {
	g.after()
	return g.KV.Get(ctx, keys...)
}

func TestTable_IsSortedDocumentedAndItsDefaultsAreValid(t *testing.T) {
	all := Table()
	if !slices.IsSortedFunc(all, func(a, b Config) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not sorted by name")
	}
	for _, c := range all {
		if c.Doc == "" || c.Used == strings.HasPrefix(c.Doc, "Kept only.") {
			t.Errorf("%s: documentation %q does not go with used %v", c.Name, c.Doc, c.Used)
		}
		if err := CheckConfigs(map[string]string{c.Name: c.Default}); err != nil {
			t.Errorf("default: %v", err)
		}
	}
}

func TestTable_DefaultsAreThoseThatTheGettersUse(t *testing.T) {
	bare, spelled := &ledger.Topic{}, &ledger.Topic{Configs: map[string]string{}}
	for _, c := range Table() {
		spelled.Configs[c.Name] = c.Default
	}
	for name, get := range map[string]func(*ledger.Topic) any{
		"MessageBytesMax": func(t *ledger.Topic) any { return MessageBytesMax(t) },
		"CompressionType": func(t *ledger.Topic) any { return CompressionType(t) },
		"level":           func(t *ledger.Topic) any { l, _ := CompressionLevel(t, "zstd"); return l },
		"LogAppendTime":   func(t *ledger.Topic) any { return IsLogAppendTime(t) },
		"TimestampBounds": func(t *ledger.Topic) any { a, b := TimestampBounds(t); return [2]int64{a, b} },
		"FlushInterval":   func(t *ledger.Topic) any { _, ok := FlushInterval(t); return ok },
		"IsCompacted":     func(t *ledger.Topic) any { return IsCompacted(t) },
		"IsDeleted":       func(t *ledger.Topic) any { return IsDeleted(t) },
		"RetentionTime":   func(t *ledger.Topic) any { d, _ := RetentionTime(t); return d },
		"RetentionSize":   func(t *ledger.Topic) any { _, ok := RetentionSize(t); return ok },
		"Tombstones":      func(t *ledger.Topic) any { return TombstoneRetention(t) },
		"CompactionLag":   func(t *ledger.Topic) any { a, b := CompactionLag(t); return [2]time.Duration{a, b} },
		"SegmentAge":      func(t *ledger.Topic) any { return SegmentAge(t) },
		"Cold":            func(t *ledger.Topic) any { _, class, ok := Cold(t); return fmt.Sprint(class, ok) },
		"DirtyRatio":      func(t *ledger.Topic) any { return DirtyRatio(t) },
	} {
		if a, b := get(bare), get(spelled); a != b {
			t.Errorf("%s: %v when not set, %v with the table's default", name, a, b)
		}
	}
}

func TestGetters_ReadWhatIsSet(t *testing.T) {
	topic := &ledger.Topic{Configs: map[string]string{
		CleanupPolicy: "compact, delete", Compression: "zstd", "compression.zstd.level": "7", FlushMs: "20",
		MaxMessageBytes: "99", MessageTimestamp: "LogAppendTime", TimestampAfterMax: "5", TimestampBeforeMax: "6",
		RetentionMs: "-1", RetentionBytes: "10", MinCleanableRatio: "0.25", MaxCompactionLagMs: "100",
	}}
	before, after := TimestampBounds(topic)
	flush, flushes := FlushInterval(topic)
	_, ends := RetentionTime(topic)
	size, limited := RetentionSize(topic)
	level, _ := CompressionLevel(topic, "zstd")
	_, most := CompactionLag(topic)
	switch {
	case !IsCompacted(topic), !IsDeleted(topic), CompressionType(topic) != "zstd", level != 7, flush != 20*time.Millisecond, !flushes,
		MessageBytesMax(topic) != 99, !IsLogAppendTime(topic), before != 6, after != 5, ends, size != 10, !limited,
		DirtyRatio(topic) != 0.25, most != 100*time.Millisecond:
		t.Fatal("a getter does not read what is set")
	}
	compacted := &ledger.Topic{Configs: map[string]string{CleanupPolicy: "compact"}}
	if _, ends := RetentionTime(compacted); ends || IsDeleted(compacted) {
		t.Fatal("retention of a topic that is only compacted")
	}
	if d := millis(math.MaxInt64); d != math.MaxInt64 {
		t.Fatalf("a duration that does not fit is %v", d)
	}
}

func TestCold_IsForTopicsThatAreNotCompacted(t *testing.T) {
	configs := map[string]string{ColdAfterMs: "1000", ColdStorageClass: "GLACIER_IR"}
	if after, class, ok := Cold(&ledger.Topic{Configs: configs}); after != time.Second || class != "GLACIER_IR" || !ok {
		t.Errorf("got %v, %q, %v", after, class, ok)
	}
	configs[CleanupPolicy] = "compact,delete"
	if _, _, ok := Cold(&ledger.Topic{Configs: configs}); ok {
		t.Error("a compacted topic is chilled")
	}
	for class, good := range map[string]bool{"": true, "STANDARD_IA": true, "GLACIER_IR": true, "GLACIER": false, "DEEP_ARCHIVE": false, "glacier ir": false} {
		if err := CheckConfigs(map[string]string{ColdStorageClass: class}); (err == nil) != good {
			t.Errorf("class %q: %v", class, err)
		}
	}
}

func TestCheckConfigs_ReportsAllThatIsWrongAtOnce(t *testing.T) {
	err := CheckConfigs(map[string]string{
		"no.such": "x", RetentionMs: "-2", CleanupPolicy: "shred", MinCleanableRatio: "1.5", "preallocate": "maybe",
		"compression.gzip.level": "0", MaxMessageBytes: "-1", MessageTimestamp: "Never", "segment.bytes": "99999999999",
	})
	if !errors.Is(err, ErrInvalidConfig) {
		t.Fatal(err)
	}
	for _, name := range []string{"no.such", RetentionMs, CleanupPolicy, MinCleanableRatio, "preallocate", "compression.gzip.level", MaxMessageBytes, MessageTimestamp, "segment.bytes"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in %v", name, err)
		}
	}
	if err := CheckConfigs(map[string]string{MinCompactionLagMs: "5", MaxCompactionLagMs: "4"}); !errors.Is(err, ErrInvalidConfig) {
		t.Errorf("contradiction: %v", err)
	}
}

func TestSetConfigs_Operations(t *testing.T) {
	for _, one := range []struct {
		name    string
		changes []Change
		all     bool
		want    string // of cleanup.policy; "-" not set
		err     error
	}{
		{"set", []Change{{CleanupPolicy, Set, " compact "}}, false, "compact", nil},
		{"append to the set value", []Change{{CleanupPolicy, Append, "compact"}}, false, "delete,compact", nil},
		{"append what is there", []Change{{CleanupPolicy, Append, "delete"}}, false, "delete", nil},
		{"subtract", []Change{{CleanupPolicy, Subtract, "delete"}}, false, "", nil},
		{"unset", []Change{{CleanupPolicy, Unset, ""}}, false, "-", nil},
		{"replace all", []Change{{RetentionMs, Set, "5"}}, true, "-", nil},
		{"append to what is no list", []Change{{RetentionMs, Append, "5"}}, false, "delete", ErrInvalidConfig},
		{"unknown", []Change{{"no.such", Set, "1"}}, false, "delete", ErrInvalidConfig},
		{"unset what is unknown", []Change{{"no.such", Unset, ""}}, false, "delete", nil},
		{"bad value", []Change{{RetentionMs, Set, "x"}}, false, "delete", ErrInvalidConfig},
	} {
		c := newCluster(t)
		c.mustCreate(t, "a")
		if _, err := c.SetConfigs(t.Context(), "a", []Change{{CleanupPolicy, Set, "delete"}}, false, false); err != nil {
			t.Fatal(err)
		}
		if _, err := c.SetConfigs(t.Context(), "a", one.changes, one.all, true); !errors.Is(err, one.err) {
			t.Errorf("%s, validate only: %v", one.name, err)
		}
		if got := c.stored(t, "a").Configs[CleanupPolicy]; got != "delete" {
			t.Errorf("%s: validate only changed it to %q", one.name, got)
		}
		if _, err := c.SetConfigs(t.Context(), "a", one.changes, one.all, false); !errors.Is(err, one.err) {
			t.Errorf("%s: %v", one.name, err)
		}
		got, set := c.stored(t, "a").Configs[CleanupPolicy]
		if !set {
			got = "-"
		}
		if got != one.want {
			t.Errorf("%s: %q, want %q", one.name, got, one.want)
		}
	}
}

func TestSetConfigs_NothingToChangeWritesNothing(t *testing.T) {
	c := newCluster(t)
	c.mustCreate(t, "a")
	before := c.kv.commits
	if _, err := c.SetConfigs(t.Context(), "a", []Change{{RetentionMs, Unset, ""}}, false, false); err != nil || c.kv.commits != before {
		t.Fatalf("%v, %d commits", err, c.kv.commits-before)
	}
}
