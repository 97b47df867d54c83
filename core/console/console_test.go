package console

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/acl"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/cost"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/record"
)

// alone is a cluster of one.
type alone struct{}

func (alone) Live() []instance.Info {
	return []instance.Info{{Node: 1, HTTP: "127.0.0.1:1", Version: "test"}}
}
func (a alone) Everyone() []instance.Info { return a.Live() }
func (alone) Self() int32                 { return 1 }

// stage is a console over an instance in memory.
type stage struct {
	*testing.T
	world    *coretest.Cluster
	instance *coretest.Instance
	server   *Server
	acls     *acl.ACLs
	url      string
}

func newStage(t *testing.T, change ...func(*Backend)) *stage {
	t.Helper()
	world := coretest.NewCluster(t)
	in := world.Instance("a", coretest.Options{Linger: time.Millisecond}).Ready()
	prices, err := cost.ReadPrices(cost.BuiltIn())
	if err != nil {
		t.Fatal(err)
	}
	b := Backend{
		Stream: in.Stream, Reader: in.Fetch, Cluster: alone{}, Archive: archive.New(in.Store, 1<<20),
		Costs: cost.NewObserver(in.Store, in.Stream, prices, in.Now, time.Minute), Prices: prices, Name: "test", Version: "test", Now: in.Now,
	}
	for _, c := range change {
		c(&b)
	}
	server, err := New(b, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return &stage{T: t, world: world, instance: in, server: server, url: web.URL + Root}
}

// guarded is a console with ACLs, of which there are none yet.
func guarded(t *testing.T) *stage {
	t.Helper()
	kv, keys := memory.New(memory.Settings{}), coordination.NewKeys("test")
	if _, err := kv.Commit(t.Context(), nil, []coordination.Change{coordination.PutKey(keys.Format(), []byte("format"))}); err != nil {
		t.Fatal(err)
	}
	rules := acl.New(acl.Settings{KV: kv, Keys: keys, Now: time.Now, Log: slog.New(slog.DiscardHandler), Visits: true})
	s := newStage(t, func(b *Backend) { b.Authorizer = rules })
	s.acls = rules
	return s
}

func (s *stage) grant(on auth.ResourceType, name string, op auth.Operation) {
	s.Helper()
	for _, err := range s.acls.Create(context.Background(), []acl.Binding{{Type: on, Name: name, Pattern: acl.PatternLiteral, Principal: "User:*", Host: "*", Operation: op, Permission: acl.PermissionAllow}}) {
		if err != nil {
			s.Fatal(err)
		}
	}
}

// fill makes a topic with values v0 to v(n-1) in batches of ten.
func (s *stage) fill(name string, partitions int32, n int) record.TopicID {
	s.Helper()
	id := s.world.CreateTopic(name, partitions)
	s.instance.Barrier()
	for p := range partitions {
		for i := 0; i < n; i += 10 {
			var values []string
			for j := i; j < min(n, i+10); j++ {
				values = append(values, fmt.Sprintf("v%d", j))
			}
			s.instance.MustProduce(coretest.Batch(record.TopicPartition{Topic: id, Partition: p}, record.Settings{}, int64(1000*(i+1))+int64(p), values...))
		}
	}
	return id
}

func (s *stage) get(path string) (got, string) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return got{resp.StatusCode, resp.Status, resp.Header}, string(b)
}

// got is an answer without its body.
type got struct {
	StatusCode int
	Status     string
	Header     http.Header
}

// found asks for messages, and gives their values.
func (s *stage) found(query string) (out foundJSON, values []string) {
	s.Helper()
	resp, text := s.get("api/topics/t/messages?" + query)
	if err := json.Unmarshal([]byte(text), &out); err != nil || resp.StatusCode != 200 {
		s.Fatalf("%s: %s %s %v", query, resp.Status, text, err)
	}
	for _, m := range out.Messages {
		values = append(values, fmt.Sprintf("%d:%s", m.Partition, m.Value.Data))
	}
	return out, values
}

func (s *stage) want(query, values string) foundJSON {
	s.Helper()
	out, got := s.found(query)
	if text := strings.Join(got, " "); text != values {
		s.Errorf("%s: %s, want %s", query, text, values)
	}
	return out
}

func TestMessages_AreFoundFromBothEndsByOffsetTimeAndContent(t *testing.T) {
	s := newStage(t)
	s.fill("t", 2, 40)
	newest := s.want("partition=0&limit=2", "0:v39 0:v38")
	s.want("partition=0&limit=2&before="+newest.Before, "0:v37 0:v36")
	if after := s.want("partition=0&limit=3&after="+newest.After, ""); !after.AtEnd {
		t.Error("the end is not seen")
	}
	oldest := s.want("limit=3&from=oldest", "0:v0 0:v1 1:v0")
	s.want("limit=2&after="+oldest.After, "0:v2 1:v1")
	s.want("limit=1&partition=1&from=offset&offset=17", "1:v17")
	s.want("limit=1&partition=1&from=offset&offset=999", "")
	s.want("limit=1&partition=0&from=time&time=10500", "0:v10")
	s.want("value=v27", "1:v27 0:v27")
	s.want("value=nothing", "")
	if got := s.want("value=v3&limit=11&from=oldest&partition=0", "0:v3 0:v30 0:v31 0:v32 0:v33 0:v34 0:v35 0:v36 0:v37 0:v38 0:v39"); got.Read.(map[string]any)["records"] != 40.0 {
		t.Errorf("%+v", got)
	}
}

func TestMessages_PagesInBothDirectionsGiveEachOnce(t *testing.T) {
	s := newStage(t)
	s.fill("t", 3, 57)
	for _, way := range []struct{ first, next string }{{"limit=7", "before"}, {"limit=7&from=oldest", "after"}} {
		seen := map[string]int{}
		page, values := s.found(way.first)
		for range 100 {
			for _, v := range values {
				seen[v]++
			}
			cursor := page.Before
			if way.next == "after" {
				cursor = page.After
			}
			if cursor == "" || len(values) == 0 {
				break
			}
			page, values = s.found("limit=7&" + way.next + "=" + cursor)
		}
		if len(seen) != 3*57 {
			t.Errorf("%s: %d of 171 messages", way.first, len(seen))
		}
		for v, n := range seen {
			if n != 1 {
				t.Errorf("%s: %s was given %d times", way.first, v, n)
			}
		}
	}
}

func TestMessages_WhatIsAskedForWronglyIsToldWhatToDo(t *testing.T) {
	s := newStage(t)
	s.fill("t", 1, 1)
	for _, query := range []string{"limit=0", "limit=201", "preview=99999999", "limit=200&preview=1000000", "partition=x", "from=offset", "from=time&time=x", "from=nowhere", "key=0xzz", "after=1", "before=0:x", "after=0:-1"} {
		resp, text := s.get("api/topics/t/messages?" + query)
		var body struct{ Error, Hint string }
		if err := json.Unmarshal([]byte(text), &body); err != nil || resp.StatusCode != 400 || body.Error == "" || body.Hint == "" {
			t.Errorf("%s: %s %s", query, resp.Status, text)
		}
	}
	for _, path := range []string{"api/topics/t/messages?partition=1", "api/topics/t/partitions/1/storage", "api/topics/absent", "api/nothing", "nothing.js", "../console.go"} {
		if resp, text := s.get(path); resp.StatusCode != 404 {
			t.Errorf("%s: %s %s", path, resp.Status, text)
		}
	}
}

func TestMessages_WhoIsOverTheQuotaWaits(t *testing.T) {
	used, wait := 0, time.Duration(0)
	s := newStage(t, func(b *Backend) {
		b.Used = func(_ context.Context, bytes int) time.Duration { used += bytes; return wait }
	})
	s.fill("t", 1, 10)
	if s.found("limit=5"); used == 0 {
		t.Error("nothing was counted")
	}
	wait = time.Second
	if resp, text := s.get("api/topics/t/messages"); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("%s %s", resp.Status, text)
	}
}

func TestStorage_ShowsWhatAPartitionRefersTo(t *testing.T) {
	s := newStage(t)
	s.fill("t", 1, 25)
	_, text := s.get("api/topics/t/partitions/0/storage")
	var got storageJSON
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if got.End != 25 || len(got.Spans) == 0 || got.Spans[0].Kind != "segment" || !strings.HasPrefix(got.Spans[0].Key, "segments/") || got.Spans[len(got.Spans)-1].End != 25 {
		t.Errorf("%s", text)
	}
	if _, text := s.get("api/cost"); !strings.Contains(text, `"topic":"t"`) || !strings.Contains(text, `"replicated":`) {
		t.Errorf("%s", text)
	}
}
