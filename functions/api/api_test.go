package api_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/functions/api"
)

// newAPI is a function in an environment of its own.
func newAPI(c *coretest.Cluster, name string, offer api.Offer, change ...func(*invoke.Settings)) *api.API {
	kv, store, entropy := c.Reach(name)
	ids := byte(0)
	s := invoke.Settings{
		Store: store, KV: kv, Cluster: "test", Now: time.Now, Entropy: entropy, Log: coretest.Quiet(), Margin: time.Second, CacheBytes: 4 << 20,
		Topics: topic.DefaultSettings(), NewTopicID: func() record.TopicID { ids++; return record.TopicID{9, ids} },
		MayBegin: func(context.Context) error { return nil }, NewID: rand.Text,
	}
	for _, f := range change {
		f(&s)
	}
	return api.New(invoke.New(s), offer, coretest.Quiet())
}

func call(t *testing.T, h http.Handler, method, path, kind, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func wants(t *testing.T, h http.Handler, method, path, body string, status int, parts ...string) string {
	t.Helper()
	kind := "application/vnd.kafka.text.v2+json"
	if strings.HasPrefix(path, "/v3/") {
		kind = "application/json"
	}
	code, text := call(t, h, method, path, kind, body)
	if code != status {
		t.Errorf("%s %s: %d %s, want %d", method, path, code, text, status)
	}
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s %s: %s, want %s in it", method, path, text, part)
		}
	}
	return text
}

// Three functions and nobody else: no broker lives. The first of them begins the cluster.
func TestFunctions_MakeATopicWriteAndReadWithoutAnyBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		admin, writer, reader := newAPI(c, "admin", api.Administers), newAPI(c, "writer", api.Writes), newAPI(c, "reader", api.Consumes)
		text := wants(t, admin, "GET", "/v3/clusters", "", 200, `"cluster_id"`)
		_, id, _ := strings.Cut(text, `"cluster_id":"`)
		id, _, _ = strings.Cut(id, `"`)
		base := "/v3/clusters/" + id + "/topics"
		wants(t, writer, "POST", "/topics/t", `{"records":[{"value":"a"}]}`, 404, "40401")
		wants(t, admin, "POST", base, `{"topic_name":"t","partitions_count":2}`, 201)
		wants(t, admin, "POST", base, `{"topic_name":"t"}`, 400, "40002")
		wants(t, writer, "POST", "/topics/t/partitions/1", `{"records":[{"value":"a"},{"value":"b"}]}`, 200, `"offset":1`)
		wants(t, writer, "POST", "/topics/t/partitions/7", `{"records":[{"value":"a"}]}`, 404, "40402")
		wants(t, reader, "GET", "/topics", "", 200, `["t"]`)
		wants(t, reader, "GET", "/topics/t/partitions/1/offsets", "", 200, `{"beginning_offset":0,"end_offset":2}`)
		wants(t, reader, "GET", "/topics/t/partitions/1/records?offset=0", "", 200, `"offset":1`)
		wants(t, reader, "GET", "/topics/t/partitions/1/records?offset=3", "", 416)
		wants(t, reader, "GET", "/topics/t/partitions/0/records?offset=0&timeout=100", "", 200, `[]`)
		wants(t, reader, "GET", "/topics/none/partitions/0/records?offset=0", "", 404, "40401")
		wants(t, writer, "POST", "/producers", ``, 200, `"producer_id"`)
		wants(t, admin, "POST", base+"/t/configs:alter", `{"data":[{"name":"retention.ms","value":"1000"}]}`, 204)
		wants(t, admin, "GET", base+"/t/configs/retention.ms", "", 200, `"1000"`)
		wants(t, admin, "DELETE", base+"/t", "", 204)
		wants(t, writer, "POST", "/topics/t", `{"records":[{"value":"a"}]}`, 404, "40401")
		wants(t, reader, "GET", "/topics", "", 200, `[]`)
		wants(t, admin, "POST", base, `{"topic_name":"t","partitions_count":1}`, 201)
		wants(t, writer, "POST", "/topics/t", `{"records":[{"value":"new"}]}`, 200, `"offset":0`)
	})
}

func TestOffer_EachFunctionHasItsRoutesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		reader := newAPI(c, "reader", api.Consumes)
		wants(t, reader, "POST", "/topics/t", `{}`, 404, "does not offer")
		wants(t, newAPI(c, "writer", api.Writes), "POST", "/consumers/g", `{}`, 404, "does not offer")
		wants(t, reader, "GET", "/brokers", "", 404, "does not offer")
		if lines := c.Transcript(); len(lines) > 0 {
			t.Errorf("refused with requests: %q", lines)
		}
	})
}

// as lets a handler answer requests as if the platform had named a principal.
type as struct {
	http.Handler
	user string
}

func (a as) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.Handler.ServeHTTP(w, r.WithContext(auth.WithIdentity(r.Context(), &auth.Identity{Principal: auth.User(a.user)})))
}

func TestACLs_BindWhoThePlatformNamesWhereTheyAreAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		asks := func(s *invoke.Settings) { s.CheckACLs, s.SuperUsers = true, []auth.Principal{auth.User("root")} }
		admin, reader := newAPI(c, "admin", api.Administers), newAPI(c, "reader", api.Consumes, asks)
		text := wants(t, admin, "GET", "/v3/clusters", "", 200, `"cluster_id"`)
		_, id, _ := strings.Cut(text, `"cluster_id":"`)
		id, _, _ = strings.Cut(id, `"`)
		cluster := "/v3/clusters/" + id
		wants(t, admin, "POST", cluster+"/topics", `{"topic_name":"t","partitions_count":1}`, 201)
		wants(t, reader, "GET", "/topics/t", "", 403, "40301")
		wants(t, as{reader, "alice"}, "GET", "/topics/t", "", 403, "40301")
		wants(t, as{reader, "root"}, "GET", "/topics/t", "", 200)
		wants(t, admin, "POST", cluster+"/acls", `{"resource_type":"TOPIC","resource_name":"t","pattern_type":"LITERAL","principal":"User:alice","host":"*","operation":"READ","permission":"ALLOW"}`, 201)
		time.Sleep(6 * time.Second) // the clock of the bubble: ACLs are read anew
		wants(t, as{reader, "alice"}, "GET", "/topics/t", "", 200)
		wants(t, as{reader, "bob"}, "GET", "/topics", "", 200, "[]")
		wants(t, newAPI(c, "other", api.Administers, asks), "GET", cluster+"/acls", "", 403, "40301")
	})
}
