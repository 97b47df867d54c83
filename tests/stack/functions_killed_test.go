//go:build stack

package stack_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// moments of a producing invocation's death, on a real bucket and a real etcd: the process ends by SIGKILL right there.
var moments = map[string]string{"between put and commit": "put segments/", "between commit and answer": "commit log/commits/"}

func TestKilled_ARequestOrMessageThatComesAgain(t *testing.T) {
	d := startDelivery(t, harness.StartCluster(t, harness.Options{Brokers: 1}))
	for _, name := range []string{"t", "idempotent", "plain"} {
		d.makeTopic(name, 1)
	}
	t.Run("with a producer id is there once", func(t *testing.T) { withProducerID(t, d.in(t)) })
	t.Run("of a queue is there once, by its message id", func(t *testing.T) { ofAQueue(t, d.in(t)) })
	t.Run("without either is not lost", func(t *testing.T) { withoutProducerID(t, d.in(t)) })
}

// in is the same for a part of the test.
func (d *delivery) in(t *testing.T) *delivery {
	return &delivery{&functions{T: t, Service: d.Service}, d.crash, d.taken}
}

// A client that sends its request again after the function died finds each record once, at the offsets of the first time.
func withProducerID(t *testing.T, d *delivery) {
	sequence, want := 0, []string{}
	for moment, point := range moments {
		event, err := json.Marshal(map[string]any{"version": "2.0", "rawPath": "/topics/idempotent", "requestContext": map[string]any{"http": map[string]string{"method": "POST"}},
			"headers": map[string]string{"content-type": kindText, "firnlog-producer": fmt.Sprintf("7/0/%d", sequence)}, "body": fmt.Sprintf(`{"records":[{"value":"a%d"},{"value":"b%d"}]}`, sequence, sequence)})
		if err != nil {
			t.Fatal(err)
		}
		d.killAfter(point)
		d.wasKilled("producer", event)
		for range 2 {
			r, err := d.Invoke(t.Context(), "producer", event)
			var reply struct{ Body string }
			if err == nil {
				err = json.Unmarshal(r.Payload, &reply)
			}
			first := fmt.Sprintf(`{"offsets":[{"partition":0,"offset":%d,`, sequence)
			if err != nil || len(reply.Body) < len(first) || reply.Body[:len(first)] != first {
				t.Errorf("%s, sent again: %v %s, want %s", moment, err, r.Payload, first)
			}
		}
		want = append(want, fmt.Sprint("a", sequence), fmt.Sprint("b", sequence))
		sequence += 2
		if got, _ := d.read("idempotent", 0); !slices.Equal(got, want) {
			t.Errorf("%s: the log has %v, want %v", moment, got, want)
		}
	}
}

// A queue that gets no answer delivers again, in other batches: each message is there once, by its id.
func ofAQueue(t *testing.T, d *delivery) {
	message := func(ids ...string) []byte {
		var records []map[string]any
		for _, id := range ids {
			records = append(records, map[string]any{"messageId": id, "body": "body-" + id, "eventSource": "aws:sqs", "eventSourceARN": "arn:q", "attributes": map[string]string{"SentTimestamp": "1795392000000"}})
		}
		b, err := json.Marshal(map[string]any{"Records": records})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var want []string
	for moment, point := range moments {
		ids := row(fmt.Sprintf("m%d-", len(want)), 4)
		d.killAfter(point)
		d.wasKilled("producer", message(ids[:3]...))
		for _, again := range [][]byte{message(ids[1], ids[3]), message(ids[2], ids[0])} {
			r, err := d.Invoke(t.Context(), "producer", again)
			if err != nil || r.FunctionError != "" || string(r.Payload) != `{"batchItemFailures":[]}` {
				t.Errorf("%s, delivered again: %v %s", moment, err, r.Payload)
			}
		}
		for _, id := range ids {
			want = append(want, "body-"+id)
		}
		got, _ := d.read("t", 0)
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s: the log has %v, want %v", moment, got, want)
		}
	}
}

// Without a producer id nothing is lost, and what was committed before the death is there twice: documented so, and this test knows if it changes.
func withoutProducerID(t *testing.T, d *delivery) {
	event := []byte(`{"topic":"plain","format":"text","records":[{"value":"a"}]}`)
	d.killAfter(moments["between put and commit"])
	d.wasKilled("producer", event)
	if got, _ := d.read("plain", 0); len(got) != 0 {
		t.Errorf("killed before the commit, and %v is there", got)
	}
	d.killAfter(moments["between commit and answer"])
	d.wasKilled("producer", event)
	if r, err := d.Invoke(t.Context(), "producer", event); err != nil || r.FunctionError != "" {
		t.Fatalf("%v %s", err, r.Payload)
	}
	if got, _ := d.read("plain", 0); !slices.Equal(got, []string{"a", "a"}) {
		t.Errorf("the log has %v", got)
	}
}
