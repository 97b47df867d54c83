//go:build stack

package differential

import (
	"fmt"
	"testing"

	"github.com/firnlog/firnlog/tests/apachekafka"
)

func TestDifferential_ApacheKafkaAnswersAlike(t *testing.T) {
	// Nothing is deleted by age or compacted behind the script's back.
	kafka := apachekafka.Start(t, "log.initial.task.delay.ms=3600000", "log.cleaner.enable=true", "log.cleaner.backoff.ms=3600000", "group.consumer.assignment.interval.ms=0", "group.consumer.assignor.offload.enable=false")
	n := compare(t, kafka.Bootstrap, false, onPurpose())
	if t.Failed() {
		return
	}
	text := fmt.Sprintf("`make test-differential` sent %d requests to firnlog and to Apache Kafka %s. The answers are the same, field by field, but for these:\n\n%s", n, apachekafka.Version(), Section(onPurpose()))
	if err := WriteSection(supportedDoc, text); err != nil {
		t.Error(err)
	}
}
