package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/fetch"
)

// instance makes a consumer instance and gives its path.
func (a *api) consumer(group, name, settings string) string {
	a.Helper()
	if settings != "" {
		settings = "," + settings
	}
	a.call("POST", "/consumers/"+group, mediaV2, fmt.Sprintf(`{"name":%q,"format":"text","auto.offset.reset":"earliest"%s}`, name, settings)).want(200).
		says(fmt.Sprintf(`{"instance_id":%q,"base_uri":"%s/consumers/%s/instances/%s"}`, name, a.url, group, name))
	return "/consumers/" + group + "/instances/" + name
}

func (a *api) write(topic string, partition int, values ...string) {
	a.Helper()
	records := []string{}
	for _, v := range values {
		records = append(records, fmt.Sprintf(`{"value":%q}`, v))
	}
	a.call("POST", fmt.Sprintf("/topics/%s/partitions/%d", topic, partition), kindText, `{"records":[`+strings.Join(records, ",")+`]}`).want(200)
}

// read polls until n values came.
func (a *api) read(path string, n int) (out []string) {
	a.Helper()
	for deadline := time.Now().Add(20 * time.Second); len(out) < n && time.Now().Before(deadline); {
		out = append(out, a.call("GET", path+"/records?timeout=200", "", "", "Accept", kindText).want(200).values()...)
	}
	if len(out) != n {
		a.Fatalf("read %d values, want %d: %v", len(out), n, out)
	}
	return out
}

func TestConsumer_ReadsWhatItSubscribesToAndGoesOnFromWhatWasCommitted(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 2)
	a.write("t", 0, "a", "b", "c")
	path := a.consumer("g", "c1", `"auto.commit.enable":"false"`)
	a.call("GET", path+"/subscription", "", "").want(200).says(`{"topics":[]}`)
	a.call("POST", path+"/subscription", mediaV2, `{"topics":["t"]}`).want(204)
	a.call("GET", path+"/subscription", "", "").want(200).says(`{"topics":["t"]}`)
	a.call("GET", path+"/assignments", "", "").want(200).says(`{"partitions":[{"topic":"t","partition":0},{"topic":"t","partition":1}]}`)
	if got := a.read(path, 3); fmt.Sprint(got) != "[a b c]" {
		t.Fatalf("read %v", got)
	}
	a.call("POST", path+"/offsets", mediaV2, `{"offsets":[{"topic":"t","partition":0,"offset":0,"metadata":"m"}]}`).want(204)
	a.call("GET", path+"/offsets?partitions=t:0,t:1", "", "").want(200).says(`{"offsets":[{"topic":"t","partition":0,"offset":1,"metadata":"m"}]}`)
	a.call("DELETE", path, "", "").want(204)
	a.call("GET", path+"/records", "", "", "Accept", kindText).fails(404, 40403)

	path = a.consumer("g", "c1", "")
	a.call("POST", path+"/subscription", mediaV2, `{"topic_pattern":"^t.*"}`).want(204)
	a.call("GET", path+"/subscription", "", "").want(200).says(`{"topics":[],"topic_pattern":"^t.*"}`)
	if got := a.read(path, 2); fmt.Sprint(got) != "[b c]" {
		t.Fatalf("read %v after the commit", got)
	}
	a.call("POST", path+"/offsets", mediaV2, "").want(204)
	a.wrong("GET", path+"/offsets", mediaV2, `{"partitions":[{"topic":"t","partition":0}]}`).want(200).holds(`"offset":3`)
	a.call("DELETE", path+"/subscription", "", "").want(204)
	a.call("GET", path+"/assignments", "", "").want(200).says(`{"partitions":[]}`)
}

func TestConsumer_PositionsAreMoved(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 1)
	a.write("t", 0, "a", "b", "c")
	path := a.consumer("g", "c", "")
	a.call("POST", path+"/assignments", mediaV2, `{"partitions":[{"topic":"t","partition":0}]}`).want(204)
	a.call("POST", path+"/positions", mediaV2, `{"offsets":[{"topic":"t","partition":0,"offset":2}]}`).want(204)
	if got := a.read(path, 1); got[0] != "c" {
		t.Errorf("read %v", got)
	}
	a.call("POST", path+"/positions/beginning", mediaV2, `{"partitions":[{"topic":"t","partition":0}]}`).want(204)
	if got := a.read(path, 3); got[0] != "a" {
		t.Errorf("read %v", got)
	}
	a.call("POST", path+"/positions", mediaV2, `{"offsets":[{"topic":"t","partition":0,"offset":0}]}`).want(204)
	a.call("POST", path+"/positions/end", mediaV2, `{"partitions":[{"topic":"t","partition":0}]}`).want(204)
	a.call("GET", path+"/records?timeout=0", "", "", "Accept", kindText).want(200).says(`[]`)
	a.call("POST", path+"/positions", mediaV2, `{"offsets":[{"topic":"t","partition":1,"offset":0}]}`).fails(404, 40402)
	a.topic("u", 1)
	a.call("POST", path+"/positions", mediaV2, `{"offsets":[{"topic":"u","partition":0,"offset":0}]}`).fails(409, 40903)
	a.call("POST", path+"/assignments", mediaV2, `{"partitions":[{"topic":"none","partition":0}]}`).fails(404, 40401)
}

func TestConsumer_WhatCannotBeIsRefused(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 1)
	path := a.consumer("g", "c", "")
	a.call("POST", "/consumers/g", mediaV2, `{"name":"c"}`).fails(409, 40902)
	for _, settings := range []string{`{"format":"avro"}`, `{"auto.offset.reset":"middle"}`, `{"auto.commit.enable":"perhaps"}`, `{"fetch.min.bytes":"many"}`, `{"consumer.instance.timeout.ms":1}`} {
		a.wrong("POST", "/consumers/g", mediaV2, settings).fails(422, 42204)
	}
	a.call("GET", "/consumers/g/instances/none/records", "", "").fails(404, 40403)
	a.call("GET", path+"/records", "", "").fails(409, 40903) // neither subscribed nor assigned
	a.call("GET", path+"/records", "", "", "Accept", kindBinary).fails(406, 40601)
	a.wrong("POST", path+"/subscription", mediaV2, `{"topics":["t"],"topic_pattern":"t"}`).fails(409, 40903)
	a.wrong("POST", path+"/subscription", mediaV2, `{}`).fails(422, 422)
	a.wrong("POST", path+"/subscription", mediaV2, `{"topic_pattern":"("}`).fails(422, 422)
	a.call("POST", path+"/subscription", mediaV2, `{"topics":["t"]}`).want(204)
	a.call("POST", path+"/assignments", mediaV2, `{"partitions":[{"topic":"t","partition":0}]}`).fails(409, 40903)
	a.call("POST", path+"/offsets", mediaV2, `{"offsets":[{"topic":"none","partition":0,"offset":0}]}`).fails(404, 40401)
	a.wrong("POST", path+"/offsets", mediaV2, `{"offsets":[{"topic":"t","partition":0,"offset":-1}]}`).fails(422, 422)
}

func TestConsumer_CommitsByItselfOnlyWhatEarlierAnswersHeld(t *testing.T) {
	a := newAPI(t, func(s *Settings, _ *Backend) { s.AutoCommitEvery = 0 })
	a.topic("t", 1)
	a.write("t", 0, "a", "b")
	path := a.consumer("g", "c", "")
	a.call("POST", path+"/subscription", mediaV2, `{"topics":["t"]}`).want(204)
	a.read(path, 2)
	a.call("GET", path+"/offsets", "", "").want(200).says(`{"offsets":[]}`) // the client may not have seen them yet
	a.write("t", 0, "c")
	a.read(path, 1)
	a.call("GET", path+"/offsets", "", "").want(200).holds(`"offset":2`)
	a.call("DELETE", path, "", "").want(204)
	path = a.consumer("g", "d", "")
	a.call("GET", path+"/offsets?partitions=t:0", "", "").want(200).holds(`"offset":3`)
}

func TestConsumer_TwoOfAGroupShareItsPartitions(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 4)
	for p := range 4 {
		a.write("t", p, fmt.Sprint("a", p))
	}
	one := a.consumer("g", "one", "")
	a.call("POST", one+"/subscription", mediaV2, `{"topics":["t"]}`).want(204)
	got := a.read(one, 4)
	two := a.consumer("g", "two", "")
	a.call("POST", two+"/subscription", mediaV2, `{"topics":["t"]}`).want(204)
	count := func(path string) int {
		return strings.Count(a.call("GET", path+"/assignments", "", "").want(200).text, `"partition":`)
	}
	for deadline := time.Now().Add(10 * time.Second); count(one) != 2 || count(two) != 2; {
		got = append(got, a.call("GET", one+"/records?timeout=10", "", "", "Accept", kindText).want(200).values()...)
		got = append(got, a.call("GET", two+"/records?timeout=10", "", "", "Accept", kindText).want(200).values()...)
		if time.Now().After(deadline) {
			t.Fatalf("they have %d and %d partitions", count(one), count(two))
		}
	}
	for p := range 4 {
		a.write("t", p, fmt.Sprint("b", p))
	}
	for deadline := time.Now().Add(10 * time.Second); len(got) < 8 && time.Now().Before(deadline); {
		got = append(got, a.call("GET", one+"/records?timeout=50", "", "", "Accept", kindText).want(200).values()...)
		got = append(got, a.call("GET", two+"/records?timeout=50", "", "", "Accept", kindText).want(200).values()...)
	}
	slices.Sort(got)
	if fmt.Sprint(got) != "[a0 a1 a2 a3 b0 b1 b2 b3]" {
		t.Errorf("both together read %v", got)
	}
	a.call("DELETE", one, "", "").want(204)
	a.call("GET", two+"/records?timeout=0", "", "", "Accept", kindText).want(200)
	if n := count(two); n != 4 {
		t.Errorf("the one that stays has %d partitions", n)
	}
}

func TestConsumer_OneThatIsNotUsedIsGone(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 1)
	path := a.consumer("g", "c", `"consumer.instance.timeout.ms":4000`)
	for range 5 { // used, it lives longer than its time, also where a second takes three
		time.Sleep(time.Second)
		a.call("GET", path+"/subscription", "", "").want(200)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Second) { // asking is using
		if g := a.call("GET", path+"/subscription", "", ""); g.status == 404 {
			g.fails(404, 40403)
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it still lives")
		}
	}
}

// leftReader reads for a client that goes away meanwhile, once.
type leftReader struct {
	fetch.Reader
	entered chan struct{}
	once    *sync.Once
}

func (r leftReader) Fetch(ctx context.Context, f fetch.Request) []fetch.Result {
	out := r.Reader.Fetch(ctx, f)
	r.once.Do(func() {
		close(r.entered)
		<-ctx.Done()
	})
	return out
}

func TestConsumer_AClientThatGoesAwayMissesNoRecord(t *testing.T) {
	entered := make(chan struct{})
	a := newAPI(t, func(_ *Settings, b *Backend) { b.Reader = leftReader{b.Reader, entered, &sync.Once{}} })
	a.topic("t", 1)
	a.write("t", 0, "a", "b")
	path := a.consumer("g", "c", "")
	a.call("POST", path+"/subscription", mediaV2, `{"topics":["t"]}`).want(204)
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", a.url+path+"/records", nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		ended <- err
	}()
	<-entered
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if got := a.read(path, 2); fmt.Sprint(got) != "[a b]" {
		t.Errorf("read %v", got)
	}
}

// deaf is a client's connection that nothing can be written to.
type deaf struct{ http.ResponseWriter }

func (deaf) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestConsumer_RecordsThatCannotBeSentComeAgain(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 1)
	a.write("t", 0, "a", "b")
	path := a.consumer("g", "c", "")
	a.call("POST", path+"/subscription", mediaV2, `{"topics":["t"]}`).want(204)
	a.server.ServeHTTP(deaf{httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), "GET", path+"/records", nil))
	if got := a.read(path, 2); fmt.Sprint(got) != "[a b]" {
		t.Errorf("read %v", got)
	}
}

func TestConsumer_RecordsOfAbortedTransactionsAreNotShown(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 1)
	a.write("t", 0, "a")
	a.abort("t", "lost")
	a.write("t", 0, "b")
	path := a.consumer("g", "c", "")
	a.call("POST", path+"/subscription", mediaV2, `{"topics":["t"]}`).want(204)
	if got := a.read(path, 2); fmt.Sprint(got) != "[a b]" {
		t.Errorf("read %v", got)
	}
	if got := a.call("GET", "/topics/t/partitions/0/records?offset=1&timeout=0", "", "", "Accept", kindText).want(200).values(); fmt.Sprint(got) != "[b]" {
		t.Errorf("read %v", got)
	}
}
