//go:build stack

package stack_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// as sends an HTTP event with a password, and gives status, body and headers.
func (f *functions) as(credentials, name, method, path, kind, body string) (int, string, map[string]string) {
	f.Helper()
	headers := map[string]string{"content-type": kind}
	if credentials != "" {
		headers["authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
	}
	event, err := json.Marshal(map[string]any{"version": "2.0", "rawPath": path, "body": body, "headers": headers, "requestContext": map[string]any{"http": map[string]string{"method": method, "sourceIp": "192.0.2.1"}}})
	if err != nil {
		f.Fatal(err)
	}
	r, err := f.Invoke(context.Background(), name, event)
	var reply struct {
		StatusCode int
		Body       string
		Headers    map[string]string
	}
	if err == nil {
		err = json.Unmarshal(r.Payload, &reply)
	}
	if err != nil {
		f.Fatalf("%s %s: %v: %s", method, path, err, r.Payload)
	}
	return reply.StatusCode, reply.Body, reply.Headers
}

func (f *functions) wants(status int, credentials, name, method, path, kind, body string) string {
	f.Helper()
	got, text, _ := f.as(credentials, name, method, path, kind, body)
	if got != status {
		f.Errorf("%s %s as %.5s: %d %s, want %d", method, path, credentials, got, text, status)
	}
	return text
}

// Passwords are those of brokers, and so are ACLs.
func TestFunctions_AskWhoIsThereAndHoldThemToTheirRights(t *testing.T) {
	const text, plain = "application/vnd.kafka.text.v2+json", "application/json"
	c := harness.StartCluster(t, harness.Options{Brokers: 1})
	f := startFunctions(t, c, 2, "FIRNLOG_HTTP_AUTH=basic", "FIRNLOG_SUPERUSERS=User:root")
	password := map[string]string{}
	for _, name := range []string{"root", "alice"} {
		code, out := harness.Tools(t, nil, "user", "add", name, "--etcd", c.Etcd.Endpoint)
		_, rest, _ := strings.Cut(out, "password: ")
		if password[name], _, _ = strings.Cut(rest, "\n"); code != 0 || password[name] == "" {
			t.Fatalf("%d: %s", code, out)
		}
	}
	root, alice := "root:"+password["root"], "alice:"+password["alice"]
	id := f.wants(200, root, "admin", "GET", "/v3/clusters", plain, "")
	_, id, _ = strings.Cut(id, `"cluster_id":"`)
	id, _, _ = strings.Cut(id, `"`)
	f.wants(201, root, "admin", "POST", "/v3/clusters/"+id+"/topics", plain, `{"topic_name":"t","partitions_count":1}`)
	const record = `{"records":[{"value":"v"}]}`
	f.wants(401, "", "producer", "POST", "/topics/t", text, record)
	f.wants(401, "alice:wrong", "producer", "POST", "/topics/t", text, record)
	f.wants(403, alice, "producer", "POST", "/topics/t", text, record)
	f.wants(403, alice, "admin", "GET", "/v3/clusters/"+id+"/acls", plain, "")
	acl := `{"resource_type":"TOPIC","resource_name":"t","pattern_type":"LITERAL","principal":"User:alice","host":"192.0.2.1","operation":"WRITE","permission":"ALLOW"}`
	f.wants(201, root, "admin", "POST", "/v3/clusters/"+id+"/acls", plain, acl)
	harness.Await(t, 30*time.Second, "the ACL does not count", func() error {
		if got, body, _ := f.as(alice, "producer", "POST", "/topics/t", text, record); got != 200 {
			return fmt.Errorf("%d %s", got, body)
		}
		return nil
	})
	f.wants(403, alice, "consumer", "GET", "/topics/t/partitions/0/records", text, "")
	log, err := os.ReadFile(filepath.Join(f.logs, "producer.log"))
	if out := string(log); err != nil || strings.Contains(out, password["alice"]) || !strings.Contains(out, `msg="not allowed"`) {
		t.Errorf("the log shows a password, or not what was refused: %v %s", err, out)
	}
}
