//go:build stack

package stack_test

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// buildNext builds firnlog as it will be once there is another format of records.
func buildNext(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "firnlog-next")
	if out, err := exec.Command("go", "build", "-trimpath", "-tags", "nextformat", "-o", path, "github.com/firnlog/firnlog/cmd/firnlog").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// inForce reads the version of log/format.
func inForce(t *testing.T, c *harness.Cluster) string {
	t.Helper()
	kv := c.Etcd.KV()
	defer kv.Close()
	snap, err := kv.Get(within(t, 10*time.Second), coordination.NewKeys("default").Format())
	if err != nil {
		t.Fatal(err)
	}
	return string(snap.Items[0].Value)
}

// raise runs firnlog upgrade.
func raise(binary string, c *harness.Cluster, args ...string) (string, int) {
	cmd := exec.Command(binary, append([]string{"upgrade", "--etcd", c.Etcd.Endpoint}, args...)...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

// versionsWritten are the versions of the commits that are in etcd now and have not been emptied.
func versionsWritten(t *testing.T, c *harness.Cluster) map[byte]int {
	t.Helper()
	kv := c.Etcd.KV()
	defer kv.Close()
	page, err := kv.List(within(t, 10*time.Second), coordination.Range{Prefix: coordination.NewKeys("default").Log() + "commits/"})
	if err != nil {
		t.Fatal(err)
	}
	out := map[byte]int{}
	for _, item := range page.Items {
		if len(item.Value) > 0 {
			out[item.Value[0]]++
		}
	}
	return out
}

// Two builds, of which one knows a newer format of records, serve one cluster; the newer one is taken back and comes again; the format is
// raised under load, and what does not know it stops. Producers notice nothing of it, and each record is there once.
func TestUpgrade_TwoVersionsServeUntilTheFormatIsRaised(t *testing.T) {
	next, shipped := buildNext(t), harness.Firnlog(t)
	c := harness.StartCluster(t, harness.Options{Brokers: 3, Arguments: func(int) []string { return []string{"--drain", "500ms"} }})
	tr := startTraffic(t, c.Seeds(), "upgrade", workers)
	change := func(b *harness.Broker, to string) {
		t.Helper()
		b.Stop(10 * time.Second)
		b.Use(to)
		b.Up()
		tr.more(500)
	}
	change(c.Brokers[0], next)
	change(c.Brokers[1], next)
	change(c.Brokers[1], shipped) // taken back
	change(c.Brokers[1], next)
	if v := versionsWritten(t, c); v[2] > 0 || v[1] == 0 {
		t.Errorf("commits by version %v: before the raise all must be 1", v)
	}
	was := inForce(t, c)
	if out, code := raise(shipped, c); code != 0 || inForce(t, c) != was {
		t.Errorf("the shipped build raised something: exit %d, %s", code, out)
	}
	if out, code := raise(next, c); code != exitRefused || !strings.Contains(out, c.Brokers[2].Kafka) || inForce(t, c) != was {
		t.Errorf("with an instance behind: exit %d, %s", code, out)
	}
	out, code := raise(next, c, "--leave-behind")
	if code != 0 || inForce(t, c) != strings.Replace(was, `"version":1`, `"version":2`, 1) {
		t.Fatalf("raise: exit %d, %s; log/format %s", code, out, inForce(t, c))
	}
	t.Log(strings.TrimSpace(out))
	stopsSaying(t, c.Brokers[2])
	tr.more(2000)
	if v := versionsWritten(t, c); v[2] == 0 {
		t.Errorf("commits by version %v: after the raise there must be some of 2", v)
	}
	c.Brokers[2].Start() // the old build again: it does not begin to serve
	stopsSaying(t, c.Brokers[2])
	c.Brokers[2].Use(next)
	c.Brokers[2].Up()
	if out, code := raise(shipped, c); code != exitRefused {
		t.Errorf("the shipped build looks at a newer format: exit %d, %s", code, out)
	}
	tr.more(1000)
	tr.check()
}

const exitRefused = 2

// stopsSaying wants a broker to end by itself and to say why.
func stopsSaying(t *testing.T, b *harness.Broker) {
	t.Helper()
	code := b.Wait(30 * time.Second)
	want := fmt.Sprintf("the cluster's format is version %d, this build knows %d to %d", ledger.FormatVersion+1, ledger.FormatOldest, ledger.FormatVersion)
	if code == 0 || !bytes.Contains([]byte(b.Output()), []byte(want)) {
		t.Errorf("%s ended with exit code %d without %q:\n%s", b.Name, code, want, b.Output())
	}
}
