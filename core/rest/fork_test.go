package rest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

func TestFork_SharesRecordsAndGoesItsOwnWay(t *testing.T) {
	a := newAPI(t)
	a.topic("from", 1)
	const v2 = "application/vnd.kafka.json.v2+json"
	a.call("POST", "/topics/from", v2, `{"records":[{"value":1}]}`).want(200)
	time.Sleep(5 * time.Millisecond)
	at := time.Now()
	time.Sleep(5 * time.Millisecond)
	a.call("POST", "/topics/from", v2, `{"records":[{"value":2}]}`).want(200)
	for name, want := range map[string]struct {
		body string
		end  int64
	}{
		"all":  {`{"name":"all"}`, 2},
		"null": {`{"name":"null","at":null}`, 2},
		"ms":   {fmt.Sprintf(`{"name":"ms","at":%d}`, at.UnixMilli()), 1},
		"text": {fmt.Sprintf(`{"name":"text","at":"%s"}`, at.UTC().Format(time.RFC3339Nano)), 1},
	} {
		var made forkJSON
		if err := json.Unmarshal([]byte(a.call("POST", "/firnlog/v1/topics/from/fork", "application/json", want.body).want(201).text), &made); err != nil {
			t.Fatal(err)
		}
		if made.Topic != name || made.From != "from" || len(made.Partitions) != 1 || made.Partitions[0].End != want.end || made.Bytes == 0 {
			t.Errorf("%s: %+v", name, made)
		}
		a.call("POST", "/topics/"+name, v2, `{"records":[{"value":"own"}]}`).want(200).holds(fmt.Sprintf(`"offset":%d`, want.end))
		a.call("GET", "/topics/"+name+"/partitions/0/records?offset=0", "", "", "Accept", v2).want(200).holds(`"value":1`).holds(`"value":"own"`)
	}
}

func TestFork_SaysWhatIsWrong(t *testing.T) {
	a := newAPI(t)
	a.topic("from", 1)
	a.topic("wide", 126)
	const path = "/firnlog/v1/topics/from/fork"
	a.call("POST", "/firnlog/v1/topics/no/fork", "application/json", `{"name":"f"}`).fails(404, 40403)
	a.call("POST", path, "application/json", `{"name":"wide"}`).fails(400, 40002)
	a.call("POST", path, "application/json", `{"name":"a b"}`).fails(400, 40002)
	a.call("POST", "/firnlog/v1/topics/wide/fork", "application/json", `{"name":"f"}`).fails(422, 422)
	for _, at := range []string{`"yesterday"`, `1.5`, `{}`} {
		a.wrong("POST", path, "application/json", `{"name":"f","at":`+at+`}`).fails(400, 400)
	}
	a.wrong("POST", path, "application/json", `{}`).fails(400, 40002)
}
