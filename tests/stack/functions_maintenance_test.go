//go:build stack

package stack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/maintain"
	"github.com/firnlog/firnlog/localstack/lambda"
	"github.com/firnlog/firnlog/objectstore/storeurl"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// schedule invokes the function that maintains as its schedule would, but as often as a test asks.
type schedule struct {
	*functions
	cold, warm []lambda.Result
	reports    []maintain.Report
}

// addMaintenance puts it beside the other functions.
func (f *functions) addMaintenance(c *harness.Cluster) *schedule {
	f.Helper()
	path := filepath.Join(f.TempDir(), "maintenance")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", path, "github.com/firnlog/firnlog/functions/maintenance")
	if out, err := build.CombinedOutput(); err != nil {
		f.Fatalf("build: %v\n%s", err, out)
	}
	env := append(slices.Clone(c.MinIO.Environ()), "FIRNLOG_STORE=s3://firnlog/stack?create=false&endpoint=http://"+c.MinIO.Endpoint, "FIRNLOG_ETCD="+c.Etcd.Endpoint,
		"FIRNLOG_SETTLE_AGE=5s", "FIRNLOG_SWEEP_EVERY=20s", "FIRNLOG_JOURNAL_EVERY=1s")
	f.Add(lambda.Settings{Name: "maintenance", Bootstrap: path, Env: env, Timeout: 60 * time.Second, Concurrency: 2, LogFile: filepath.Join(f.TempDir(), "maintenance.log")})
	return &schedule{functions: f}
}

// run is one invocation.
func (s *schedule) run(cold bool) maintain.Report {
	s.Helper()
	if cold {
		s.Recycle("maintenance")
	}
	r, err := s.Invoke(context.Background(), "maintenance", []byte(`{"source":"aws.scheduler"}`))
	var report maintain.Report
	if err == nil {
		err = json.Unmarshal(r.Payload, &report)
	}
	if err != nil || r.FunctionError != "" || len(report.Failed) > 0 || report.HeldBy != "" {
		s.Fatalf("maintenance: %v %s %s", err, r.FunctionError, r.Payload)
	}
	if s.reports = append(s.reports, report); cold {
		s.cold = append(s.cold, r)
	} else {
		s.warm = append(s.warm, r)
	}
	return report
}

// A cluster without any broker: produced to, maintained and read by functions, its etcd lost and restored.
func TestFunctions_WithoutAnyBrokerKeepEtcdSmallAndRestoreIt(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{})
	makeBucket(t, c)
	f := startFunctions(t, c, 4)
	text, _ := f.request("admin", "GET", "/v3/clusters", "application/json", "", 200)
	_, id, _ := strings.Cut(text, `"cluster_id":"`)
	id, _, _ = strings.Cut(id, `"`)
	f.request("admin", "POST", "/v3/clusters/"+id+"/topics", "application/json", `{"topic_name":"t","partitions_count":1}`, 201)
	s := f.addMaintenance(c)
	written, settled := 0, int64(0)
	write := func(n int) {
		for range n {
			f.write(fmt.Sprint(written))
			written++
		}
	}
	// Frozen or gone in between: some invocations are cold, and the time between them is the schedule's.
	begun := time.Now()
	for n := 0; time.Since(begun) < 80*time.Second; n++ {
		write(10)
		settled += s.run(n%3 == 0).SettledBytes
		time.Sleep(2 * time.Second) // what is tested is that time passes between invocations
	}
	harness.Await(t, time.Minute, "commits are trimmed", func() error {
		s.run(false)
		n, err := c.Etcd.Count(t.Context(), "/firnlog/default/log/commits/")
		if err == nil && n >= written {
			err = fmt.Errorf("%d commits of %d are there", n, written)
		}
		return err
	})
	if settled == 0 {
		t.Error("nothing was settled")
	}
	if bytes := commitBytes(t, c); bytes > 1024 {
		t.Errorf("a cold reader gets %d bytes of commits", bytes)
	}
	f.Recycle("consumer")
	f.readsAll(written)

	write(5)
	s.run(true) // it writes the journal
	c.Etcd.Lose()
	c.Etcd.Up()
	if r, err := f.Invoke(t.Context(), "maintenance", []byte("{}")); err != nil || r.FunctionError == "" {
		t.Errorf("maintenance of a cluster whose etcd is lost: %v %s", err, r.Payload)
	}
	runRestore(t, c, 0)
	f.readsAll(written)
	write(5)
	s.run(true)
	f.readsAll(written)
	s.figures()
}

// makeBucket makes what a template deploys: functions make no bucket.
func makeBucket(t *testing.T, c *harness.Cluster) {
	t.Helper()
	for _, v := range c.MinIO.Environ() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	if _, err := storeurl.Open(t.Context(), storeOf(c)+"&create=true"); err != nil {
		t.Fatal(err)
	}
}

// commitBytes is what commits in etcd hold: a cold reader reads all of it.
func commitBytes(t *testing.T, c *harness.Cluster) (bytes int) {
	t.Helper()
	kv := c.Etcd.KV()
	defer kv.Close()
	page, err := kv.List(t.Context(), coordination.Range{Prefix: "/firnlog/default/log/commits/"})
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range page.Items {
		bytes += len(it.Value)
	}
	return bytes
}

func (s *schedule) figures() {
	s.Helper()
	if len(s.cold) < 3 || len(s.warm) < 3 {
		s.Fatal(errors.New("too few invocations"))
	}
	row := func(of []lambda.Result) (median, longest time.Duration, peak int64) {
		var took []time.Duration
		for i := range of {
			took, peak = append(took, of[i].Took), max(peak, of[i].PeakBytes)
		}
		slices.Sort(took)
		return took[len(took)/2], took[len(took)-1], peak
	}
	var rows [][2]string
	for name, of := range map[string][]lambda.Result{"cold": s.cold, "warm": s.warm} {
		median, longest, peak := row(of)
		rows = append(rows, [2]string{name, fmt.Sprintf("%d invocations, median %v, longest %v, at most %.1f MiB", len(of), median.Round(time.Millisecond), longest.Round(time.Millisecond), float64(peak)/(1<<20))})
	}
	harness.Table(s.T, "the function that maintains, with 10 invocations of the producer between two of it", rows)
}
