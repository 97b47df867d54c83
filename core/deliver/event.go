package deliver

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/firnlog/firnlog/core/record"
)

// The event of a self-managed Kafka cluster:
//
//	{"eventSource":"SelfManagedKafka","bootstrapServers":"…","records":{"TOPIC-PARTITION":[
//	  {"topic":"…","partition":0,"offset":15,"timestamp":1545084650987,"timestampType":"CREATE_TIME",
//	   "key":"BASE64","value":"BASE64","headers":[{"NAME":[104,-1,…]}]}]}}
//
// A null key or value is left out, as aws-lambda-go does it; an empty one is "". Bytes of headers are signed numbers. Each event has one
// partition.

// PayloadBytesMax is what Lambda takes in one request.
const PayloadBytesMax = 6 << 20

// Record is one of an event.
type Record struct {
	record.Record
	Offset    record.Offset
	Timestamp int64  // ms
	JSON      []byte // as it stands in the event; nil: it fits none
}

// frame is what stands around the records of a partition's events.
type frame struct{ before, after []byte }

func newFrame(bootstrap, topic string, partition int32) frame {
	b := append([]byte(`{"eventSource":"SelfManagedKafka","bootstrapServers":`), quoted(bootstrap)...)
	b = append(b, `,"records":{`...)
	b = append(b, quoted(PartitionName(topic, partition))...)
	return frame{before: append(b, `:[`...), after: []byte(`]}}`)}
}

func (f frame) size() int { return len(f.before) + len(f.after) }

// event puts records into one.
func (f frame) event(records []Record) []byte {
	size := f.size()
	for i := range records {
		size += len(records[i].JSON) + 1
	}
	b := append(make([]byte, 0, size), f.before...)
	for i := range records {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, records[i].JSON...)
	}
	return append(b, f.after...)
}

// PartitionName is a partition as events name it.
func PartitionName(topic string, partition int32) string {
	return topic + "-" + strconv.Itoa(int(partition))
}

// encode gives the record as it stands in an event.
func encode(topic string, partition int32, h record.Header, r *Record) []byte {
	kind := "CREATE_TIME"
	if h.IsLogAppendTime() {
		kind = "LOG_APPEND_TIME"
	}
	b := append(make([]byte, 0, 160+len(topic)+(len(r.Key)+len(r.Value))*4/3), `{"topic":`...)
	b = append(b, quoted(topic)...)
	b = strconv.AppendInt(append(b, `,"partition":`...), int64(partition), 10)
	b = strconv.AppendInt(append(b, `,"offset":`...), int64(r.Offset), 10)
	b = strconv.AppendInt(append(b, `,"timestamp":`...), r.Timestamp, 10)
	b = append(append(b, `,"timestampType":"`...), kind...)
	b = append(b, '"')
	b = appendBytes(b, `,"key":"`, r.Key)
	b = appendBytes(b, `,"value":"`, r.Value)
	b = append(b, `,"headers":[`...)
	for i, header := range r.Headers {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, '{'), quoted(header.Key)...)
		b = append(b, ':', '[')
		for j, c := range header.Value {
			if j > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(int8(c)), 10)
		}
		b = append(b, ']', '}')
	}
	return append(b, ']', '}')
}

func appendBytes(b []byte, name string, value []byte) []byte {
	if value == nil {
		return b
	}
	return append(base64.StdEncoding.AppendEncode(append(b, name...), value), '"')
}

func quoted(s string) []byte {
	b, _ := json.Marshal(s) // a string
	return b
}
