//go:build stack

package stack_test

import (
	"testing"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

func TestJava_ProducesConsumesAndAdministers(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	got := harness.Facts(harness.Java(t, "RoundTrip.java", b.Kafka, "java").Must(t))
	wantFacts(t, got, map[string]string{
		"create_again": "TopicExistsException", "validate_only": "nothing",
		"partitions": "3", "leaders": "true", "cluster_nodes": "1",
		"produced": "2500", "consumed": "2500", "in_order": "true", "intact": "true", "seek_by_time": "value-300",
		"earliest": "0", "latest": "834", "by_time": "100", "after_the_end": "-1", "max_timestamp": "833",
		"config_set": "200000 default=false", "config_default": "delete default=true", "config_changed": "123456 true",
		"config_invalid": "InvalidConfigurationException",
		"low_watermark":  "100", "earliest_after": "100", "delete_beyond": "OffsetOutOfRangeException", "fetch_deleted": "OffsetOutOfRangeException",
		"partitions_grown": "5", "too_large": "RecordTooLargeException",
		"listed_after_delete": "false", "delete_again": "UnknownTopicOrPartitionException",
	})
}

// wantFacts compares what a client program said with what it should have said, and nothing more.
func wantFacts(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, w := range want {
		if g, ok := got[name]; !ok {
			t.Errorf("%s: the client did not get there", name)
		} else if g != w {
			t.Errorf("%s = %s, want %s", name, g, w)
		}
	}
	for name, g := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s = %s: not expected", name, g)
		}
	}
}
