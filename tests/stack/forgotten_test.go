//go:build stack

package stack_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// A broker forgets an idempotent producer of a partition when the topic is deleted and created
// again, and when more than 10,000 others have written to the partition since (in the same
// way as by producer expiry). The producer goes on at a sequence above 0 then.
// The error it gets must make it draw a new epoch and go on without losing anything.
var forgettings = map[string]func(t *testing.T, b *harness.Broker, topic string){
	"TopicCreatedAgain": func(t *testing.T, b *harness.Broker, topic string) {
		ctx, admin := within(t, 30*time.Second), newAdmin(t, []string{b.Kafka})
		if _, err := admin.DeleteTopic(ctx, topic); err != nil {
			t.Fatal(err)
		}
		createTopic(t, []string{b.Kafka}, 1, nil, topic)
	},
	"PushedOutByOthers": pushOut,
	"RecordsDeleted": func(t *testing.T, b *harness.Broker, topic string) {
		var all kadm.Offsets
		all.AddOffset(topic, 0, -1, -1)
		res, err := newAdmin(t, []string{b.Kafka}).DeleteRecords(within(t, 30*time.Second), all)
		if err == nil {
			err = res.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
	},
}

func TestForgottenProducer_GoesOn(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	for how, forget := range forgettings {
		clients := map[string]func(*testing.T, string) *harness.Talk{
			"Java": func(t *testing.T, topic string) *harness.Talk {
				return harness.TalkJava(t, "Forgotten.java", b.Kafka, topic)
			},
			"librdkafka": func(t *testing.T, topic string) *harness.Talk {
				return harness.TalkPython(t, "forgotten.py", b.Kafka, topic)
			},
		}
		for client, start := range clients {
			t.Run(how+"/"+client, func(t *testing.T) {
				topic := strings.ToLower(how + "-" + client)
				createTopic(t, []string{b.Kafka}, 1, nil, topic)
				talk := start(t, topic)
				talk.Say("go")
				wantAllSent(t, talk.Hear("sent0"))
				forget(t, b, topic)
				talk.Say("go on")
				wantAllSent(t, talk.Hear("sent1"))
				talk.Say("and on")
				wantAllSent(t, talk.Hear("sent2"))
				wantLast(t, b, topic, strings.ToLower(client), 10, 30)
			})
		}
	}
}

func TestForgottenProducer_FranzGoesOn(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	for how, forget := range forgettings {
		t.Run(how, func(t *testing.T) {
			topic := strings.ToLower(how)
			createTopic(t, []string{b.Kafka}, 1, nil, topic)
			p := newClient(t, []string{b.Kafka}, kgo.DefaultProduceTopic(topic), kgo.RecordDeliveryTimeout(20*time.Second))
			for round := range 2 {
				for i := range 10 {
					if err := p.ProduceSync(within(t, time.Minute), kgo.StringRecord(fmt.Sprint("franz-", 10*round+i))).FirstErr(); err != nil {
						t.Errorf("record %d: %v", 10*round+i, err)
					}
				}
				if round == 0 {
					forget(t, b, topic)
				}
				if how == "TopicCreatedAgain" {
					p.PurgeTopicsFromProducing(topic) // franz-go asks that of who creates topics again
				}
			}
			wantLast(t, b, topic, "franz", 10, 20)
		})
	}
}

func wantAllSent(t *testing.T, outcomes string) {
	t.Helper()
	if want := strings.TrimSpace(strings.Repeat("ok ", 10)); outcomes != want {
		t.Errorf("records sent: %s", outcomes)
	}
}

// wantLast wants the values client-<from> to client-<to - 1> in order as the end of the topic, each once.
func wantLast(t *testing.T, b *harness.Broker, topic, client string, from, to int) {
	t.Helper()
	var got, want []string
	for _, r := range readAll(t, []string{b.Kafka}, topic) {
		if v := string(r.Value); strings.HasPrefix(v, client) {
			got = append(got, v)
		}
	}
	for i := from; i < to; i++ {
		want = append(want, fmt.Sprint(client, "-", i))
	}
	if extra := len(got) - len(want); extra > 0 && extra <= from {
		got = got[extra:] // those sent before, where they are still there
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

// pushOut writes one batch each as more producers than a partition remembers.
func pushOut(t *testing.T, b *harness.Broker, topic string) {
	const producers, firstID, connections = 10_050, 1_000_000, 8
	ctx := within(t, time.Minute)
	var group sync.WaitGroup
	for c := range connections {
		group.Go(func() {
			client := newClient(t, []string{b.Kafka}, kgo.MaxVersions(kversion.V3_9_0())) // topics by name
			defer client.Close()
			var pipeline sync.WaitGroup
			slots := make(chan struct{}, 60)
			for id := c; id < producers; id += connections {
				slots <- struct{}{}
				pipeline.Go(func() {
					defer func() { <-slots }()
					if code := produceRaw(ctx, t, client, topic, batchOf(t, int64(firstID+id), 0, 0)); code != 0 {
						t.Errorf("batch of producer %d: code %d", id, code)
					}
				})
			}
			pipeline.Wait()
		})
	}
	group.Wait()
}

// batchOf is a record batch of one record.
func batchOf(t *testing.T, producer int64, epoch int16, sequence int32) []byte {
	t.Helper()
	b := record.NewBatch(record.Settings{Sequence: &record.Sequence{Producer: record.ProducerID(producer), Epoch: record.Epoch(epoch), First: sequence}})
	batch, err := b.Append(time.Now().UnixMilli(), nil, []byte("raw")).Seal()
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

// produceRaw sends one batch to partition 0, and gives the error code of the answer.
func produceRaw(ctx context.Context, t *testing.T, client *kgo.Client, topic string, batch []byte) int16 {
	t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = batch
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		t.Errorf("produce: %v", err)
		return -1
	}
	return resp.Topics[0].Partitions[0].ErrorCode
}
