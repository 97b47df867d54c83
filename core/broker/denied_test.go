package broker

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
)

// send sends a request of alice's browser, which remembers her password, with more headers.
func (d *webDoor) send(method, path string, headers ...string) (int, string) {
	d.t.Helper()
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: d.roots}, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.http+path, http.NoBody)
	if err != nil {
		d.t.Fatal(err)
	}
	req.SetBasicAuth("alice", "pw-of-alice")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := web.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func TestDenied_MetricsShowWhatWasRefusedAndWhatTheConsoleAnswered(t *testing.T) {
	d := newWebDoor(t)
	d.created()
	for _, c := range []struct {
		status               int
		method, path, origin string
	}{
		{http.StatusOK, "GET", "/topics", ""},
		{http.StatusForbidden, "GET", "/topics/secret-orders/partitions/0/records?offset=0", ""},
		{http.StatusOK, "GET", "/console/api/topics", ""},
		{http.StatusForbidden, "GET", "/console/api/topics/secret-orders/messages", ""},
		{http.StatusForbidden, "POST", "/producers", d.http}, // our own page: alice may not
		{http.StatusForbidden, "POST", "/producers", "https://evil.example"},
	} {
		var headers []string
		if c.origin != "" {
			headers = []string{"Origin", c.origin}
		}
		status, body := d.send(c.method, c.path, headers...)
		if status != c.status || strings.Contains(body, "another site") != (c.origin != "" && c.origin != d.http) {
			t.Errorf("%s %s from %q: %d %s, want %d", c.method, c.path, c.origin, status, body, c.status)
		}
	}
	_, metrics := d.send("GET", "/metrics")
	for _, want := range []string{
		`firnlog_authorization_denied_total{front_end="http",operation="READ",resource="TOPIC"} 1`,
		`firnlog_authorization_denied_total{front_end="console",operation="READ",resource="TOPIC"} 1`,
		`firnlog_authorization_denied_total{front_end="http",operation="IDEMPOTENT_WRITE",resource="CLUSTER"} 1`,
		`firnlog_http_requests_total{method="GET",route="console/api/topics",status="200"} 1`,
		`firnlog_http_requests_total{method="GET",route="console/api/topics/{topic}/messages",status="403"} 1`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if n := strings.Count(metrics, "\nfirnlog_authorization_denied_total{"); n != 3 {
		t.Errorf("%d kinds of refusals, want the three", n)
	}
}
