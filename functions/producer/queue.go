package main

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-lambda-go/events"

	"github.com/firnlog/firnlog/core/record"
)

// message is what a queue or stream delivered.
type message struct {
	id        string // what its source is told if it failed
	identity  string // the same at each delivery, and of no other message
	topic     string // "": FIRNLOG_TOPIC
	key       []byte
	value     []byte
	headers   []record.RecordHeader
	timestamp int64 // ms; 0: now
}

// itemFailures tells a source which messages to deliver again.
type itemFailures struct {
	Failures []itemFailure `json:"batchItemFailures"`
}

type itemFailure struct {
	ID string `json:"itemIdentifier"`
}

// answerer makes the answer from the ids of messages that failed.
type answerer func(failed []string) (any, error)

// partly is for sources that take the ids of what failed, and keep the rest for delivered.
func partly(failed []string) (any, error) {
	out := itemFailures{Failures: []itemFailure{}}
	for _, id := range failed {
		out.Failures = append(out.Failures, itemFailure{id})
	}
	return out, nil
}

// wholly is for sources that deliver all again if something failed.
func wholly(failed []string) (any, error) {
	if len(failed) > 0 {
		return nil, fmt.Errorf("%d messages were not written, the first is %s: deliver all again", len(failed), failed[0])
	}
	return itemFailures{Failures: []itemFailure{}}, nil
}

// messagesOf reads an event of SQS, Kinesis or Kafka.
func messagesOf(raw json.RawMessage) ([]message, answerer, error) {
	var probe struct {
		Records     json.RawMessage `json:"records"` // field names match in any case: a list, or Kafka's map
		EventSource string          `json:"eventSource"`
	}
	if err := json.Unmarshal(raw, &probe); err != nil {
		return nil, nil, errEvent
	}
	switch probe.EventSource {
	case "aws:kafka", "SelfManagedKafka":
		m, err := ofKafka(raw)
		return m, wholly, err
	}
	var list []struct {
		EventSource string `json:"eventSource"`
	}
	if err := json.Unmarshal(probe.Records, &list); err != nil || len(list) == 0 {
		return nil, nil, errEvent
	}
	switch list[0].EventSource {
	case "aws:sqs":
		m, err := ofSQS(raw)
		return m, partly, err
	case "aws:kinesis":
		m, err := ofKinesis(raw)
		return m, partly, err
	}
	return nil, nil, errEvent
}

// ofSQS: the attributes topic and key of a message say where it goes; its body is the value, its other attributes are headers.
func ofSQS(raw json.RawMessage) (out []message, err error) {
	var e events.SQSEvent
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, fmt.Errorf("event of SQS: %w", err)
	}
	for i := range e.Records {
		r := &e.Records[i]
		m := message{id: r.MessageId, identity: r.EventSourceARN + "/" + r.MessageId, value: []byte(r.Body)}
		m.timestamp, _ = strconv.ParseInt(r.Attributes["SentTimestamp"], 10, 64) // 0: now
		for name, a := range r.MessageAttributes {
			value := a.BinaryValue
			if a.StringValue != nil {
				value = []byte(*a.StringValue)
			}
			switch name {
			case "topic":
				m.topic = string(value)
			case "key":
				m.key = value
			default:
				m.headers = append(m.headers, record.RecordHeader{Key: name, Value: value})
			}
		}
		slices.SortFunc(m.headers, func(a, b record.RecordHeader) int { return cmp.Compare(a.Key, b.Key) }) // attributes have no order
		out = append(out, m)
	}
	return out, nil
}

// ofKinesis: the partition key is the key.
func ofKinesis(raw json.RawMessage) (out []message, err error) {
	var e events.KinesisEvent
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, fmt.Errorf("event of Kinesis: %w", err)
	}
	for i := range e.Records {
		r := &e.Records[i]
		out = append(out, message{
			id: r.Kinesis.SequenceNumber, identity: r.EventSourceArn + "/" + r.EventID, key: []byte(r.Kinesis.PartitionKey), value: r.Kinesis.Data,
			timestamp: r.Kinesis.ApproximateArrivalTimestamp.UnixMilli(),
		})
	}
	return out, nil
}

// ofKafka mirrors another cluster: topics keep their names, and records what they have but the partition.
func ofKafka(raw json.RawMessage) (out []message, err error) {
	var e events.KafkaEvent
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, fmt.Errorf("event of Kafka: %w", err)
	}
	partitions := make([]string, 0, len(e.Records))
	for name := range e.Records {
		partitions = append(partitions, name)
	}
	slices.Sort(partitions)
	for _, name := range partitions {
		for _, r := range e.Records[name] {
			id := fmt.Sprintf("%s/%s/%d/%d", cmp.Or(e.EventSourceARN, e.BootstrapServers), r.Topic, r.Partition, r.Offset)
			m := message{id: id, identity: id, topic: r.Topic, timestamp: r.Timestamp.UnixMilli()}
			var err1, err2 error
			m.key, err1 = unpack(r.Key)
			m.value, err2 = unpack(r.Value)
			if err := errors.Join(err1, err2); err != nil {
				return nil, fmt.Errorf("record %s: %w", id, err)
			}
			for _, h := range r.Headers {
				for key, value := range h {
					m.headers = append(m.headers, record.RecordHeader{Key: key, Value: value})
				}
			}
			out = append(out, m)
		}
	}
	return out, nil
}

func unpack(text string) ([]byte, error) {
	if text == "" {
		return nil, nil // the event does not tell null from empty
	}
	return base64.StdEncoding.DecodeString(text)
}
