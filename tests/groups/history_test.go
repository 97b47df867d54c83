//go:build stack

package groups

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("seed", 1, "of what members do")

// Groups of all sizes live side by side on the same brokers, one test a protocol.
func TestHistory_OfGroupsOfEverySize(t *testing.T) {
	for _, protocol := range []string{"eager", "cooperative", "kip-848"} {
		t.Run(protocol, func(t *testing.T) {
			s := newStage(t)
			for _, partitions := range []int32{1, 12, 300} {
				topic := fmt.Sprint("t", partitions)
				s.topic(topic, partitions)
				for _, size := range []int{1, 3, 50} {
					s.crowd(protocol, topic, partitions, size, *seedFlag)
				}
			}
			s.play(60*time.Second, 2)
		})
	}
}

// The same in short: it is a part of make test-stack.
func TestHistory_InShort(t *testing.T) {
	s := newStage(t)
	s.topic("t", 12)
	for protocol := range protocols {
		s.crowd(protocol, "t", 12, 3, *seedFlag)
	}
	s.play(26*time.Second, 1)
}
