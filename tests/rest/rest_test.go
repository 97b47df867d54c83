//go:build stack

// Package rest_test runs clients over HTTP that others wrote, unmodified, against real processes of firnlog.
package rest_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

var (
	seconds = flag.Int("seconds", 20, "how long each run of schemathesis takes; below two minutes")
	rounds  = flag.Int("rounds", 1, "how many such runs, each with a seed of its own")
)

// ask sends a request and wants a status below 300.
func ask(t *testing.T, b *harness.Broker, method, path, kind, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+b.HTTP+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Accept", kind)
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

func cluster(t *testing.T, b *harness.Broker) string {
	t.Helper()
	var list struct {
		Data []struct {
			ID string `json:"cluster_id"`
		}
	}
	if err := json.Unmarshal([]byte(ask(t, b, "GET", "/v3/clusters", "application/json", "")), &list); err != nil || len(list.Data) != 1 {
		t.Fatalf("clusters: %+v, %v", list, err)
	}
	return list.Data[0].ID
}

func makeTopic(t *testing.T, b *harness.Broker, name string, partitions int) {
	t.Helper()
	ask(t, b, "POST", "/v3/clusters/"+cluster(t, b)+"/topics", "application/json", fmt.Sprintf(`{"topic_name":%q,"partitions_count":%d}`, name, partitions))
}

// program gives the path of a client below the cache.
func program(t *testing.T, path ...string) string {
	t.Helper()
	full := filepath.Join(append([]string{harness.Cache(t), "rest"}, path...)...)
	if _, err := os.Stat(full); err != nil {
		t.Fatalf("%v: run make rest-clients", err)
	}
	return full
}

func want(t *testing.T, got map[string]string, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
}

func TestClients_NodesKafkaRest(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	makeTopic(t, b, "t", 3)
	got := harness.Facts(harness.Run(t, nil, "node", "clients/kafka_rest.js", program(t, "node"), "http://"+b.HTTP, "t", "500").Must(t))
	want(t, got, map[string]string{"brokers": "1", "partitions": "3", "offsets": "500", "read": "500", "same": "true"})
}

func TestClients_PythonsKafkaBridgeClient(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	makeTopic(t, b, "t", 3)
	got := harness.Facts(harness.Run(t, nil, program(t, "python", "bin", "python"), "clients/bridge.py", "http://"+b.HTTP, "t", "300").Must(t))
	want(t, got, map[string]string{"json": "True", "binary": "True", "missing": "not found", "read": "301", "same": "True", "again": "0"})
}

func TestClients_WhatTCPWritesHTTPReadsAndTheOtherWayRound(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	makeTopic(t, b, "t", 1)
	const text = "application/vnd.kafka.text.v2+json"
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Kafka), kgo.DefaultProduceTopic("t"), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range 100 {
		r := kgo.KeyStringRecord("k", fmt.Sprint("tcp ", i))
		r.Headers = []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}
		client.Produce(t.Context(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask(t, b, "POST", "/topics/t", text, `{"records":[{"key":"k","value":"http","headers":[{"key":"h","value":"dg=="}],"timestamp":1700000000000}]}`)
	got := ask(t, b, "GET", "/topics/t/partitions/0/records?offset=0&timeout=1000", text, "")
	if strings.Count(got, `"value":"tcp `) != 100 || !strings.Contains(got, `"key":"k","value":"http","partition":0,"offset":100,"timestamp":1700000000000,"headers":[{"key":"h","value":"dg=="}]`) {
		t.Errorf("over HTTP: %s", got)
	}
	var last *kgo.Record
	for deadline := time.Now().Add(20 * time.Second); (last == nil || last.Offset < 100) && time.Now().Before(deadline); {
		client.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) { last = r })
	}
	if last == nil || string(last.Value) != "http" || string(last.Headers[0].Value) != "v" || last.Timestamp.UnixMilli() != 1700000000000 {
		t.Errorf("over TCP: %+v", last)
	}
}

// TestSchemathesis_NoRequestFindsAServerErrorOrAnAnswerThatIsNotDescribed makes requests from openapi.yaml: with names
// that are there, and with any.
func TestSchemathesis_NoRequestFindsAServerErrorOrAnAnswerThatIsNotDescribed(t *testing.T) {
	spec, err := os.ReadFile("../../core/rest/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for long, short := range map[string]string{ // most requests shall not wait
		"schema: {type: integer, format: int32, minimum: 0}}\n    maxBytes":             "schema: {type: integer, format: int32, minimum: 0, maximum: 300}}\n    maxBytes",
		"consumer.request.timeout.ms: {type: integer, minimum: 0, maximum: 2147483647}": "consumer.request.timeout.ms: {type: integer, minimum: 0, maximum: 300}",
	} {
		if !bytes.Contains(spec, []byte(long)) {
			t.Fatalf("openapi.yaml has no %q", long)
		}
		spec = bytes.ReplaceAll(spec, []byte(long), []byte(short))
	}
	for name, change := range map[string]func(*testing.T, *harness.Broker) []byte{
		"names that are there": func(t *testing.T, b *harness.Broker) []byte {
			return withNames(t, spec, map[string]string{"cluster": cluster(t, b), "topic": "t, u, missing", "group": "a, b", "instance": "a, b", "consumer": "a, b", "name": "retention.ms, cleanup.policy"})
		},
		"any names": func(*testing.T, *harness.Broker) []byte { return spec },
	} {
		t.Run(name, func(t *testing.T) {
			b := harness.StartDev(t, t.TempDir())
			makeTopic(t, b, "t", 2)
			makeTopic(t, b, "u", 1)
			for _, instance := range []string{"a", "b"} {
				ask(t, b, "POST", "/consumers/a", "application/json", fmt.Sprintf(`{"name":%q}`, instance))
				ask(t, b, "POST", "/consumers/a/instances/"+instance+"/subscription", "application/json", `{"topics":["t"]}`)
			}
			dir := t.TempDir()
			file := filepath.Join(dir, "openapi.yaml")
			if err := os.WriteFile(file, change(t, b), 0o600); err != nil {
				t.Fatal(err)
			}
			for seed := range *rounds {
				schemathesis(t, b, file, dir, seed+1)
			}
			if err := b.Serves(); err != nil {
				t.Errorf("after all this: %v", err)
			}
		})
	}
}

func schemathesis(t *testing.T, b *harness.Broker, file, dir string, seed int) {
	t.Helper()
	out := harness.Run(t, nil, program(t, "python", "bin", "schemathesis"), "run", file, "--url", "http://"+b.HTTP,
		"--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method",
		"--max-time", fmt.Sprint(*seconds), "--max-examples", "10", "--seed", fmt.Sprint(seed), "--request-timeout", "40", "--no-color", "--warnings", "off", "--report-dir", dir)
	if out.Err != nil {
		t.Errorf("seed %d: %v\n%s\n%s", seed, out.Err, out.Output, out.Errors)
	}
	for line := range strings.Lines(out.Output) {
		if strings.Contains(line, "generated") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

// withNames lets parameters of paths be chosen among names.
func withNames(t *testing.T, spec []byte, names map[string]string) []byte {
	t.Helper()
	for name, list := range names {
		line := regexp.MustCompile(`(?m)^(    ` + name + `: \{name: ` + name + `, in: path, .*)schema: \{.*\}\}$`)
		if !line.Match(spec) {
			t.Fatalf("openapi.yaml has no parameter %s", name)
		}
		spec = line.ReplaceAll(spec, []byte("${1}schema: {type: string, enum: ["+list+"]}}"))
	}
	return spec
}
