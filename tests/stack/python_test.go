//go:build stack

package stack_test

import (
	"testing"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

func TestPython_ProducesConsumesAndAdministers(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	got := harness.Facts(harness.Python(t, "round_trip.py", b.Kafka, "python").Must(t))
	wantFacts(t, got, map[string]string{
		"create": "ok", "create_again": "TOPIC_ALREADY_EXISTS", "partitions": "3",
		"produced": "2500", "consumed": "2500", "in_order": "True", "intact": "True",
		"watermarks": "(0, 834)", "by_time": "100", "seek_by_time": "value-300", "at_the_end": "None",
		"config_set": "-1", "config_default": "DEFAULT_CONFIG", "config_change": "ok", "config_changed": "123456", "config_invalid": "INVALID_CONFIG",
		"delete_records": "100", "earliest": "100", "latest": "834", "grow": "ok", "cluster_nodes": "1",
		"delete": "ok", "delete_again": "UNKNOWN_TOPIC_OR_PART",
	})
}
