package rest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestV3_TopicsAreMadeShownGrownAndDeleted(t *testing.T) {
	a := newAPI(t)
	base := "/v3/clusters/" + a.cluster()
	a.call("GET", "/v3/clusters", "", "").want(200).holds(`"kind":"KafkaClusterList"`).holds(a.cluster())
	a.call("GET", base, "", "").want(200).holds(`"topics":{"related":"` + a.url + base + `/topics"}`)
	a.call("GET", "/v3/clusters/other/topics", "", "").fails(404, 404)
	a.call("POST", base+"/topics", kindPlain, `{"topic_name":"t","partitions_count":2,"replication_factor":3,"configs":[{"name":"retention.ms","value":"5000"}],"validate_only":true}`).want(200)
	a.call("GET", base+"/topics/t", "", "").fails(404, 40403)
	if g := a.call("POST", base+"/topics", kindPlain, `{"topic_name":"t","partitions_count":2,"replication_factor":3,"configs":[{"name":"retention.ms","value":"5000"}]}`).want(201); g.header.Get("Location") != a.url+base+"/topics/t" {
		t.Errorf("Location: %s", g.header.Get("Location"))
	}
	a.call("POST", base+"/topics", kindPlain, `{"topic_name":"t"}`).fails(400, 40002)
	a.call("POST", base+"/topics", kindPlain, `{"topic_name":"u","configs":[{"name":"no.such","value":"1"}]}`).fails(400, 40002)
	a.wrong("POST", base+"/topics", kindPlain, `{"topic_name":"?"}`).fails(400, 40002)
	a.wrong("POST", base+"/topics", kindPlain, `{"topic_name":"u","partitions_count":0}`).fails(400, 40002)
	a.wrong("POST", base+"/topics", kindPlain, ``).fails(400, 400)
	a.wrong("POST", base+"/topics", kindPlain, `{"topic_name":1}`).fails(400, 400)
	a.call("GET", base+"/topics/t", "", "").want(200).holds(`"replication_factor":3,"partitions_count":2`).holds(`"resource_name":"crn:///kafka=` + a.cluster() + `/topic=t"`)
	a.call("PATCH", base+"/topics/t", kindPlain, `{"partitions_count":4}`).want(200).holds(`"partitions_count":4`)
	a.call("PATCH", base+"/topics/t", kindPlain, `{"partitions_count":3}`).fails(400, 40002)
	a.call("GET", base+"/topics", "", "").want(200).holds(`"partitions_count":4`)
	a.call("GET", base+"/topics/t/partitions", "", "").want(200).holds(`"partition_id":3`)
	a.call("GET", base+"/topics/t/partitions/3", "", "").want(200)
	a.call("GET", base+"/topics/t/partitions/4", "", "").fails(404, 404)
	a.call("GET", base+"/topics/t/partitions/3/offset", "", "").want(200).holds(`"earliest_offset":0,"latest_offset":0`)
	a.call("DELETE", base+"/topics/t", "", "").want(204)
	a.call("DELETE", base+"/topics/t", "", "").fails(404, 40403)
}

func TestV3_ConfigsAreSetUnsetAndAlteredTogether(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 1)
	path := "/v3/clusters/" + a.cluster() + "/topics/t/configs"
	a.call("GET", path, "", "").want(200).holds(`"name":"retention.ms","value":"604800000","is_default":true`)
	a.call("PUT", path+"/retention.ms", kindPlain, `{"value":"1000"}`).want(204)
	a.call("GET", path+"/retention.ms", "", "").want(200).holds(`"value":"1000","is_default":false`).holds(`"source":"DYNAMIC_TOPIC_CONFIG"`)
	a.call("PUT", path+"/retention.ms", kindPlain, `{"value":"soon"}`).fails(400, 40002)
	a.call("GET", path+"/no.such", "", "").fails(404, 404)
	a.call("POST", path+":alter", kindPlain, `{"data":[{"name":"retention.ms","operation":"DELETE"},{"name":"cleanup.policy","value":"compact"}]}`).want(204)
	a.call("GET", path, "", "").want(200).holds(`"name":"cleanup.policy","value":"compact"`).holds(`"value":"604800000"`)
	a.call("POST", path+":alter", kindPlain, `{"data":[{"name":"retention.ms","value":"7"},{"name":"cleanup.policy","value":"burn"}]}`).fails(400, 40002)
	a.call("GET", path+"/retention.ms", "", "").want(200).holds(`"value":"604800000"`)
	a.wrong("POST", path+":alter", kindPlain, `{"data":[]}`).fails(400, 400)
	a.call("DELETE", path+"/cleanup.policy", "", "").want(204)
	a.call("GET", path+"/cleanup.policy", "", "").want(200).holds(`"value":"delete"`)
}

func TestV3_RecordsAreReportedOneByOne(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 2)
	path := "/v3/clusters/" + a.cluster() + "/topics/t/records"
	a.call("POST", path, kindPlain, `{"partition_id":1,"headers":[{"name":"H","value":"SGVh"}],"key":{"type":"BINARY","data":"Zm9v"},"value":{"type":"JSON","data":{"a": 1}},"timestamp":"2021-02-05T19:14:42Z"}`).want(200).
		says(`{"error_code":200,"cluster_id":"` + a.cluster() + `","topic_name":"t","partition_id":1,"offset":0,"timestamp":"2021-02-05T19:14:42Z","key":{"type":"BINARY","size":3},"value":{"type":"JSON","size":7}}`)
	g := a.wrong("POST", path, kindPlain, `{"partition_id":1,"value":{"type":"STRING","data":"b"}} {"partition_id":9,"value":{"type":"STRING","data":"c"}}
		{"value":{"type":"AVRO","data":"c"}}{"value":{"type":"BINARY","data":"?"}}{"partition_id":1}{"partition_id":1,"value":{"type":"STRING","data":"d"}}{"partition_id":`).want(200)
	var codes []int
	for dec := json.NewDecoder(strings.NewReader(g.text)); dec.More(); {
		var r reportJSON
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		codes = append(codes, r.Code)
	}
	if fmt.Sprint(codes) != "[200 404 400 400 200 200 400]" {
		t.Errorf("reports %v", codes)
	}
	a.call("GET", "/topics/t/partitions/1/records?offset=0", "", "", "Accept", kindText).want(200).holds(`"key":"foo","value":"{\"a\":1}","partition":1,"offset":0,"timestamp":1612552482000,"headers":[{"key":"H","value":"SGVh"}]`).holds(`"value":null`).holds(`"value":"d"`)
	a.wrong("POST", path, kindPlain, ``).fails(400, 400)
	a.call("POST", "/v3/clusters/"+a.cluster()+"/topics/none/records", kindPlain, `{"value":{"type":"STRING","data":"b"}}`).fails(404, 40403)
}

func TestV3_AnOpenStreamIsAnsweredRecordByRecord(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 1)
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", a.url+"/v3/clusters/"+a.cluster()+"/topics/t/records", r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kindPlain)
	go func() { _, _ = io.WriteString(w, `{"value":{"type":"STRING","data":"0"}}`) }()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	reports := json.NewDecoder(bufio.NewReader(resp.Body))
	for i := range 20 {
		var got reportJSON
		if err := reports.Decode(&got); err != nil || got.Code != 200 || int(*got.Offset) != i {
			t.Fatalf("report %d: %+v, %v", i, got, err)
		}
		if i < 19 {
			fmt.Fprintf(w, `{"value":{"type":"STRING","data":"%d"}}`, i+1)
		}
	}
	w.Close()
	if err := reports.Decode(&reportJSON{}); err != io.EOF {
		t.Errorf("after the last report: %v", err)
	}
}

func TestV3_ABatchSaysWhichEntriesWereWritten(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 1)
	path := "/v3/clusters/" + a.cluster() + "/topics/t/records:batch"
	a.wrong("POST", path, kindPlain, `{"entries":[{"id":"1","value":{"type":"STRING","data":"x"}},{"id":"2","value":{"type":"BINARY","data":"?"}},{"id":"3","partition_id":7},{"id":"4","value":{"type":"STRING","data":"y"}}]}`).want(207).
		holds(`{"successes":[{"id":"1","error_code":200,`).holds(`{"id":"4","error_code":200,`).holds(`"failures":[{"id":"2","error_code":400,`).holds(`{"id":"3","error_code":404,`)
	a.wrong("POST", path, kindPlain, `{"entries":[]}`).fails(400, 400)
	a.wrong("POST", path, kindPlain, `{"entries":[{"id":"1"},{"id":"1"}]}`).fails(400, 400)
	a.wrong("POST", path, kindPlain, `{"entries":[{"value":null}]}`).fails(400, 400)
	a.call("GET", "/topics/t/partitions/0/offsets", "", "").want(200).holds(`"end_offset":2`)
}

func TestV3_GroupsTheirMembersAndLagsAreShown(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 2)
	a.write("t", 0, "a", "b", "c")
	base := "/v3/clusters/" + a.cluster() + "/consumer-groups"
	a.call("GET", base, "", "").want(200).holds(`"data":[]`)
	a.call("GET", base+"/g", "", "").fails(404, 404)
	path := a.consumer("g", "c1", `"auto.commit.enable":"false"`)
	a.call("POST", path+"/subscription", mediaV2, `{"topics":["t"]}`).want(204)
	a.read(path, 3)
	a.call("POST", path+"/offsets", mediaV2, `{"offsets":[{"topic":"t","partition":0,"offset":0}]}`).want(204)
	a.call("GET", base, "", "").want(200).holds(`"consumer_group_id":"g"`).holds(`"state":"STABLE","type":"CONSUMER"`)
	a.call("GET", base+"/g", "", "").want(200).holds(`"partition_assignor":"uniform"`)
	a.call("GET", base+"/g/consumers", "", "").want(200).holds(`"consumer_id":"c1"`)
	a.call("GET", base+"/g/consumers/c1", "", "").want(200)
	a.call("GET", base+"/g/consumers/c2", "", "").fails(404, 404)
	a.call("GET", base+"/g/consumers/c1/assignments", "", "").want(200).holds(`"topic_name":"t","partition_id":1`)
	a.call("GET", base+"/g/lags", "", "").want(200).holds(`"current_offset":1,"log_end_offset":3,"lag":2,"consumer_id":"c1"`)
	a.call("GET", base+"/g/lags/t/partitions/0", "", "").want(200).holds(`"lag":2`)
	a.call("GET", base+"/g/lags/t/partitions/1", "", "").fails(404, 404)
	a.call("GET", base+"/g/lag-summary", "", "").want(200).holds(`"max_lag":2,"total_lag":2`)
}
