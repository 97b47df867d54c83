//go:build stack

package faults

import (
	"bufio"
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/firnlog/firnlog/sim/queues"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// foreign is a program with the clients of another library. What they do comes as JSON lines, one an operation.
type foreign struct {
	*harness.Talk
	c       *crowd
	library string
	over    map[string]chan struct{} // by the word that ends them
	// Process numbers are the program's own: these are the history's.
	processes map[int]int
}

// foreignKinds are the clients of each program. Their names follow that of the library.
func foreignKinds(library string) []string {
	all := []string{"idempotent 0", "transactional 0", "reader 0", "reader 1", "transformer 0", "transformer 1"}
	if library == librdkafka {
		return append(all, "idempotent 1") // see queues.py
	}
	return append(all, "plain 0")
}

// line is one of a program's.
type line struct {
	Alarm, Note, Over string // of no operation

	Who, Kind, Outcome               string
	Process                          int
	Start, Ending, End               int64 // ns of CLOCK_MONOTONIC
	Transaction, Uncommitted, Polled bool
	Steps                            []foreignStep
	Keys                             []foreignKey
}

// foreignStep is [topic, partition, offset, value, source, sent].
type foreignStep struct {
	foreignKey
	offset int64
	value  queues.Value
	source queues.Value
	sent   bool
}

// UnmarshalJSON reads the array.
func (s *foreignStep) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&s.topic, &s.partition, &s.offset, &s.value, &s.source, &s.sent})
}

// foreignKey is [topic, partition].
type foreignKey struct {
	topic     string
	partition int32
}

// UnmarshalJSON reads the array.
func (k *foreignKey) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&k.topic, &k.partition})
}

// monotonic is the clock that programs have too.
func monotonic(t testing.TB) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano()
}

// foreignValues is where a library's values begin, so that no two clients send the same.
const foreignValues = 1_000_000_000

// startForeign runs the program of a library.
func (c *crowd) startForeign(library string) *foreign {
	c.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	defer listener.Close()
	f := &foreign{c: c, library: library, processes: map[int]int{}, over: map[string]chan struct{}{"stop": make(chan struct{}), "end": make(chan struct{})}}
	base := foreignValues * (1 + slices.Index(c.libraries, library))
	args := []string{strings.Join(c.seeds, ","), listener.Addr().String(), library, strconv.Itoa(base), strings.Join(c.writable(), ","), strings.Join(c.topics, ",")}
	switch library {
	case librdkafka:
		f.Talk = harness.TalkPython(c.t, "../../faults/clients/queues.py", args...)
	case java:
		f.Talk = harness.TalkJava(c.t, "../../faults/clients/Queues.java", args...)
	}
	if err := listener.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute)); err != nil {
		c.t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		c.t.Fatalf("the program of %s does not come: %v", library, err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { f.listen(conn) })
	c.t.Cleanup(func() {
		f.Kill()
		conn.Close()
		reading.Wait()
	})
	return f
}

// listen takes everything that the program says, to its end.
func (f *foreign) listen(conn net.Conn) {
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			f.c.t.Errorf("%s says %q: %v", f.library, lines.Text(), err)
			return
		}
		f.take(&l)
	}
}

func (f *foreign) take(l *line) {
	switch {
	case l.Alarm != "":
		f.c.t.Errorf("%s: %s", f.library, l.Alarm)
	case l.Note != "":
		f.c.t.Logf("%s at %v: %s", f.library, f.c.Now().Round(time.Millisecond), l.Note)
	case l.Over != "":
		close(f.over[l.Over])
	default:
		f.c.done(f.library+" "+l.Who, f.op(l))
	}
}

// op puts an operation into the history's words.
func (f *foreign) op(l *line) queues.Op {
	process, ok := f.processes[l.Process]
	if !ok {
		process = f.c.process()
		f.processes[l.Process] = process
	}
	op := queues.Op{Process: process, Start: f.c.since(l.Start), End: f.c.since(l.End), Transaction: l.Transaction, Uncommitted: l.Uncommitted, Polled: l.Polled}
	if l.Ending != 0 {
		op.Ending = f.c.since(l.Ending)
	}
	op.Outcome = map[string]queues.Outcome{"done": queues.Done, "failed": queues.Failed, "unknown": queues.Unknown}[l.Outcome]
	op.Kind = map[string]queues.Kind{"": queues.Transact, "assign": queues.Assign, "rebalance": queues.Rebalance}[l.Kind]
	for _, s := range l.Steps {
		op.Steps = append(op.Steps, queues.Step{Key: f.c.keyOf(s.topic, s.partition), Offset: s.offset, Value: s.value, Source: s.source, Sent: s.sent})
	}
	for _, k := range l.Keys {
		op.Keys = append(op.Keys, f.c.keyOf(k.topic, k.partition))
	}
	return op
}

// finish ends the senders, or the others, and waits for them.
func (f *foreign) finish(word string) {
	f.c.t.Helper()
	f.Say(word)
	select {
	case <-f.over[word]:
	case <-time.After(3 * harnessPatience):
		f.c.t.Errorf("clients of %s do not %s", f.library, word)
	}
}
