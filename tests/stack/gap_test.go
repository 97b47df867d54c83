//go:build stack

package stack_test

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// Requests that never arrive leave a gap in a producer's sequences: it gives the records up after
// its time-out and does not know whether they were written. Afterwards it must go on.
func TestSequenceGap_ProducerGoesOnAfterLostRequests(t *testing.T) {
	front := harness.Address(harness.FreePort(t))
	b := harness.StartDev(t, t.TempDir(), "--advertise", front)
	proxy := harness.StartProxy(t, front, b.Kafka)
	clients := map[string]func(topic string) *harness.Talk{
		"Java": func(topic string) *harness.Talk {
			return harness.TalkJava(t, "Forgotten.java", front, topic, "delivery.timeout.ms=6000", "request.timeout.ms=3000", "linger.ms=0")
		},
		"librdkafka": func(topic string) *harness.Talk {
			return harness.TalkPython(t, "forgotten.py", front, topic, "delivery.timeout.ms=6000", "request.timeout.ms=3000")
		},
	}
	for client, start := range clients {
		t.Run(client, func(t *testing.T) {
			topic := strings.ToLower("gap-" + client)
			createTopic(t, []string{b.Kafka}, 1, nil, topic)
			talk := start(topic)
			talk.Say("go")
			wantAllSent(t, talk.Hear("sent0"))
			proxy.Swallow(true)
			talk.Say("into the void")
			if got := talk.Hear("sent1"); strings.Contains(got, "ok") {
				t.Errorf("records that never arrived: %s", got)
			}
			proxy.Swallow(false)
			proxy.Cut()
			talk.Say("go on")
			wantAllSent(t, talk.Hear("sent2"))
			talk.Say("and on")
			wantAllSent(t, talk.Hear("sent3"))
			wantLast(t, b, topic, strings.ToLower(client), 20, 40)
		})
	}
}

func TestSequenceGap_IsRefusedAndSaysWhy(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	createTopic(t, []string{b.Kafka}, 1, nil, "raw")
	client := newClient(t, []string{b.Kafka}, kgo.MaxVersions(kversion.V3_9_0()))
	for _, step := range []struct {
		what     string
		producer int64
		epoch    int16
		sequence int32
		want     *kerr.Error
	}{
		{"first batch", 100, 0, 0, nil},
		{"next batch", 100, 0, 1, nil},
		{"the same again", 100, 0, 1, nil},
		{"a gap", 100, 0, 5, kerr.OutOfOrderSequenceNumber},
		{"an unknown producer in the middle", 200, 0, 5, kerr.UnknownProducerID},
		{"a new epoch in the middle", 100, 1, 2, kerr.OutOfOrderSequenceNumber},
		{"a new epoch", 100, 1, 0, nil},
		{"the old epoch", 100, 0, 2, kerr.InvalidProducerEpoch},
	} {
		code := produceRaw(within(t, time.Minute), t, client, "raw", batchOf(t, step.producer, step.epoch, step.sequence))
		want := int16(0)
		if step.want != nil {
			want = step.want.Code
		}
		if code != want {
			t.Errorf("%s: %v, want %v", step.what, kerr.ErrorForCode(code), step.want)
		}
	}
	if got := ends(t, []string{b.Kafka}, "raw")[0]; got != (extent{0, 3}) {
		t.Errorf("the partition holds %v", got)
	}
}
