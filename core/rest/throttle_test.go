package rest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/quota"
)

// limited gives the server quotas, without any limits.
func (a *api) limited() *quota.Quotas {
	a.Helper()
	limits := quota.New(quota.Settings{KV: a.instance.KV, Keys: a.world.Keys, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	a.server.backend.Quotas = limits
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = limits.Run(ctx) }()
	a.Cleanup(func() { cancel(); <-ran })
	<-limits.Loaded()
	return limits
}

func (a *api) limit(limits *quota.Quotas, key string, value float64) {
	a.Helper()
	if err := limits.Alter(a.Context(), quota.Entity{User: quota.Named("ANONYMOUS")}, []quota.Op{{Key: key, Value: value}}, false); err != nil {
		a.Fatal(err)
	}
}

// isLate wants 429, and gives after how many seconds to come again.
func (g got) isLate() int {
	g.Helper()
	after, err := strconv.Atoi(g.header.Get("Retry-After"))
	if g.status != http.StatusTooManyRequests || err != nil || after < 1 || after > 600 {
		g.Errorf("%d, Retry-After %q: %s", g.status, g.header.Get("Retry-After"), g.text)
	}
	return after
}

func TestThrottle_WhoIsOverItsQuotaIsToldWhenToComeAgain(t *testing.T) {
	var kinds []string
	a := newAPI(t, func(_ *Settings, b *Backend) {
		b.Throttled = func(kind string, _ time.Duration) { kinds = append(kinds, kind) }
	})
	limits := a.limited()
	a.topic("t", 1)
	body := `{"records":[{"value":"` + strings.Repeat("QUJD", 2000) + `"}]}`
	write := func() got { return a.call("POST", "/topics/t", "application/vnd.kafka.binary.v2+json", body) }
	read := func() got { return a.call("GET", "/topics/t/partitions/0/records?offset=0", "", "") }
	for range 3 {
		if r := write(); r.status != http.StatusOK {
			t.Fatalf("without a quota: %d %s", r.status, r.text)
		}
	}
	for key, do := range map[string]func() got{quota.ProducerByteRate: write, quota.ConsumerByteRate: read} {
		a.limit(limits, key, 10)
		if r := do(); r.status != http.StatusOK {
			t.Errorf("%s: the first one: %d %s", key, r.status, r.text)
		}
		do().isLate()
	}
	if len(kinds) != 2 {
		t.Errorf("told of %v", kinds)
	}
	stream, cancelStream := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancelStream()
	if a.server.patient(stream) == nil {
		t.Error("a stream goes on over its quota")
	}
}

func TestThrottle_PartitionsMadeAndDeletedCount(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 1)
	limits := a.limited()
	a.limit(limits, quota.MutationRate, 0.1)
	topics := "/v3/clusters/" + a.server.backend.Topics.ClusterID() + "/topics"
	create := func(name string, more string) got {
		return a.call("POST", topics, "application/json", `{"topic_name":"`+name+`","partitions_count":5`+more+`}`)
	}
	if r := create("first", ""); r.status != http.StatusCreated {
		t.Fatalf("the first one: %d %s", r.status, r.text)
	}
	if after := create("second", "").isLate(); after < 40 || after > 49 { // 5 partitions at 0.1 a second, and the bucket held 0.1
		t.Errorf("come again after %d s", after)
	}
	a.call("DELETE", topics+"/first", "", "").isLate()
	a.call("PATCH", topics+"/first", "application/json", `{"partitions_count":6}`).isLate()
	a.call("POST", "/firnlog/v1/topics/t/fork", "application/json", `{"name":"third"}`).isLate()
	if r := create("second", `,"validate_only":true`); r.status != http.StatusOK {
		t.Errorf("only looked at: %d %s", r.status, r.text)
	}
	if r := a.call("GET", topics+"/first", "", ""); r.status != http.StatusOK || !strings.Contains(r.text, `"partitions_count":5`) {
		t.Errorf("what was refused was done: %d %s", r.status, r.text)
	}
}

func TestThrottle_GrowingForkingAndDeletingTopicsCounts(t *testing.T) {
	for name, do := range map[string]func(a *api, topics string) got{
		"grow": func(a *api, topics string) got {
			return a.call("PATCH", topics+"/t", "application/json", `{"partitions_count":10}`)
		},
		"fork": func(a *api, _ string) got {
			return a.call("POST", "/firnlog/v1/topics/t/fork", "application/json", `{"name":"third"}`)
		},
		"delete": func(a *api, topics string) got { return a.call("DELETE", topics+"/t", "", "") },
	} {
		a := newAPI(t)
		a.topic("t", 5)
		topics := "/v3/clusters/" + a.server.backend.Topics.ClusterID() + "/topics"
		a.limit(a.limited(), quota.MutationRate, 0.1)
		if r := do(a, topics); r.status >= http.StatusMultipleChoices {
			t.Errorf("%s: %d %s", name, r.status, r.text)
		}
		if after := a.call("POST", topics, "application/json", `{"topic_name":"more"}`).isLate(); after < 40 || after > 49 {
			t.Errorf("%s: come again after %d s, want some 49 of 5 partitions", name, after)
		}
	}
}

func TestThrottle_TimeOfRequestsCountsUnlessTheyCarryRecords(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 1)
	a.limit(a.limited(), quota.RequestPercentage, 0.0001) // a microsecond each second
	for range 3 {
		r := a.call("POST", "/topics/t", "application/vnd.kafka.binary.v2+json", `{"records":[{"value":"QUJD"}]}`)
		if r.status != http.StatusOK {
			t.Fatalf("write: %d %s", r.status, r.text)
		}
		if r := a.call("GET", "/topics/t/partitions/0/records?offset=0", "", ""); r.status != http.StatusOK {
			t.Fatalf("read: %d %s", r.status, r.text)
		}
	}
	if r := a.call("GET", "/topics", "", ""); r.status != http.StatusOK {
		t.Fatalf("the first one: %d %s", r.status, r.text)
	}
	if after := a.call("GET", "/topics", "", "").isLate(); after != 1 {
		t.Errorf("come again after %d s: nobody is told to wait longer for time", after)
	}
	a.call("POST", "/topics/t", "application/vnd.kafka.binary.v2+json", `{"records":[{"value":"QUJD"}]}`).isLate()
}

func TestTimed_WaitingForTheBodyIsNotTheServersTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newHandler(t)
		limits := a.limited()
		a.limit(limits, quota.RequestPercentage, 50) // half a second at once
		body, slow := io.Pipe()
		go func() {
			for range 4 {
				time.Sleep(300 * time.Millisecond) // of the bubble
				_, _ = slow.Write([]byte(" "))
			}
			slow.CloseWithError(io.EOF)
		}()
		req := httptest.NewRequestWithContext(t.Context(), "POST", "/v3/clusters/"+a.server.backend.Topics.ClusterID()+"/topics", body)
		req.Header.Set("Content-Type", "application/json")
		began := time.Now()
		a.server.ServeHTTP(httptest.NewRecorder(), req)
		if took := time.Since(began); took < time.Second {
			t.Fatalf("the body was read in %v", took)
		}
		if wait := limits.Take(quota.Request, "ANONYMOUS", "", 0); wait > 0 {
			t.Errorf("1.2 s of waiting for a body cost %v", wait)
		}
	})
}
