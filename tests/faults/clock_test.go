//go:build stack

package faults

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clock is what a broker takes for the time on the wall: a file that says by how many seconds it is off. The broker is the shipped
// one, built with a time.Now that adds them: Go reads the clock without the C library, and a namespace of Linux moves only the clocks
// that nobody sets. Also what libraries ask (signatures of S3, certificates, logs) is off then; timers are not.
type clock struct {
	t    testing.TB
	file *os.File
}

func newClock(t testing.TB) *clock {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "clock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	c := &clock{t: t, file: file}
	c.set(0)
	return c
}

// set moves the clock: it is this much ahead of the others from now on.
func (c *clock) set(ahead time.Duration) {
	b := binary.NativeEndian.AppendUint64(nil, uint64(int64(ahead/time.Second)))
	if _, err := c.file.WriteAt(b, 0); err != nil {
		c.t.Errorf("set a clock: %v", err)
	}
}

// environ tells a broker where its clock is.
func (c *clock) environ() []string { return []string{"FIRNLOG_TEST_CLOCK=" + c.file.Name()} }

// buildWithClocks builds a broker whose clock can be set, and gives its path. What differs from the shipped one is one line and one file of
// Go's package time.
func buildWithClocks(t testing.TB) string {
	t.Helper()
	source := filepath.Join(strings.TrimSpace(command(t, "go", "env", "GOROOT")), "src", "time")
	text, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil {
		t.Fatal(err)
	}
	const asks = "\nfunc Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), asks) != 1 {
		t.Fatal("this Go's time.Now asks another clock: see buildWithClocks")
	}
	dir := t.TempDir()
	now := filepath.Join(dir, "time.go")
	if err := os.WriteFile(now, []byte(strings.Replace(string(text), asks, strings.Replace(asks, "runtimeNow", "movedNow", 1), 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	moved, err := filepath.Abs(filepath.Join("testdata", "clock.go.txt"))
	if err != nil {
		t.Fatal(err)
	}
	replaced := map[string]string{filepath.Join(source, "time.go"): now, filepath.Join(source, "moved.go"): moved}
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	list, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "firnlog")
	if err := os.WriteFile(list, overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	command(t, "go", "build", "-trimpath", "-overlay", list, "-o", binary, "github.com/firnlog/firnlog/cmd/firnlog")
	return binary
}

// moves makes sure that a broker goes by its clock.
func (n *node) moves(t testing.TB) {
	t.Helper()
	defer n.clock.set(0)
	for _, ahead := range []time.Duration{time.Hour, 0} {
		n.clock.set(ahead)
		resp, err := http.Get("http://" + n.HTTP + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		date, err := http.ParseTime(resp.Header.Get("Date"))
		if err != nil {
			t.Fatal(err)
		}
		if wrong := time.Until(date) - ahead; wrong.Abs() > 10*time.Second {
			t.Fatalf("a broker whose clock is %v ahead says that it is %v", ahead, date)
		}
	}
}

func command(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(out)
}

// offFor is how long a clock is wrong: transactions time out meanwhile, leases would.
const offFor = 8 * time.Second

// off lets a broker's clock be wrong for a while.
func off(ahead time.Duration) func(*stage, *rand.Rand) func() {
	return func(s *stage, r *rand.Rand) func() {
		c := s.some(r).clock
		c.set(ahead)
		lasts(offFor)
		return func() { c.set(0) }
	}
}

// jumping lets a broker's clock jump to and fro, within what S3 still takes.
func jumping(s *stage, r *rand.Rand) func() {
	c := s.some(r).clock
	for range 20 {
		c.set(time.Duration(r.Int64N(int64(28*time.Minute))) - 14*time.Minute)
		lasts(offFor / 20)
	}
	return func() { c.set(0) }
}

// apart lets no two brokers agree on the time.
func apart(s *stage, r *rand.Rand) func() {
	first := r.IntN(brokers)
	s.brokers[first].clock.set(10 * time.Minute)
	s.brokers[(first+1)%brokers].clock.set(-10 * time.Minute)
	lasts(offFor)
	return func() {
		for _, b := range s.brokers {
			b.clock.set(0)
		}
	}
}

// killedAndOff: a machine comes back with a clock that is set right only later.
func killedAndOff(s *stage, r *rand.Rand) func() {
	b := s.some(r)
	b.Kill()
	lasts(deadFor)
	b.clock.set(-10 * time.Minute)
	b.Start()
	lasts(offFor)
	return func() { b.clock.set(0) }
}
