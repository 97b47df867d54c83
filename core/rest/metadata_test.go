package rest

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ingest"
)

func (a *api) cluster() string { return a.instance.Stream.ClusterID() }

func TestMetadata_ShowsTopicsPartitionsAndBrokers(t *testing.T) {
	a := newAPI(t)
	a.call("GET", "/topics", "", "").want(200).says(`[]`)
	a.topic("b", 2, "retention.ms", "1000")
	a.topic("a", 1)
	a.call("GET", "/topics", "", "").want(200).says(`["a","b"]`)
	a.call("GET", "/topics/b", "", "").want(200).holds(`"name":"b"`).holds(`"retention.ms":"1000"`).holds(`"cleanup.policy":"delete"`).
		holds(`{"partition":1,"leader":1,"replicas":[{"broker":1,"leader":true,"in_sync":true}]}`)
	a.call("GET", "/topics/b/partitions", "", "").want(200).holds(`"partition":1`)
	a.call("GET", "/topics/b/partitions/1", "", "").want(200).holds(`{"partition":1,`)
	a.call("GET", "/topics/b/partitions/2", "", "").fails(404, 40402)
	a.call("GET", "/topics/c", "", "").fails(404, 40401)
	a.call("GET", "/topics/c/partitions/0/offsets", "", "").fails(404, 40401)
	a.call("GET", "/brokers", "", "").want(200).says(`{"brokers":[1]}`)
	a.call("GET", "/openapi.yaml", "", "").want(200).holds("openapi: 3.0.3")
}

func TestHTTP_MethodsPathsAndTypesThatAreNotThere(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 1)
	a.wrong("GET", "/nothing", "", "").fails(404, 404)
	a.wrong("GET", "/topics/t/partitions/0/nothing", "", "").fails(404, 404)
	if g := a.wrong("DELETE", "/topics/t", "", "").fails(405, 405); g.header.Get("Allow") != "GET, HEAD, OPTIONS, POST" {
		t.Errorf("Allow: %s", g.header.Get("Allow"))
	}
	if g := a.wrong("OPTIONS", "/topics/t", "", "").want(204); g.header.Get("Allow") != "GET, HEAD, OPTIONS, POST" {
		t.Errorf("Allow: %s", g.header.Get("Allow"))
	}
	head, body := a.wrong("HEAD", "/topics/t", "", "").want(200), a.call("GET", "/topics/t", "", "")
	if head.text != "" || head.header.Get("Content-Type") != mediaV2 || len(body.text) < 100 {
		t.Errorf("HEAD: %v %q", head.header, head.text)
	}
	for accept, want := range map[string]string{
		"": mediaV2, "*/*": mediaV2, "application/json": "application/json", "text/html, application/json;q=0.5": "application/json",
		"application/vnd.kafka.v2+json, application/json": mediaV2, "application/vnd.kafka.v1+json": "application/vnd.kafka.v1+json", "application/*;q=0.2": mediaV2,
	} {
		if g := a.call("GET", "/brokers", "", "", "Accept", accept).want(200); g.header.Get("Content-Type") != want {
			t.Errorf("Accept %q is answered with %q", accept, g.header.Get("Content-Type"))
		}
	}
	a.wrong("GET", "/brokers", "", "", "Accept", "text/html").fails(406, 406)
	a.wrong("GET", "/brokers", "", "", "Accept", "application/json;q=0").fails(406, 406)
	a.wrong("GET", "/v3/clusters", "", "", "Accept", "application/vnd.kafka.v2+json").fails(406, 406)
}

func TestHTTP_LongAnswersArePackedForThoseWhoAsk(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 1)
	req, err := http.NewRequestWithContext(t.Context(), "GET", a.url+"/topics/t", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	unpacked, err := gzip.NewReader(resp.Body)
	if err != nil || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%v, %v", resp.Header, err)
	}
	b, err := io.ReadAll(unpacked)
	if plain := a.call("GET", "/topics/t", "", "", "Accept-Encoding", "gzip;q=0").text; err != nil || string(b) != plain {
		t.Errorf("unpacked: %v, %q", err, b)
	}
}

// breaking panics where others append.
type breaking struct{ Appender }

func TestHTTP_APanicIsAnsweredAndTheNextRequestServed(t *testing.T) {
	a := newAPI(t, func(_ *Settings, b *Backend) { b.Appender = breaking{} })
	a.topic("t", 1)
	a.call("POST", "/topics/t", kindText, `{"records":[{"value":"a"}]}`).fails(500, 500)
	a.call("GET", "/topics", "", "").want(200)
}

func TestHTTP_WithoutEtcdItSaysThatItMayBeTriedAgain(t *testing.T) {
	a := newAPI(t, func(s *Settings, _ *Backend) { s.RequestTimeout = 300 * time.Millisecond })
	a.topic("t", 1)
	a.world.FaultKV(func(string, coordination.Op, string) coordination.Decision {
		return coordination.Decision{Fail: coordination.FailBefore}
	})
	if g := a.call("GET", "/topics", "", "").fails(503, codeRetriable); g.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	a.call("GET", "/topics/none", "", "").fails(503, codeRetriable) // nobody can say that it is not there
	a.call("POST", "/topics/t", kindText, `{"records":[{"value":"a"}]}`).want(200).holds(`"error_code":50003`)
	a.call("POST", "/consumers/g", mediaV2, `{"name":"c"}`).fails(503, codeRetriable)
	a.world.FaultKV(nil)
}

func TestHTTP_ABodyThatDoesNotComeIsCutOff(t *testing.T) {
	a := newAPI(t, func(s *Settings, _ *Backend) { s.BodyTimeout = 50 * time.Millisecond })
	a.topic("t", 1)
	r, w := io.Pipe()
	defer w.Close()
	req, err := http.NewRequestWithContext(t.Context(), "POST", a.url+"/topics/t", r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kindText)
	go func() { _, _ = io.WriteString(w, `{"records":[`) }()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return // cut off before the answer could be read
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestErrors_EveryErrorOfAnAppendHasACode(t *testing.T) {
	for _, err := range []error{
		ingest.ErrUnknownPartition, ingest.ErrFenced, ingest.ErrOutOfOrder, ingest.ErrUnknownProducer, ingest.ErrNoKey, ingest.ErrTimestamp,
		ingest.ErrNotAppended, ingest.ErrUnknown,
	} {
		f, known := failureOf(err, v2)
		if !known || f.status < 400 || !strings.Contains(f.message, err.Error()) {
			t.Errorf("%v: %+v, %v", err, f, known)
		}
	}
}

func TestHTTP_WaitingForRecordsMayTakeLongerThanABody(t *testing.T) {
	a := newAPI(t, func(s *Settings, _ *Backend) { s.BodyTimeout = 50 * time.Millisecond })
	a.topic("t", 1)
	path := a.consumer("g", "c", "")
	a.call("POST", path+"/subscription", mediaV2, `{"topics":["t"]}`).want(204)
	a.wrong("GET", path+"/records?timeout=300", mediaV2, `{}`).want(200).says(`[]`)
	a.call("GET", path+"/records?timeout=300", "", "").want(200).says(`[]`)
	a.call("GET", "/topics/t/partitions/0/records?offset=0&timeout=300", "", "").want(200).says(`[]`)
}
