package deliver

import (
	"encoding/json"

	"github.com/firnlog/firnlog/core/record"
)

// failures are the partial answer of Kafka's poller. It need not be turned on: a function that answers something else has no such key.
type failures struct {
	Failures []struct {
		Item struct {
			Partition string         `json:"partition"` // TOPIC-PARTITION
			Offset    *record.Offset `json:"offset"`
		} `json:"itemIdentifier"`
	} `json:"batchItemFailures"`
}

// readAnswer finds what the function says to have failed: the first of its offsets. Everything from there on is delivered again, since later
// records must not overtake it. bad: it names what was not in the batch, so that nothing is known of any record.
func readAnswer(answer []byte, name string, batch []Record) (first record.Offset, failed, bad bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(answer, &fields) != nil || fields["batchItemFailures"] == nil {
		return 0, false, false // null, a string, an object of something else
	}
	var f failures
	if json.Unmarshal(answer, &f) != nil {
		return 0, false, true
	}
	there := map[record.Offset]bool{}
	for i := range batch {
		there[batch[i].Offset] = true
	}
	for _, one := range f.Failures {
		if one.Item.Partition != name || one.Item.Offset == nil || !there[*one.Item.Offset] {
			return 0, false, true
		}
		if !failed || *one.Item.Offset < first {
			first, failed = *one.Item.Offset, true
		}
	}
	return first, failed, false
}
