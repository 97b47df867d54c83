package rest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/firnlog/firnlog/core/record"
)

func TestProduce_EachFormatIsReadBackAsItWasWritten(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 1)
	a.call("POST", "/topics/t", kindBinary, `{"records":[{"key":"a2V5","value":"Zm9v","timestamp":1591897790000,"headers":[{"key":"h","value":"djE="},{"key":"n","value":null}]},{"value":""},{"key":"AA==","value":null}]}`).want(200).
		says(`{"offsets":[{"partition":0,"offset":0,"error_code":null,"error":null},{"partition":0,"offset":1,"error_code":null,"error":null},{"partition":0,"offset":2,"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`)
	a.call("POST", "/topics/t", kindJSON, `{"records":[{"key":1,"value":{"a" : [1, 2.50, 12345678901234567890]}},{"value":"<é>"},{"value":null}]}`).want(200)
	a.call("POST", "/topics/t/partitions/0", kindText, `{"records":[{"key":"k","value":"höher"}]}`).want(200)

	path := "/topics/t/partitions/0/records?timeout=0&max_bytes=100000&offset="
	a.call("GET", path+"0", "", "", "Accept", kindBinary).want(200).
		holds(`{"topic":"t","key":"a2V5","value":"Zm9v","partition":0,"offset":0,"timestamp":1591897790000,"headers":[{"key":"h","value":"djE="},{"key":"n","value":null}]}`).
		holds(`"key":null,"value":"","partition":0,"offset":1`).holds(`"key":"AA==","value":null,"partition":0,"offset":2`)
	a.call("GET", path+"3", "", "", "Accept", kindJSON).fails(422, codeConversion) // the last one is no JSON
	a.call("GET", "/topics/t/partitions/0/records?timeout=0&max_bytes=1&offset=3", "", "", "Accept", kindJSON).want(200).
		holds(`"key":1,"value":{"a":[1,2.50,12345678901234567890]},"partition":0,"offset":3`)
	a.call("GET", path+"4", "", "", "Accept", kindText).want(200).holds(`"value":"\"<é>\""`).holds(`"value":null`).holds(`"key":"k","value":"höher"`)
	a.call("GET", path+"7", "", "", "Accept", kindText).want(200).says(`[]`)
	a.call("GET", path+"8", "", "", "Accept", kindText).fails(416, 416)
}

func TestProduce_KeysFindThePartitionThatKafkaClientsWouldChoose(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 7)
	for i := range 20 {
		key := fmt.Sprint("key-", i)
		want := record.PartitionForKey([]byte(key), 7)
		a.call("POST", "/topics/t", kindText, fmt.Sprintf(`{"records":[{"key":%q,"value":"v"}]}`, key)).want(200).holds(fmt.Sprintf(`{"partition":%d,`, want))
	}
}

func TestProduce_RecordsOfSeveralPartitionsAreOneSegment(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 4)
	a.instance.Barrier()
	var records []string
	for i := range 400 {
		records = append(records, fmt.Sprintf(`{"value":"%d","partition":%d}`, i, i%4))
	}
	a.call("POST", "/topics/t", kindText, `{"records":[`+strings.Join(records, ",")+`]}`).want(200).holds(`{"partition":3,"offset":99,"error_code":null,"error":null}`)
	if n := len(a.world.Objects()); n != 1 {
		t.Errorf("%d objects, want 1", n)
	}
}

func TestProduce_LargeRequestsBecomeSeveralBatches(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 1, "max.message.bytes", "10000")
	value := strings.Repeat("x", 3000)
	body := fmt.Sprintf(`{"records":[{"value":"%s"},{"value":"%s"},{"value":"%s"},{"value":"%s"},{"value":"%s"},{"value":"%s"}]}`, value, value, value, value, strings.Repeat("y", 20000), value)
	a.call("POST", "/topics/t", kindText, body).want(200).holds(`{"partition":null,"offset":null,"error_code":42206,`).holds(`{"partition":0,"offset":4,"error_code":null,"error":null}`)
}

func TestProduce_WhatIsWrongFailsTheRequestBeforeAnythingIsWritten(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 2)
	for _, c := range []struct {
		path, kind, body string
		status, code     int
	}{
		{"/topics/none", kindBinary, `{"records":[{"value":"Zm9v"}]}`, 404, 40401},
		{"/topics/t/partitions/2", kindBinary, `{"records":[{"value":"Zm9v"}]}`, 404, 40402},
		{"/topics/t/partitions/x", kindBinary, `{"records":[{"value":"Zm9v"}]}`, 404, 40402},
		{"/topics/t", kindBinary, `{"records":[{"value":"Zm9v"},{"value":"Zm9v","partition":2}]}`, 404, 40402},
		{"/topics/t", kindBinary, `{"records":[{"value":"Zm9v"},{"value":"Zm9v","partition":-1}]}`, 404, 40402},
		{"/topics/t", kindBinary, `{"records":[]}`, 422, 422},
		{"/topics/t", kindBinary, `{}`, 422, 422},
		{"/topics/t", kindBinary, ``, 422, 422},
		{"/topics/t", kindBinary, `{"records":`, 422, 422},
		{"/topics/t", kindBinary, `{"records":[{"value":"Zm9v"},{"value":"not base64"}]}`, 422, 42203},
		{"/topics/t", kindBinary, `{"records":[{"value":{"a":1}}]}`, 422, 42203},
		{"/topics/t", kindText, `{"records":[{"value":1}]}`, 422, 42203},
		{"/topics/t", kindText, "{\"records\":[{\"value\":\"\xff\"}]}", 422, 422},
		{"/topics/t", kindText, `{"records":[{"value":"a","headers":[{"key":"h","value":"?"}]}]}`, 422, 42203},
		{"/topics/t/partitions/0", kindText, `{"records":[{"value":"a","partition":0}]}`, 422, 422},
		{"/topics/t", "application/vnd.kafka.avro.v2+json", `{"records":[{"value":"a"}]}`, 415, 415},
		{"/topics/t", "text/plain", `{"records":[{"value":"a"}]}`, 415, 415},
		{"/topics/t", kindText + "; charset=latin1", `{"records":[{"value":"a"}]}`, 415, 415},
	} {
		a.wrong("POST", c.path, c.kind, c.body).fails(c.status, c.code)
	}
	a.wrong("POST", "/topics/t", kindText, `{"records":[{"value":"a"}]}`, "Accept", "text/html").fails(406, 406)
	a.wrong("POST", "/topics/t", kindText, `{"records":[{"value":"a"}]}`, "Content-Encoding", "br").fails(415, 415)
	a.call("GET", "/topics/t/partitions/0/offsets", "", "").want(200).says(`{"beginning_offset":0,"end_offset":0}`)
}

func TestProduce_GenericTypesMeanBinary(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 1)
	for _, kind := range []string{"application/json", "application/vnd.kafka.v2+json", "application/json; charset=utf-8", "application/vnd.kafka.v1+json"} {
		a.call("POST", "/topics/t", kind, `{"records":[{"value":"Zm9v","partition":null}]}`).want(200)
	}
	a.wrong("POST", "/topics/t", "application/vnd.kafka.binary.v1+json", `{"records":[{"value":"Zm9v"}]}`).want(200)
	if n := len(a.call("GET", "/topics/t/partitions/0/records?offset=0", "", "", "Accept", kindText).want(200).values()); n != 5 {
		t.Errorf("%d records, want 5", n)
	}
}

func TestProduce_SendingAgainWithAProducerWritesNothingTwice(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 3)
	a.call("POST", "/producers", "", "").want(200).says(`{"producer_id":0,"epoch":0}`)
	body := `{"records":[{"value":"a"},{"value":"b"}]}`
	first := a.call("POST", "/topics/t", kindText, body, producerHeader, "7/0/0").want(200)
	a.call("POST", "/topics/t", kindText, body, producerHeader, "7/0/0").want(200).says(strings.TrimSpace(first.text))
	a.call("POST", "/topics/t", kindText, `{"records":[{"value":"c"}]}`, producerHeader, "7/0/2").want(200).holds(`{"partition":1,"offset":2,`)
	a.call("POST", "/topics/t", kindText, `{"records":[{"value":"e"}]}`, producerHeader, "7/0/9").want(200).holds(`"error_code":50002`)
	a.call("POST", "/v3/clusters/"+a.cluster()+"/topics/t/records", kindPlain, `{"partition_id":1,"value":{"type":"STRING","data":"c"}}{"partition_id":1,"value":{"type":"STRING","data":"d"}}`, producerHeader, "7/0/2").want(200).holds(`"offset":2`).holds(`"offset":3`)
	a.wrong("POST", "/topics/t", kindText, `{"records":[{"value":"a"}]}`, producerHeader, "7/0").fails(422, 422)
	a.call("POST", "/topics/t", kindText, `{"records":[{"value":"a","partition":0},{"value":"a","partition":1}]}`, producerHeader, "8/0/0").fails(422, 422)
	if got := a.call("GET", "/topics/t/partitions/1/records?offset=0", "", "", "Accept", kindText).values(); fmt.Sprint(got) != "[a b c d]" {
		t.Errorf("partition 1 has %v", got)
	}
}

func TestProduce_GzipIsReadAndBounded(t *testing.T) {
	a := newAPI(t, func(s *Settings, _ *Backend) { s.BodyBytesMax, s.UnpackedBytesMax = 20_000, 100_000 })
	a.topic("t", 1)
	packed := func(n int) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		fmt.Fprintf(w, `{"records":[{"value":"%s"}]}`, strings.Repeat("x", n))
		w.Close()
		return b.String()
	}
	a.wrong("POST", "/topics/t", kindText, packed(90_000), "Content-Encoding", "gzip").want(200)
	a.wrong("POST", "/topics/t", kindText, packed(110_000), "Content-Encoding", "gzip").fails(413, 413)
	a.wrong("POST", "/topics/t", kindText, packed(90_000)[:50], "Content-Encoding", "gzip").fails(400, 400)
	a.call("POST", "/topics/t", kindText, `{"records":[{"value":"`+strings.Repeat("x", 21_000)+`"}]}`).fails(413, 413)
}
