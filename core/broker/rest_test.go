package broker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/objectstore/memory"
)

const (
	plainV2 = "application/vnd.kafka.v2+json"
	textV2  = "application/vnd.kafka.text.v2+json"
)

// ask sends a request to a broker and wants a status below 300.
func ask(t *testing.T, b *running, method, path, kind, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.http+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", kind)
	req.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, path, resp.Status, got, err)
	}
	return string(got)
}

// values are those of an answer of records.
func values(t *testing.T, text string) (out []string) {
	t.Helper()
	var records []struct{ Value string }
	if err := json.Unmarshal([]byte(text), &records); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for _, r := range records {
		out = append(out, r.Value)
	}
	return out
}

func TestREST_AGroupHasOneMemberOverHTTPAndOneOverTCP(t *testing.T) {
	for name, opts := range map[string][]kgo.Opt{
		"classic":  {kgo.Balancers(kgo.CooperativeStickyBalancer())},
		"consumer": {kgo.Balancers(kgo.StickyBalancer()), kgo.ServerSideBalancer()},
	} {
		t.Run(name, func(t *testing.T) {
			store, kv := memory.New(), newKV()
			brokers := []*running{start(t, store, kv), start(t, store, kv), start(t, store, kv)}
			fillTopic(t, brokers[0], "t", 6, 0, 60)
			c := newCrowd(t, brokers, append(opts, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"))...)
			c.member(1)
			c.settled(6, true)
			c.read(60)
			const seat = "/consumers/g/instances/web"
			ask(t, brokers[0], "POST", "/consumers/g", plainV2, `{"name":"web","format":"text","auto.offset.reset":"earliest"}`)
			ask(t, brokers[1], "POST", seat+"/subscription", plainV2, `{"topics":["t"]}`)
			fillTopic(t, brokers[1], "t", 6, 60, 90)
			seen := map[string]int{}
			n := 0
			poll := func() {
				for _, v := range values(t, ask(t, brokers[n%3], "GET", seat+"/records?timeout=50", textV2, "")) { // each step by another instance
					seen[v]++
				}
				n++
			}
			deadline := time.Now().Add(60 * time.Second)
			for assigned := 0; assigned != 3; {
				poll()
				var has struct{ Partitions []any }
				if err := json.Unmarshal([]byte(ask(t, brokers[n%3], "GET", seat+"/assignments", plainV2, "")), &has); err != nil {
					t.Fatal(err)
				}
				if assigned = len(has.Partitions); time.Now().After(deadline) {
					t.Fatalf("the member over HTTP has %d partitions", assigned)
				}
			}
			fillTopic(t, brokers[2], "t", 6, 90, 150)
			for both := map[string]bool{}; len(both) < 150; {
				poll()
				c.mu.Lock()
				for v := range maps.Keys(c.seen) {
					both[v] = true
				}
				c.mu.Unlock()
				for v := range seen {
					both[v] = true
				}
				if time.Now().After(deadline) {
					t.Fatalf("both read %d of 150", len(both))
				}
			}
			if len(seen) == 0 {
				t.Error("the member over HTTP read nothing")
			}
			ask(t, brokers[n%3], "DELETE", seat, plainV2, "")
			c.settled(6, true)
		})
	}
}

func TestREST_EachStepOfAConsumerIsServedByAnyInstance(t *testing.T) {
	store, kv := memory.New(), newKV()
	brokers := []*running{start(t, store, kv), start(t, store, kv), start(t, store, kv)}
	fillTopic(t, brokers[0], "t", 3, 0, 30)
	const seat = "/consumers/g/instances/c"
	ask(t, brokers[0], "POST", "/consumers/g", plainV2, `{"name":"c","format":"text","auto.offset.reset":"earliest","auto.commit.enable":"false"}`)
	ask(t, brokers[1], "POST", seat+"/subscription", plainV2, `{"topics":["t"]}`)
	var got []string
	deadline := time.Now().Add(30 * time.Second)
	for i := 0; len(got) < 30; i++ {
		got = append(got, values(t, ask(t, brokers[i%3], "GET", seat+"/records?timeout=100&max_bytes=4", textV2, ""))...)
		if time.Now().After(deadline) {
			t.Fatalf("read %d of 30", len(got))
		}
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != 30 {
		t.Errorf("read some twice: %v", got)
	}
	ask(t, brokers[2], "POST", seat+"/offsets", plainV2, "")
	committed, err := kadm.NewClient(client(t, kgo.SeedBrokers(brokers[0].kafka))).FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	committed.Each(func(o kadm.OffsetResponse) { total += o.At })
	if total != 30 {
		t.Errorf("a Kafka client sees offsets of %d records committed, want 30: %v", total, committed)
	}
	for _, b := range brokers { // health answers stand beside
		if got := ask(t, b, "GET", "/readyz", plainV2, ""); !strings.Contains(got, `"status": "ok"`) {
			t.Errorf("readyz: %q", got)
		}
	}
}

func TestREST_AConsumerGoesOnWhenItsCoordinatorStops(t *testing.T) {
	store, kv := memory.New(), newKV()
	brokers := []*running{start(t, store, kv), start(t, store, kv), start(t, store, kv)}
	fillTopic(t, brokers[0], "t", 3, 0, 30)
	const seat = "/consumers/g/instances/c"
	ask(t, brokers[0], "POST", "/consumers/g", plainV2, `{"name":"c","format":"text","auto.offset.reset":"earliest"}`)
	ask(t, brokers[0], "POST", seat+"/subscription", plainV2, `{"topics":["t"]}`)
	at := kadm.NewClient(client(t, kgo.SeedBrokers(brokers[1].kafka))).FindGroupCoordinators(t.Context(), "g")["g"]
	i := slices.IndexFunc(brokers, func(b *running) bool { return b.kafka == fmt.Sprintf("%s:%d", at.Host, at.Port) })
	if at.Err != nil || i < 0 {
		t.Fatalf("coordinator: %+v", at)
	}
	var got []string
	rest := slices.Delete(slices.Clone(brokers), i, i+1)
	for deadline := time.Now().Add(30 * time.Second); len(got) < 30; {
		got = append(got, values(t, ask(t, rest[len(got)%2], "GET", seat+"/records?timeout=100&max_bytes=10", textV2, ""))...)
		if len(got) > 10 {
			brokers[i].stop()
		}
		if time.Now().After(deadline) {
			t.Fatalf("read %d of 30", len(got))
		}
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != 30 {
		t.Errorf("read some twice: %v", got)
	}
	ask(t, rest[0], "POST", seat+"/offsets", plainV2, "")
}

func TestREST_WhatWasAnsweredBeforeAStopIsThere(t *testing.T) {
	store, kv := memory.New(), newKV()
	b, next := start(t, store, kv), start(t, store, kv)
	fillTopic(t, b, "t", 1, 0, 1)
	const writers = 50
	written := make(chan int, writers)
	for i := range writers {
		go func() {
			n := 0
			defer func() { written <- n }()
			for ; ; n++ {
				resp, err := http.Post(b.http+"/topics/t", textV2, bytes.NewBufferString(fmt.Sprintf(`{"records":[{"value":"%d/%d"}]}`, i, n)))
				if err != nil {
					return
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != 200 || !bytes.Contains(body, []byte(`"error_code":null`)) {
					return
				}
			}
		}()
	}
	for deadline := time.Now().Add(20 * time.Second); ends(t, next) < 200; {
		if time.Now().After(deadline) {
			t.Fatal("nothing is written")
		}
	}
	b.stop()
	total := 1
	for range writers {
		total += <-written
	}
	if got := ends(t, next); got != total {
		t.Errorf("%d records are there, %d were acknowledged: a stop answers what is on its way", got, total)
	}
}

// ends is how many records partition 0 of t has.
func ends(t *testing.T, b *running) int {
	t.Helper()
	var out struct {
		End int `json:"end_offset"`
	}
	if err := json.Unmarshal([]byte(ask(t, b, "GET", "/topics/t/partitions/0/offsets", plainV2, "")), &out); err != nil {
		t.Fatal(err)
	}
	return out.End
}
