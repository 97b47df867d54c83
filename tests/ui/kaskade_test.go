//go:build stack

package ui

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// shop is firnlog dev with orders in three partitions, a group that has left some of them, and one with a member.
func shop(t *testing.T) *harness.Broker {
	t.Helper()
	b := harness.StartDev(t, t.TempDir(), "--partitions", "3")
	produce := func(from, to int) {
		t.Helper()
		for p := range 3 {
			input := ""
			for i := from; i < to; i++ {
				input += fmt.Sprintf("key-%d:{\"order\":%d}\n", i*3+p, i*3+p)
			}
			harness.Kcat(t, []byte(input), "-P", "-b", b.Kafka, "-t", "orders", "-K:", "-p", fmt.Sprint(p)).Must(t)
		}
	}
	produce(0, 10)
	harness.Kcat(t, nil, "-b", b.Kafka, "-G", "billing", "-X", "auto.offset.reset=earliest", "-X", "session.timeout.ms=6000", "-c", "30", "orders").Must(t)
	produce(10, 14)
	packing := harness.NewProcess(t, "packing", "kcat", nil, "-b", b.Kafka, "-X", "client.id=packer", "-X", "auto.commit.interval.ms=200", "-X", "auto.offset.reset=earliest", "-G", "packing", "orders")
	packing.Start()
	packing.Said("Reached end of topic orders [2] at offset 14")
	return b
}

func kaskade(t *testing.T, args ...string) *screen {
	t.Helper()
	return open(t, filepath.Join(harness.Cache(t), "kaskade", "bin", "kaskade"), args...)
}

func TestKaskade_BrowsesTopicsGroupsAndTheirLag(t *testing.T) {
	b := shop(t)
	s := kaskade(t, "admin", "--refresh-interval", "5", "-b", b.Kafka)
	s.shows(`Topics \[1\]`, `Name Partitions Replicas In Sync Groups Members Records Lag`, `^orders 3 1 1 2 1 ≈42 ≈\d+$`)
	s.press("d")
	s.shows(`Topic Details \[orders\]`, `Partitions \[3\] Configurations \[\d+\] Groups \[2\] Group Offsets \[6\] Group Members \[1\]`,
		`ID Leader Earliest End Records ISRs Replicas`, `0 0 0 14 14 \[0\] \[0\]`, `2 0 0 14 14 \[0\] \[0\]`)
	s.press("l")
	s.shows(`cleanup.policy delete`, `max.message.bytes 1048588`)
	s.press("l")
	s.shows(`ID Coordinator State Assignor Partitions Members Lag`, `^billing \S+/0 empty 3 0 12$`, `^packing \S+/0 stable range 3 1 0$`)
	s.press("l")
	s.shows(`Group Partition Committed End Lag`, `billing 0 10 14 4`, `billing 1 10 14 4`, `billing 2 10 14 4`)
	s.press("l")
	s.shows(`Group Client ID Member ID Host Assignment`, `packing packer packer-\S+ .*127.0.0.1 `)
	t.Log("\n" + s.text())
}

func TestKaskade_CreatesATopic(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	s := kaskade(t, "admin", "--refresh-interval", "5", "-b", b.Kafka)
	s.shows(`Topics \[0\]`)
	s.press("n")
	s.shows(`Create Topic`, `Cleanup Policy`)
	s.press("from-the-screen")
	s.press("C-s")
	s.shows(`Topics \[1\]`, `^from-the-screen 1 1 1 0 0 ≈0 ≈0$`)
	if list := harness.Kcat(t, nil, "-b", b.Kafka, "-L").Must(t); !strings.Contains(list, `topic "from-the-screen" with 1 partitions`) {
		t.Error(list)
	}
}

func TestKaskade_ReadsRecords(t *testing.T) {
	b := shop(t)
	s := kaskade(t, "consumer", "-b", b.Kafka, "-t", "orders", "--partition", "1:4", "-k", "string", "-v", "json")
	s.shows(`Records \[orders\]`, `Key Value Size Timestamp Partition Offset Headers`, `^key-13 \{'order': 13\} .* 1 4 0$`, `^key-40 \{'order': 40\} .* 1 13 0$`)
	s.press("Enter")
	s.shows(`Record Details \[orders\]\[1\]\[4\]`, `STRING`, `"key-13"`)
}
