//go:build stack

package stack_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/deliver"
	"github.com/firnlog/firnlog/localstack/lambda"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// delivery is firnlog's functions that may be killed at a chosen moment, and a user's function.
type delivery struct {
	*functions
	crash, taken string // files
}

const (
	receiverTimeout     = 5 * time.Second
	receiverConcurrency = 2
)

func startDelivery(t *testing.T, c *harness.Cluster) *delivery {
	t.Helper()
	dir, files := t.TempDir(), t.TempDir()
	args := []string{"build", "-tags", "lambda.norpc crash", "-trimpath", "-ldflags", "-s -w", "-o", dir, "github.com/firnlog/firnlog/tests/stack/receiver"}
	names := []string{"producer", "consumer", "admin", "deliver"}
	for _, name := range names {
		args = append(args, "github.com/firnlog/firnlog/functions/"+name)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("build functions: %v\n%s", err, out)
	}
	d := &delivery{&functions{T: t, Service: lambda.New()}, filepath.Join(files, "crash"), filepath.Join(files, "taken")}
	t.Cleanup(d.Close)
	endpoint, err := d.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	env := append(slices.Clone(c.MinIO.Environ()), "FIRNLOG_STORE=s3://firnlog/stack?create=false&endpoint=http://"+c.MinIO.Endpoint, "FIRNLOG_ETCD="+c.Etcd.Endpoint, "FIRNLOG_TOPIC=t",
		"FIRNLOG_CRASH="+d.crash, "AWS_ENDPOINT_URL_LAMBDA="+endpoint, "FIRNLOG_DELIVER_FUNCTION=receiver", "FIRNLOG_DELIVER_GROUP=g", "FIRNLOG_DELIVER_TOPICS=t",
		"FIRNLOG_DELIVER_DEAD_LETTER_TOPIC=dead", "FIRNLOG_DELIVER_BATCH=10", "FIRNLOG_DELIVER_ATTEMPTS=2")
	for _, name := range names {
		d.Add(lambda.Settings{Name: name, Bootstrap: filepath.Join(dir, name), Env: env, Timeout: 3 * time.Minute, Concurrency: 4, LogFile: d.log(files, name)})
	}
	d.Add(lambda.Settings{Name: "receiver", Bootstrap: filepath.Join(dir, "receiver"), Env: []string{"RECEIVER_FILE=" + d.taken}, Timeout: receiverTimeout, Concurrency: receiverConcurrency, LogFile: d.log(files, "receiver")})
	return d
}

// log is a file that is shown when the test fails.
func (d *delivery) log(dir, name string) string {
	file := filepath.Join(dir, name+".log")
	d.Cleanup(func() {
		if text, err := os.ReadFile(file); d.Failed() && err == nil {
			d.Logf("%s:\n%.4000s", name, text)
		}
	})
	return file
}

// fill writes values to a partition, in one request.
func (d *delivery) fill(partition int, values ...string) {
	d.Helper()
	var records []string
	for _, v := range values {
		records = append(records, fmt.Sprintf(`{"value":%q}`, v))
	}
	d.request("producer", "POST", fmt.Sprintf("/topics/t/partitions/%d", partition), kindText, `{"records":[`+strings.Join(records, ",")+`]}`, 200)
}

// deliver is one invocation, which must succeed.
func (d *delivery) deliver(event string) (deliver.Report, lambda.Result) {
	d.Helper()
	var report deliver.Report
	r, err := d.Invoke(context.Background(), "deliver", []byte(event))
	if err == nil {
		err = json.Unmarshal(r.Payload, &report)
	}
	if err != nil || r.FunctionError != "" {
		d.Errorf("deliver: %v %s %s", err, r.FunctionError, r.Payload)
	}
	return report, r
}

// took gives values by partition as the receiver has taken them, one after the other.
func (d *delivery) took() map[string][]string {
	d.Helper()
	out := map[string][]string{}
	text, err := os.ReadFile(d.taken)
	if err != nil && !os.IsNotExist(err) {
		d.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		out[fields[0]] = append(out[fields[0]], fields[2])
	}
	return out
}

// read gives a partition's records through the function that reads: values, and headers by name.
func (d *delivery) read(topic string, partition int) (values []string, headers []map[string]string) {
	d.Helper()
	text, _ := d.request("consumer", "GET", fmt.Sprintf("/topics/%s/partitions/%d/records?offset=0&timeout=100", topic, partition), "", "", 200)
	var records []struct {
		Value   []byte
		Headers []struct {
			Key   string
			Value string
		}
	}
	if err := json.Unmarshal([]byte(text), &records); err != nil {
		d.Fatalf("%v: %s", err, text)
	}
	for _, r := range records {
		one := map[string]string{}
		for _, h := range r.Headers {
			value, _ := base64.StdEncoding.DecodeString(h.Value)
			one[h.Key] = string(value)
		}
		values, headers = append(values, string(r.Value)), append(headers, one)
	}
	return values, headers
}

// killAfter lets the next function that does this be killed right after it: "put" or "commit", and a part of the key.
func (d *delivery) killAfter(what string) {
	d.Helper()
	if err := os.WriteFile(d.crash, []byte(what), 0o600); err != nil {
		d.Fatal(err)
	}
}

// wasKilled says that it happened.
func (d *delivery) wasKilled(name string, event []byte) {
	d.Helper()
	r, err := d.Invoke(context.Background(), name, event)
	if _, e := os.Stat(d.crash); err != nil || r.FunctionError == "" || !os.IsNotExist(e) {
		d.Fatalf("%s was to be killed: %v %s", name, err, r.Payload)
	}
}

func row(prefix string, n int) (values []string) {
	for i := range n {
		values = append(values, prefix+strconv.Itoa(i))
	}
	return values
}

// A user's function that takes most, fails on one record, exits on another, hangs on a third, and runs at most twice at a time for four
// partitions: what it can take comes once and in order, the rest is told apart in the dead-letter topic.
func TestDeliver_ToAFunctionThatFailsExitsHangsAndIsThrottled(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 1})
	d := startDelivery(t, c)
	d.makeTopic("t", 4)
	d.makeTopic("dead", 1)
	want := map[string][]string{}
	for n, bad := range []string{"poison", "crash", "hang", ""} {
		values := row(fmt.Sprintf("v%d-", n), 25)
		want[fmt.Sprint("t-", n)] = slices.Clone(values)
		if bad != "" {
			values = slices.Insert(values, 13, bad)
		}
		if n == 3 {
			values[0], want["t-3"][0] = "slow", "slow"
		}
		d.fill(n, values...)
	}
	report, result := d.deliver(`{"version":"0","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`)
	if report.Delivered != 100 || report.DeadLettered != 3 || report.Lag != 0 || report.Throttled == 0 || len(report.Blocked) != 0 {
		t.Errorf("%+v", report)
	}
	for partition, values := range want {
		if got := d.took()[partition]; !slices.Equal(got, values) {
			t.Errorf("%s: taken %v, want %v", partition, got, values)
		}
	}
	values, headers := d.read("dead", 0)
	reasons := map[string]string{"poison": "function-error: errorString: there is poison in it", "crash": "function-error: Runtime.ExitError", "hang": "time-out: Sandbox.Timedout: Task timed out"}
	for i, h := range headers {
		if got := h[deliver.HeaderReason] + ": " + h[deliver.HeaderError]; reasons[values[i]] == "" || !strings.HasPrefix(got, reasons[values[i]]) || h[deliver.HeaderOffset] != "13" {
			t.Errorf("%s is there because of %s (%v)", values[i], got, h)
		}
		delete(reasons, values[i])
	}
	if len(reasons) != 0 {
		t.Errorf("not among the dead letters: %v", reasons)
	}
	again, warm := d.deliver(`{}`)
	if again.Delivered != 0 || again.Lag != 0 {
		t.Errorf("a second time: %+v", again)
	}
	harness.Table(t, "the function that delivers (aims: init below 60 ms, below 40 MiB)", [][2]string{
		{"init (exec to asking for work)", result.Init.Round(100 * time.Microsecond).String()},
		{"100 records, 3 of them bad, cold", result.Took.Round(time.Millisecond).String()},
		{"nothing to deliver, warm", warm.Took.Round(time.Millisecond).String()},
		{"most memory of the process", fmt.Sprintf("%.1f MiB", float64(max(result.PeakBytes, warm.PeakBytes))/(1<<20))},
	})
}

// Dies after the dead letter is durable and before its offset is committed; and again after the function has taken records.
func TestDeliver_KilledBeforeItsOffsetsAreCommitted(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 1, Arguments: func(int) []string { return []string{"--group-consumer-session", "10s"} }})
	d := startDelivery(t, c)
	d.makeTopic("t", 1)
	d.makeTopic("dead", 1)
	d.fill(0, "a", "poison", "b")
	d.killAfter("commit log/commits/")
	d.wasKilled("deliver", []byte(`{}`))
	stood := harness.Await(t, 5*time.Minute, "the partition of the invocation that died is delivered on", func() error {
		if report, _ := d.deliver(`{}`); report.Lag != 0 || report.Partitions == 0 {
			return fmt.Errorf("%+v", report)
		}
		return nil
	})
	t.Logf("the partition stood still for %v", stood.Round(time.Second))
	got := d.took()["t-0"]
	if slices.Compact(slices.Sorted(slices.Values(got)))[0] != "a" || !slices.Contains(got, "b") || slices.Contains(got, "poison") {
		t.Errorf("taken %v", got)
	}
	if values, _ := d.read("dead", 0); !slices.Equal(values, []string{"poison"}) {
		t.Errorf("dead letters %v, want the record once", values)
	}
}

// Two invocations at a time and a member over TCP in one group: every record comes to somebody.
func TestDeliver_BesideAMemberOverTCP(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 1})
	d := startDelivery(t, c)
	d.makeTopic("t", 6)
	d.makeTopic("dead", 1)
	tcp := startTCP(t, "g", c.Seeds())
	var all []string
	shared := false
	harness.Await(t, 3*time.Minute, "both kinds have read", func() error {
		var values []string
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { d.deliver(`{"batch":2}`) })
		}
		for n := range 6 {
			more := row(fmt.Sprintf("r%d-%d-", len(all), n), 4)
			d.fill(n, more...)
			values = append(values, more...)
		}
		both.Wait()
		all = append(all, values...)
		n := tcp.has(values)
		shared = shared || n > 0 && n < len(values)
		if !shared {
			return fmt.Errorf("the member over TCP has read %d of %d", n, len(values))
		}
		return nil
	})
	harness.Await(t, 2*time.Minute, "all records came to somebody", func() error {
		taken := map[string]bool{}
		for _, values := range d.took() {
			for _, v := range values {
				taken[v] = true
			}
		}
		for _, v := range all {
			if !taken[v] && tcp.has([]string{v}) == 0 {
				return fmt.Errorf("%s came to nobody", v)
			}
		}
		return nil
	})
}
