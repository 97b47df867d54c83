package rest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/acl"
	"github.com/firnlog/firnlog/core/auth"
)

// Topic, group, consumer instance and member have one name; the other is of nothing.
const (
	secret  = "secret"
	nothing = "absent"
)

// vault is a front end with something to hide from who comes by.
type vault struct {
	*api
	acls   *acl.ACLs
	denied atomic.Int64 // refusals that were told of
}

func newVault(t *testing.T) *vault {
	t.Helper()
	kv, keys := memory.New(memory.Settings{}), coordination.NewKeys("test")
	if _, err := kv.Commit(t.Context(), nil, []coordination.Change{coordination.PutKey(keys.Format(), []byte("format"))}); err != nil {
		t.Fatal(err)
	}
	v := &vault{acls: acl.New(acl.Settings{KV: kv, Keys: keys, Now: time.Now, Log: slog.New(slog.DiscardHandler), Visits: true})}
	v.api = newAPI(t, func(_ *Settings, b *Backend) { b.Authorizer, b.ACLs = v.audit(), v.acls })
	v.topic(secret, 1)
	v.grant(auth.ResourceTopic, acl.Wildcard, auth.OperationAll)
	v.grant(auth.ResourceGroup, acl.Wildcard, auth.OperationAll)
	v.call("POST", "/topics/"+secret, kindBinary, `{"records":[{"value":"c2VjcmV0"}]}`).want(200)
	v.call("POST", "/consumers/"+secret, mediaV2, `{"name":"`+secret+`","format":"binary","auto.offset.reset":"earliest"}`).want(200)
	v.call("POST", "/consumers/"+secret+"/instances/"+secret+"/subscription", mediaV2, `{"topic_pattern":"s.*"}`).want(204)
	v.call("GET", "/consumers/"+secret+"/instances/"+secret+"/records?timeout=5000", "", "").holds("c2VjcmV0")
	v.call("POST", "/consumers/"+secret+"/instances/"+secret+"/offsets", mediaV2, "").want(204)
	v.revoke()
	return v
}

func (v *vault) audit() auth.Authorizer {
	return &acl.Audit{Authorizer: v.acls, FrontEnd: "http", Log: slog.New(slog.DiscardHandler), Denied: func(string, string, string) { v.denied.Add(1) }}
}

// grant lets everybody do something.
func (v *vault) grant(on auth.ResourceType, name string, op auth.Operation) {
	v.Helper()
	for _, err := range v.acls.Create(context.Background(), []acl.Binding{{Type: on, Name: name, Pattern: acl.PatternLiteral, Principal: "User:*", Host: "*", Operation: op, Permission: acl.PermissionAllow}}) {
		if err != nil {
			v.Fatal(err)
		}
	}
}

func (v *vault) revoke() {
	v.Helper()
	if gone := v.acls.Delete(context.Background(), []acl.Filter{acl.Everything()}); gone[0].Err != nil {
		v.Fatal(gone[0].Err)
	}
}

// anyBody has all that any route asks for.
const anyBody = `{"records":[{"value":"dg=="}],"name":"NAME","at":null,"topics":["NAME"],"partitions":[{"topic":"NAME","partition":0}],"offsets":[{"topic":"NAME","partition":0,"offset":0}],
"topic_name":"NAME","partitions_count":2,"entries":[{"id":"1","value":{"type":"STRING","data":"v"}}],"value":"1","resource_type":"TOPIC","resource_name":"NAME","pattern_type":"LITERAL","principal":"User:x",
"host":"*","operation":"READ","permission":"ALLOW","data":[{"name":"retention.ms","value":"1","resource_type":"TOPIC","resource_name":"NAME","pattern_type":"LITERAL","principal":"User:x","host":"*","operation":"READ","permission":"ALLOW"}]}`

// ask sends a route with a name in each place; the name is blotted out of the answer.
func (v *vault) ask(r *route, name string) (status int, text string) {
	v.Helper()
	path := strings.NewReplacer("{cluster}", v.server.backend.Topics.ClusterID(), "{partition}", "0", "{name}", "retention.ms", "{topic}", name, "{group}", name, "{instance}", name, "{consumer}", name).Replace(r.path)
	if strings.Contains(r.path, "/records") || strings.HasSuffix(r.path, "/acls") {
		path += "?offset=0&timeout=0&resource_type=ANY&pattern_type=ANY&operation=ANY&permission=ANY"
	}
	body := ""
	if r.method != http.MethodGet && r.method != http.MethodDelete {
		body = strings.ReplaceAll(anyBody, "NAME", name)
	}
	req, err := http.NewRequestWithContext(v.Context(), r.method, v.url+path, strings.NewReader(body))
	if err != nil {
		v.Fatal(err)
	}
	switch {
	case body == "":
	case r.speaks == v2Write:
		req.Header.Set("Content-Type", kindBinary)
	case r.speaks == v2:
		req.Header.Set("Content-Type", mediaV2)
	default:
		req.Header.Set("Content-Type", kindPlain)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		v.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.Fatal(err)
	}
	return resp.StatusCode, strings.ReplaceAll(string(b), name, "NAME")
}

// state is what requests could change.
func (v *vault) state() string {
	v.Helper()
	var all []any
	for _, prefix := range []string{v.world.Keys.Topics(), v.world.Keys.Commits(), v.world.Keys.Root() + "groups/"} {
		page, err := v.instance.KV.List(v.Context(), coordination.Range{Prefix: prefix})
		if err != nil {
			v.Fatal(err)
		}
		for _, it := range page.Items {
			if !strings.Contains(it.Key, "/members/") { // a seat is kept by who looks at it; nobody here may
				all = append(all, it.Key, it.Create)
			}
		}
	}
	rules, err := v.acls.List(v.Context(), acl.Everything())
	return fmt.Sprint(all, rules, err)
}

// open are routes that answer everybody, and lists in which nothing is left.
func open(r *route) bool {
	return len(r.needs) == 0 || r.method == "GET" && (r.path == "/topics" || strings.HasSuffix(r.path, "{cluster}/topics") || strings.HasSuffix(r.path, "/consumer-groups"))
}

func TestWalk_WhoMayDoNothingLearnsNothingAndChangesNothing(t *testing.T) {
	v := newVault(t)
	before := v.state()
	for i := range v.server.routes {
		r := &v.server.routes[i]
		v.denied.Store(0)
		status, got := v.ask(r, secret)
		if told := v.denied.Load(); status == http.StatusForbidden != (told > 0) {
			t.Errorf("%s %s: %d, and %d refusals are told of", r.method, r.path, status, told)
		}
		other, want := v.ask(r, nothing)
		if status != other || got != want {
			t.Errorf("%s %s: what is there is answered %d %s, what is not %d %s", r.method, r.path, status, got, other, want)
		}
		if !open(r) && (status != http.StatusForbidden || !strings.Contains(got, "40301")) {
			t.Errorf("%s %s: %d %s", r.method, r.path, status, got)
		}
		if open(r) && (status != http.StatusOK || strings.Contains(want, secret)) && r.path != "/openapi.yaml" {
			t.Errorf("%s %s: %d %s", r.method, r.path, status, want)
		}
		if after := v.state(); after != before {
			t.Fatalf("%s %s changed\n%s to\n%s", r.method, r.path, before, after)
		}
	}
}

func TestWalk_WhatItsRowSaysIsEnoughForEachRoute(t *testing.T) {
	v := newVault(t)
	for i := range v.server.routes {
		r := &v.server.routes[i]
		v.revoke()
		for _, n := range r.needs {
			name := secret
			if n.on == auth.ResourceCluster {
				name = auth.ClusterName
			}
			v.grant(n.on, name, n.op)
		}
		if status, got := v.ask(r, secret); status == http.StatusForbidden {
			t.Errorf("%s %s: %d %s with all that %v asks for", r.method, r.path, status, got, r.needs)
		}
	}
}

func TestRoutes_EachSaysWhoMaySendIt(t *testing.T) {
	v := newVault(t)
	for _, r := range v.server.routes {
		if r.needs == nil {
			t.Errorf("%s %s does not say what it needs", r.method, r.path)
		}
	}
	v.server.routes[0].needs = nil
	v.grant(auth.ResourceTopic, acl.Wildcard, auth.OperationAll)
	v.call("GET", "/topics", "", "").fails(403, 40301)
}

func TestConsumer_ARightThatIsTakenAwayEndsItsReading(t *testing.T) {
	v := newVault(t)
	at := "/consumers/" + secret + "/instances/" + secret
	v.grant(auth.ResourceTopic, secret, auth.OperationWrite)
	v.call("POST", "/topics/"+secret, kindBinary, `{"records":[{"value":"bmV4dA=="}]}`).want(200)
	v.revoke()
	v.grant(auth.ResourceGroup, secret, auth.OperationRead)
	v.call("GET", at+"/assignments", "", "").want(200).says(`{"partitions":[]}`)
	v.call("GET", at+"/records?timeout=0", "", "").want(200).says(`[]`)
	v.call("POST", at+"/subscription", mediaV2, `{"topics":["secret"]}`).fails(403, 40301)
	v.grant(auth.ResourceTopic, secret, auth.OperationRead)
	v.call("POST", at+"/subscription", mediaV2, `{"topics":["secret"]}`).want(204)
	v.call("GET", at+"/records?timeout=5000", "", "").want(200).holds("bmV4dA==")
}

func TestACLs_AreMadeListedAndDeleted(t *testing.T) {
	v := newVault(t)
	v.grant(auth.ResourceCluster, auth.ClusterName, auth.OperationAlter)
	at := "/v3/clusters/" + v.server.backend.Topics.ClusterID() + "/acls"
	one := func(name string) string {
		return `{"resource_type":"TOPIC","resource_name":"` + name + `","pattern_type":"PREFIXED","principal":"User:alice","host":"*","operation":"READ","permission":"ALLOW"}`
	}
	v.call("POST", at, kindPlain, one("a")).want(201)
	v.call("POST", at+":batch", kindPlain, `{"data":[`+one("b")+`,`+one("c")+`]}`).want(201)
	v.call("POST", at+":batch", kindPlain, `{"data":[`+one("d")+`,`+strings.Replace(one("e"), "READ", "CLUSTER_ACTION", 1)+`]}`).fails(400, codeBadRequestV3)
	v.call("GET", at+"?principal=User:alice", "", "").want(200).holds(`"resource_name":"c"`)
	v.call("GET", at+"?resource_type=topic&pattern_type=match&resource_name=abc", "", "").want(200).holds(`"resource_name":"a"`)
	v.call("GET", at+"?operation=nonsense", "", "").fails(400, codeBadRequestV3)
	v.call("DELETE", at+"?principal=User:alice", "", "").fails(400, codeBadRequestV3)
	v.call("DELETE", at+"?resource_type=TOPIC&pattern_type=ANY&operation=ANY&permission=ANY&resource_name=b", "", "").want(200).holds(`"resource_name":"b"`)
	if left, err := v.acls.List(t.Context(), acl.Everything()); err != nil || len(left) != 3 {
		t.Errorf("left %v, %v", left, err)
	}
	v.server.backend.ACLs = nil
	v.call("GET", at, "", "").fails(400, 40002)
}
