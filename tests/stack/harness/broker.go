package harness

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// readyMax is how long a broker may take to serve on a busy machine. The goal is far below
// (see TestFigures); this is only where waiting makes no sense any more.
const readyMax = time.Minute

// Broker is one firnlog process, of dev or broker. Killed and started again it has the same addresses.
type Broker struct {
	*Process
	Kafka string // HOST:PORT
	HTTP  string // HOST:PORT
}

// NewBroker prepares a process of firnlog with these arguments, on addresses of its own.
func NewBroker(t testing.TB, name string, env []string, args ...string) *Broker {
	t.Helper()
	b := &Broker{Kafka: Address(FreePort(t)), HTTP: Address(FreePort(t))}
	args = append(args, "--kafka", b.Kafka, "--http", b.HTTP)
	b.Process = NewProcess(t, name, Firnlog(t), env, args...)
	return b
}

// StartDev starts firnlog dev on a folder and waits until it serves.
func StartDev(t testing.TB, dir string, args ...string) *Broker {
	t.Helper()
	b := NewBroker(t, "dev", nil, append([]string{"dev", "--data", dir}, args...)...)
	b.Up()
	return b
}

// Up starts it, or starts it again, waits until it serves, and gives how long that took.
func (b *Broker) Up() time.Duration {
	b.t.Helper()
	start := time.Now()
	b.Start()
	b.AwaitReady()
	return time.Since(start)
}

var readyLine = regexp.MustCompile(`^firnlog ready kafka=(\S+) http=http://(\S+)$`)

// AwaitReady waits for the line that scripts rely on.
func (b *Broker) AwaitReady() {
	b.t.Helper()
	line := b.Line("firnlog ready", readyMax)
	if m := readyLine.FindStringSubmatch(line); m == nil || m[1] != b.Kafka || m[2] != b.HTTP {
		b.t.Fatalf("ready line %q, want the addresses %s and %s", line, b.Kafka, b.HTTP)
	}
}

// Serves asks /readyz.
func (b *Broker) Serves() error {
	_, err := b.get("/readyz")
	return err
}

// Healthy asks /healthz.
func (b *Broker) Healthy() error {
	_, err := b.get("/healthz")
	return err
}

func (b *Broker) get(path string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + b.HTTP + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, strings.TrimSpace(string(body)))
	}
	return string(body), err
}

// Metric sums the samples of a metric whose labels contain all these texts (op="put").
func (b *Broker) Metric(name string, labels ...string) float64 {
	b.t.Helper()
	sum, _ := b.Sample(name, labels...)
	return sum
}

// Sample does so, and says whether there is any such sample.
func (b *Broker) Sample(name string, labels ...string) (sum float64, found bool) {
	b.t.Helper()
	body, err := b.get("/metrics")
	if err != nil {
		b.t.Fatalf("metrics of %s: %v", b.Name, err)
	}
	for line := range strings.Lines(body) {
		sample, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || sample != name && !strings.HasPrefix(sample, name+"{") {
			continue
		}
		matches := true
		for _, l := range labels {
			matches = matches && strings.Contains(sample, l)
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil && matches {
			sum, found = sum+v, true
		}
	}
	return sum, found
}

// Cores is the CPU time that the process has used, user and system together.
func (p *Process) Cores() time.Duration {
	p.t.Helper()
	fields := procFields(p.t, p.Pid(), "stat")
	if len(fields) < 15 {
		p.t.Fatalf("stat of %s: %q", p.Name, fields)
	}
	user, err := strconv.ParseInt(fields[13], 10, 64)
	system, err2 := strconv.ParseInt(fields[14], 10, 64)
	if err = errors.Join(err, err2); err != nil {
		p.t.Fatal(err)
	}
	const ticksPerSecond = 100 // USER_HZ: the same on all that Go runs on
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

// Resident is the memory that the process holds, in bytes.
func (p *Process) Resident() int64 {
	p.t.Helper()
	fields := procFields(p.t, p.Pid(), "statm")
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return pages * int64(syscall.Getpagesize())
}
