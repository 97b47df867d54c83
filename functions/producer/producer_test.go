package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/functions/api"
	"github.com/firnlog/firnlog/functions/gateway"
	"github.com/firnlog/firnlog/functions/place"
)

// stage is a broker, and the function beside it.
type stage struct {
	*testing.T
	c      *coretest.Cluster
	broker *coretest.Instance
	f      *function
}

func newStage(t *testing.T) *stage {
	s := &stage{T: t, c: coretest.NewCluster(t)}
	s.broker = s.c.Instance("broker", coretest.Options{}).Ready()
	s.restart()
	return s
}

// restart makes the function's environment anew, as after its death.
func (s *stage) restart() {
	kv, store, entropy := s.c.Reach("f")
	p := &place.Place{Log: coretest.Quiet(), Config: config.Function{Topic: "t", Deduplicate: true}, Environment: invoke.New(invoke.Settings{
		Store: store, KV: kv, Cluster: "test", Now: time.Now, Entropy: entropy, Log: coretest.Quiet(), Margin: time.Second, CacheBytes: 4 << 20,
		Topics: topic.DefaultSettings(), NewTopicID: func() record.TopicID { return record.TopicID{9} },
	})}
	s.f = &function{place: p, http: api.New(p.Environment, api.Writes, p.Log)}
}

// invoke is one invocation with 10 seconds; its answer as JSON.
func (s *stage) invoke(event any) (string, error) {
	s.Helper()
	raw, err := json.Marshal(event)
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	answer, err := s.f.invoke(ctx, raw)
	if err != nil {
		return "", err
	}
	if reply, ok := answer.(*gateway.Reply); ok {
		return fmt.Sprint(reply.StatusCode, " ", reply.Body), nil
	}
	text, err := json.Marshal(answer)
	return string(text), err
}

func (s *stage) wants(event any, want string) {
	s.Helper()
	if got, err := s.invoke(event); err != nil || strings.TrimSpace(got) != want {
		s.Errorf("answer %s, %v; want %s", got, err, want)
	}
}

func (s *stage) reads(tp record.TopicPartition, want ...string) {
	s.Helper()
	s.broker.Barrier()
	if got := s.broker.ReadAll(tp); !slices.Equal(got, want) {
		s.Errorf("the log has %q, want %q", got, want)
	}
}

func (s *stage) own() (lines []string) {
	for _, line := range s.c.Transcript() {
		if rest, ok := strings.CutPrefix(line, "f "); ok {
			lines = append(lines, rest)
		}
	}
	return lines
}

func post(path, kind, body string, headers ...string) events.LambdaFunctionURLRequest {
	e := events.LambdaFunctionURLRequest{Version: "2.0", RawPath: path, Headers: map[string]string{"content-type": kind}, Body: body}
	e.RequestContext.HTTP.Method = "POST"
	for i := 0; i < len(headers); i += 2 {
		e.Headers[headers[i]] = headers[i+1]
	}
	return e
}

const text = "application/vnd.kafka.text.v2+json"

var oneInvocation = []string{"kv read log/format", "store put segments/<id>", "kv commit log/commits/<id>", "kv read log/format"}

func TestHTTP_ARequestIsOneSegmentAndThreeRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		id := s.c.CreateTopic("t", 2)
		s.wants(post("/topics/t/partitions/1", text, `{"records":[{"value":"a"},{"value":"b"}]}`),
			`200 {"offsets":[{"partition":1,"offset":0,"error_code":null,"error":null},{"partition":1,"offset":1,"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`)
		if got := s.own(); !slices.Equal(got, oneInvocation) {
			t.Errorf("version 2: %q", got)
		}
		cluster := s.f.place.Stream.ClusterID()
		got, err := s.invoke(post("/v3/clusters/"+cluster+"/topics/t/records", "application/json", strings.Repeat(`{"partition_id":0,"value":{"type":"STRING","data":"x"}}`, 20)))
		if err != nil || strings.Count(got, `"error_code":200`) != 20 {
			t.Errorf("%s, %v", got, err)
		}
		if got := s.own(); !slices.Equal(got, oneInvocation) {
			t.Errorf("version 3, twenty records one after the other: %q", got)
		}
		s.reads(record.TopicPartition{Topic: id, Partition: 1}, "a", "b")
	})
}

func TestHTTP_WhatIsNotThereAndWhatIsNotOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		if got, _ := s.invoke(post("/topics/none", text, `{"records":[{"value":"a"}]}`)); !strings.HasPrefix(got, "404 ") || !strings.Contains(got, "40401") {
			t.Errorf("unknown topic: %s", got)
		}
		if got, _ := s.invoke(post("/consumers/g", text, `{}`)); !strings.HasPrefix(got, "404 ") || !strings.Contains(got, "does not offer") {
			t.Errorf("consumer groups: %s", got)
		}
		if _, err := s.invoke(map[string]string{"hello": "world"}); err == nil {
			t.Error("an event that nobody knows was answered")
		}
	})
}

func TestHTTP_WithAProducerIDSendingAgainGivesTheSameOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		tp := record.TopicPartition{Topic: s.c.CreateTopic("t", 1)}
		e := post("/topics/t", text, `{"records":[{"value":"a"}]}`, "firnlog-producer", "4/0/0")
		loseAnswers(s.c)
		if got, _ := s.invoke(e); !strings.Contains(got, "50003") {
			t.Errorf("with the answer of the commit lost: %s", got)
		}
		s.c.FaultKV(nil)
		s.restart()
		s.wants(e, `200 {"offsets":[{"partition":0,"offset":0,"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`)
		s.reads(tp, "a")
	})
}

func loseAnswers(c *coretest.Cluster) {
	c.FaultKV(func(who string, op coordination.Op, _ string) coordination.Decision {
		if who == "f" && op == coordination.OpCommit {
			return coordination.Decision{Fail: coordination.FailAfter}
		}
		return coordination.Decision{}
	})
}

func TestDirect_IsAnsweredAsARequestIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		tp := record.TopicPartition{Topic: s.c.CreateTopic("t", 1)}
		s.wants(json.RawMessage(`{"topic":"t","format":"json","records":[{"value":{"n":1}}]}`),
			`{"offsets":[{"partition":0,"offset":0,"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`)
		s.reads(tp, `{"n":1}`)
	})
}

func sqs(ids ...string) events.SQSEvent {
	var e events.SQSEvent
	for _, id := range ids {
		m := events.SQSMessage{MessageId: id, Body: "body of " + id, EventSource: "aws:sqs", EventSourceARN: "arn:q", Attributes: map[string]string{"SentTimestamp": fmt.Sprint(time.Now().UnixMilli())}}
		e.Records = append(e.Records, m)
	}
	return e
}

// Between commit and answer the function dies: the queue delivers again, in other batches, and each message is there once.
func TestSQS_DeliveredAgainIsWrittenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		tp := record.TopicPartition{Topic: s.c.CreateTopic("t", 1)}
		loseAnswers(s.c)
		s.wants(sqs("1", "2", "3"), `{"batchItemFailures":[{"itemIdentifier":"1"},{"itemIdentifier":"2"},{"itemIdentifier":"3"}]}`)
		s.c.FaultKV(nil)
		s.restart()
		s.own()
		s.wants(sqs("2", "4"), `{"batchItemFailures":[]}`)
		if got := s.own(); !slices.Equal(got, oneInvocation) {
			t.Errorf("requests %q", got)
		}
		s.wants(sqs("3", "1"), `{"batchItemFailures":[]}`)
		s.reads(tp, "body of 1", "body of 2", "body of 3", "body of 4")
	})
}

func TestSQS_AMessageThatCannotBeWrittenFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		tp := record.TopicPartition{Topic: s.c.CreateTopic("t", 1)}
		other := record.TopicPartition{Topic: s.c.CreateTopic("other", 1)}
		e := sqs("1", "2", "3")
		none, there, key := "none", "other", "k"
		e.Records[0].MessageAttributes = map[string]events.SQSMessageAttribute{"topic": {StringValue: &none}}
		e.Records[1].MessageAttributes = map[string]events.SQSMessageAttribute{"topic": {StringValue: &there}, "key": {StringValue: &key}, "h": {BinaryValue: []byte("v")}}
		s.wants(e, `{"batchItemFailures":[{"itemIdentifier":"1"}]}`)
		s.reads(tp, "body of 3")
		s.reads(other, "body of 2")
	})
}

func TestKinesis_TheCheckpointIsTheFirstThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		tp := record.TopicPartition{Topic: s.c.CreateTopic("t", 1, "max.message.bytes", "1000")}
		var e events.KinesisEvent
		for i, value := range []string{"a", strings.Repeat("x", 2000), "c"} {
			r := events.KinesisEventRecord{EventSource: "aws:kinesis", EventID: fmt.Sprint("shard:", i), EventSourceArn: "arn"}
			r.Kinesis = events.KinesisRecord{SequenceNumber: fmt.Sprint(100 + i), PartitionKey: "k", Data: []byte(value), ApproximateArrivalTimestamp: events.SecondsEpochTime{Time: time.Now()}}
			e.Records = append(e.Records, r)
		}
		s.wants(e, `{"batchItemFailures":[{"itemIdentifier":"101"}]}`)
		s.reads(tp, "a", "c")
	})
}

func TestKafka_RecordsAreMirroredAndDeliveredAgainOnlyAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		tp := record.TopicPartition{Topic: s.c.CreateTopic("orders", 1)}
		e := events.KafkaEvent{EventSource: "SelfManagedKafka", BootstrapServers: "b:9092", Records: map[string][]events.KafkaRecord{"orders-0": {
			{Topic: "orders", Offset: 5, Key: "aw==", Value: "YQ==", Timestamp: events.MilliSecondsEpochTime{Time: time.Now()}, Headers: []map[string]events.JSONNumberBytes{{"h": []byte("v")}}},
			{Topic: "orders", Offset: 6, Value: "Yg==", Timestamp: events.MilliSecondsEpochTime{Time: time.Now()}},
		}}}
		loseAnswers(s.c)
		if got, err := s.invoke(e); err == nil {
			t.Errorf("answer %s, want an error: all is delivered again", got)
		}
		s.c.FaultKV(nil)
		s.restart()
		s.wants(e, `{"batchItemFailures":[]}`)
		s.reads(tp, "a", "b")
	})
}
