//go:build stack

package stack_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

func TestTools_FsckInspectAndCostOfAClusterThatRuns(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 2})
	tr := startTraffic(t, c.Seeds(), "tools", workers)
	place := []string{"--store", "s3://firnlog/stack?endpoint=http://" + c.MinIO.Endpoint, "--etcd", c.Etcd.Endpoint}
	for range 3 {
		tr.more(2000)
		harness.Fsck(t, c.MinIO.Environ(), place...)
	}
	tr.check()
	tool := func(want int, args ...string) string {
		t.Helper()
		code, out := harness.Tools(t, c.MinIO.Environ(), append(args, place...)...)
		if code != want {
			t.Fatalf("%v ends with %d:\n%s", args, code, out)
		}
		return out
	}
	var bill struct {
		All struct {
			Total   float64
			Classes map[string]struct{ Bytes int64 }
		}
		RequestsPerMonth struct{ Counted bool }
	}
	out := tool(0, "cost", "--json", "--metrics", c.Brokers[0].HTTP, "--metrics", c.Brokers[1].HTTP)
	if err := json.Unmarshal([]byte(out), &bill); err != nil || bill.All.Total <= 0 || bill.All.Classes["STANDARD"].Bytes == 0 || !bill.RequestsPerMonth.Counted {
		t.Errorf("cost: %v\n%s", err, out)
	}
	tool(0, "backup") // the brokers' first may not be there yet
	for _, what := range []string{"topic", "commit", "backup"} {
		if out := tool(0, "inspect", what); !strings.HasPrefix(out, "1 ") && len(strings.Split(out, "\n")) < 3 {
			t.Errorf("inspect %s: %s", what, out)
		}
	}
	c.Etcd.Kill()
	if code, out := harness.Tools(t, c.MinIO.Environ(), append([]string{"fsck", "--store", "memory:", "--etcd", "127.0.0.1:1"}, "--cluster", "none")...); code != 2 {
		t.Errorf("fsck without an etcd ends with %d:\n%s", code, out)
	}
}

func TestTools_FsckOfAStoppedDevFindsABitThatFlipped(t *testing.T) {
	dir := t.TempDir()
	b := harness.StartDev(t, dir)
	tr := startTraffic(t, []string{b.Kafka}, "flip", workers)
	tr.more(2000)
	tr.check()
	b.Stop(10 * time.Second)
	harness.Fsck(t, nil, "--data", dir)
	segments, err := filepath.Glob(filepath.Join(dir, "objects", "segments", "*"))
	if err != nil || len(segments) == 0 {
		t.Fatal("no segments", err)
	}
	body, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	body[100] ^= 1
	if err := os.Chmod(segments[0], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segments[0], body, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := harness.Tools(t, nil, "fsck", "--data", dir); code != 0 {
		t.Errorf("without reading bytes: %d\n%s", code, out)
	}
	if code, out := harness.Tools(t, nil, "fsck", "--deep", "--data", dir); code != 1 || !strings.Contains(out, "corrupt-bytes") {
		t.Errorf("%d\n%s", code, out)
	}
	if code, out := harness.Tools(t, nil, "inspect", "segment", segments[0]); code != 1 || !strings.Contains(out, "POSITION") {
		t.Errorf("inspect: %d\n%s", code, out)
	}
}
