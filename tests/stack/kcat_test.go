//go:build stack

package stack_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

func TestKcat_ListsQueriesAndTails(t *testing.T) {
	b := harness.StartDev(t, t.TempDir(), "--partitions", "3")
	for i := range 9 { // 3 records for each partition, each in a batch of its own
		harness.Kcat(t, fmt.Appendf(nil, "record-%d", i), "-P", "-b", b.Kafka, "-t", "plain", "-p", fmt.Sprint(i%3), "-H", fmt.Sprint("n=", i)).Must(t)
	}
	var listed struct {
		Brokers []struct{ Name string }
		Topics  []struct {
			Topic      string
			Partitions []struct{ Partition, Leader int }
		}
	}
	if err := json.Unmarshal([]byte(harness.Kcat(t, nil, "-L", "-J", "-b", b.Kafka).Must(t)), &listed); err != nil {
		t.Fatal(err)
	}
	if len(listed.Brokers) != 1 || listed.Brokers[0].Name != b.Kafka || len(listed.Topics) != 1 || listed.Topics[0].Topic != "plain" || len(listed.Topics[0].Partitions) != 3 {
		t.Errorf("kcat -L: %+v", listed)
	}
	for ask, want := range map[string]string{"-2": "0", "-1": "3", "1": "0", "99999999999999": "-1"} {
		got := strings.TrimSpace(harness.Kcat(t, nil, "-Q", "-b", b.Kafka, "-t", "plain:1:"+ask).Must(t))
		if !strings.HasSuffix(got, "offset "+want) {
			t.Errorf("kcat -Q plain:1:%s: %q, want offset %s", ask, got, want)
		}
	}
	if got := harness.Kcat(t, nil, "-C", "-b", b.Kafka, "-t", "plain", "-p", "2", "-o", "-2", "-e", "-q", "-f", "%o %s %h\n").Must(t); got != "1 record-5 n=5\n2 record-8 n=8\n" {
		t.Errorf("the last two of partition 2: %q", got)
	}
}

// A librdkafka without ApiVersions takes the oldest versions that the Kafka it was told of has.
func TestKcat_OldVersionsOfTheProtocolWork(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	createTopic(t, []string{b.Kafka}, 1, nil, "old")
	for i, version := range []string{"0.11.0", "1.0.0", "2.1.0"} {
		old := []string{"-b", b.Kafka, "-t", "old", "-X", "api.version.request=false", "-X", "broker.version.fallback=" + version}
		want := fmt.Sprint("written as by ", version)
		harness.Kcat(t, []byte(want), append([]string{"-P", "-z", "snappy"}, old...)...).Must(t)
		got := harness.Kcat(t, nil, append([]string{"-C", "-e", "-q", "-o", fmt.Sprint(i)}, old...)...).Must(t)
		if got != want+"\n" {
			t.Errorf("%s: read %q", version, got)
		}
	}
}

func TestKcat_EmptyKeysAndValuesStayApartFromNone(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	createTopic(t, []string{b.Kafka}, 1, nil, "empty")
	harness.Kcat(t, []byte("k:\n:v\nk:v\n"), "-P", "-b", b.Kafka, "-t", "empty", "-K", ":", "-Z").Must(t)
	got := harness.Kcat(t, nil, "-C", "-b", b.Kafka, "-t", "empty", "-e", "-q", "-f", "%K %S\n").Must(t)
	if got != "1 -1\n-1 1\n1 1\n" {
		t.Errorf("lengths of keys and values: %q", got)
	}
}
