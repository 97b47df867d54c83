//go:build stack

package stack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firnlog/localstack/lambda"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// functions are producer, consumer and admin under the local runtime, on a cluster's MinIO and etcd.
type functions struct {
	*testing.T
	*lambda.Service
	logs string // folder of what they print
}

// startFunctions starts them with these settings beside the usual ones.
func startFunctions(t *testing.T, c *harness.Cluster, concurrency int, settings ...string) *functions {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", dir,
		"github.com/firnlog/firnlog/functions/producer", "github.com/firnlog/firnlog/functions/consumer", "github.com/firnlog/firnlog/functions/admin")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build functions: %v\n%s", err, out)
	}
	f := &functions{T: t, Service: lambda.New(), logs: t.TempDir()}
	t.Cleanup(f.Close)
	env := append(slices.Clone(c.MinIO.Environ()), "FIRNLOG_STORE=s3://firnlog/stack?create=false&endpoint=http://"+c.MinIO.Endpoint, "FIRNLOG_ETCD="+c.Etcd.Endpoint, "FIRNLOG_TOPIC=t")
	env = append(env, settings...)
	for _, name := range []string{"producer", "consumer", "admin"} {
		log := filepath.Join(f.logs, name+".log")
		f.Add(lambda.Settings{Name: name, Bootstrap: filepath.Join(dir, name), Env: env, Timeout: 30 * time.Second, Concurrency: concurrency, LogFile: log})
	}
	return f
}

// request sends an HTTP event and wants this status.
func (f *functions) request(name, method, path, kind, body string, status int) (string, lambda.Result) {
	f.Helper()
	event, err := json.Marshal(map[string]any{"version": "2.0", "rawPath": path, "body": body, "headers": map[string]string{"content-type": kind},
		"requestContext": map[string]any{"http": map[string]string{"method": method}}})
	if err != nil {
		f.Fatal(err)
	}
	if path, query, has := strings.Cut(path, "?"); has {
		event = []byte(strings.Replace(string(event), `"rawPath":"`+path+"?"+query, `"rawQueryString":"`+query+`","rawPath":"`+path, 1))
	}
	r, err := f.Invoke(context.Background(), name, event)
	var reply struct {
		StatusCode int
		Body       string
	}
	if err == nil {
		err = json.Unmarshal(r.Payload, &reply)
	}
	if err != nil || reply.StatusCode != status {
		f.Errorf("%s %s: %d %v: %s", method, path, reply.StatusCode, err, r.Payload)
	}
	return reply.Body, r
}

func (f *functions) write(value string) lambda.Result {
	f.Helper()
	_, r := f.request("producer", "POST", "/topics/t/partitions/0", "application/vnd.kafka.text.v2+json", `{"records":[{"value":"`+value+`"}]}`, 200)
	return r
}

// Cold, warm, after 9 s of frozen processes with a broker killed and every lease gone, and sixteen at once: what was acknowledged is there once.
func TestFunctions_ColdFrozenWithoutAnyBrokerAndManyAtOnce(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 1})
	const many = 16
	f := startFunctions(t, c, many)
	text, _ := f.request("admin", "GET", "/v3/clusters", "application/json", "", 200)
	_, id, _ := strings.Cut(text, `"cluster_id":"`)
	id, _, _ = strings.Cut(id, `"`)
	f.request("admin", "POST", "/v3/clusters/"+id+"/topics", "application/json", `{"topic_name":"t","partitions_count":1}`, 201)
	written := 0
	var inits, colds, warms []time.Duration
	peak := int64(0)
	for range 7 {
		f.Recycle("producer")
		cold := f.write(fmt.Sprint(written))
		warm := f.write(fmt.Sprint(written + 1))
		written += 2
		inits, colds, warms, peak = append(inits, cold.Init), append(colds, cold.Took), append(warms, warm.Took), max(peak, warm.PeakBytes)
	}
	c.Brokers[0].Kill()
	time.Sleep(9 * time.Second) // frozen: that is what is tested, and leases are of 5 s
	if n, err := c.Etcd.Count(t.Context(), "/firnlog/default/instances/"); err != nil || n != 0 {
		t.Errorf("%d instances are left, %v", n, err)
	}
	thawed := f.write(fmt.Sprint(written))
	written++
	if thawed.Cold {
		t.Error("not thawed but started anew")
	}
	var all sync.WaitGroup
	begin := time.Now()
	for i := range many {
		all.Go(func() { f.write(fmt.Sprint(written + i)) })
	}
	all.Wait()
	atOnce := time.Since(begin)
	written += many
	f.readsAll(written)
	slices.Sort(inits)
	slices.Sort(colds)
	slices.Sort(warms)
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
	harness.Table(t, "the function that produces (aims: init below 60 ms, below 40 MiB)", [][2]string{
		{"init, median of 7 (exec to asking for work)", ms(inits[3])},
		{"first invocation of a process, median", ms(colds[3])},
		{"next invocation, median", ms(warms[3])},
		{"invocation after 9 s frozen, no broker, no lease", ms(thawed.Took)},
		{fmt.Sprintf("%d at once, most of them cold", many), ms(atOnce)},
		{"most memory of a process", fmt.Sprintf("%.1f MiB", float64(peak)/(1<<20))},
	})
}

// readsAll reads the partition through the function that reads, answer by answer: every value once, at contiguous offsets.
func (f *functions) readsAll(written int) {
	f.Helper()
	seen := map[string]bool{}
	for len(seen) < written {
		text, _ := f.request("consumer", "GET", fmt.Sprintf("/topics/t/partitions/0/records?offset=%d&timeout=100", len(seen)), "", "", 200)
		var records []struct {
			Offset int
			Value  []byte
		}
		if err := json.Unmarshal([]byte(text), &records); err != nil || len(records) == 0 {
			f.Fatalf("%d of %d records, then %v: %.300s", len(seen), written, err, text)
		}
		for _, r := range records {
			if r.Offset != len(seen) || seen[string(r.Value)] {
				f.Fatalf("record %d has offset %d and value %q", len(seen), r.Offset, r.Value)
			}
			seen[string(r.Value)] = true
		}
	}
	if len(seen) != written {
		f.Errorf("%d records, want %d", len(seen), written)
	}
}
