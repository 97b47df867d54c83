//go:build stack

package faults

import (
	"bufio"
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/firnlog/firnlog/sim/queues"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// foreign is a program with the clients of another library. It may be killed, and run again.
type foreign struct {
	c       *crowd
	library string
	base    int // of the values of the next run
	life    *life
}

// life is one run of a program. What the clients do comes as JSON lines: one before an operation sends anything, one before it asks for a
// commit, and one with its end. So whoever is killed leaves nothing behind that the history does not know.
type life struct {
	*harness.Talk
	*foreign
	over  map[string]chan struct{} // by the word that ends them
	heard chan struct{}            // closed when all that it said is known
	// Process numbers are the program's own: these are the history's.
	processes map[int]int
	begun     map[operation]*line // that have not ended
}

// operation is the name of one.
type operation struct {
	process int
	start   int64
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
	Begun                            bool // it has not ended: what it is if nothing more comes
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

// Where a library's values begin, and those of each of its runs, so that no two clients send the same.
const (
	foreignValues = 1_000_000_000
	runValues     = 10_000_000
)

// startForeign runs the program of a library.
func (c *crowd) startForeign(library string) *foreign {
	c.t.Helper()
	f := &foreign{c: c, library: library, base: foreignValues * (1 + slices.Index(c.libraries, library))}
	f.start()
	return f
}

// start runs it, as if it had never run before.
func (f *foreign) start() {
	f.c.t.Helper()
	r := &life{foreign: f, processes: map[int]int{}, begun: map[operation]*line{}, heard: make(chan struct{}), over: map[string]chan struct{}{"stop": make(chan struct{}), "end": make(chan struct{})}}
	talk, conn := harness.CallBack(f.c.t, func(address string) *harness.Talk {
		args := []string{strings.Join(f.c.seeds, ","), address, f.library, strconv.Itoa(f.base), strings.Join(f.c.writable(), ","), strings.Join(f.c.topics, ",")}
		if f.library == java {
			return harness.TalkJava(f.c.t, "../../faults/clients/Queues.java", args...)
		}
		return harness.TalkPython(f.c.t, "../../faults/clients/queues.py", args...)
	})
	f.base += runValues
	r.Talk = talk
	f.life = r
	go r.listen(conn)
	f.c.t.Cleanup(func() {
		r.Kill()
		conn.Close()
		<-r.heard
	})
}

// kill ends the program in the middle of what it does. What had begun has the outcome that it was said to have then: nobody knows, or it
// has failed, if it is a transaction whose commit was not asked for.
func (f *foreign) kill() {
	f.life.Kill()
	<-f.life.heard
	f.life.lost()
}

// lost ends what has begun, as far as anybody knows.
func (r *life) lost() {
	for _, l := range r.begun {
		r.c.Add(r.op(l))
	}
}

// listen takes everything that the program says, to its end. The last line of one that was killed may be a part.
func (r *life) listen(conn net.Conn) {
	defer close(r.heard)
	lines := bufio.NewReader(conn)
	for {
		text, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			r.c.t.Errorf("%s says %q: %v", r.library, text, err)
			return
		}
		r.take(&l)
	}
}

func (r *life) take(l *line) {
	name := operation{l.Process, l.Start}
	switch {
	case l.Alarm != "":
		r.c.t.Errorf("%s: %s", r.library, l.Alarm)
	case l.Note != "":
		r.c.t.Logf("%s at %v: %s", r.library, r.c.Now().Round(time.Millisecond), l.Note)
	case l.Over != "":
		close(r.over[l.Over])
	case l.Begun:
		r.begun[name] = l
	default:
		delete(r.begun, name)
		r.c.done(r.library+" "+l.Who, r.op(l))
	}
}

// op puts an operation into the history's words.
func (r *life) op(l *line) queues.Op {
	process, ok := r.processes[l.Process]
	if !ok {
		process = r.c.process()
		r.processes[l.Process] = process
	}
	op := queues.Op{Process: process, Start: r.c.since(l.Start), Transaction: l.Transaction, Uncommitted: l.Uncommitted, Polled: l.Polled}
	if l.End != 0 {
		op.End = r.c.since(l.End)
	}
	if l.Ending != 0 {
		op.Ending = r.c.since(l.Ending)
	}
	op.Outcome = map[string]queues.Outcome{"done": queues.Done, "failed": queues.Failed, "unknown": queues.Unknown}[l.Outcome]
	op.Kind = map[string]queues.Kind{"": queues.Transact, "assign": queues.Assign, "rebalance": queues.Rebalance}[l.Kind]
	for _, s := range l.Steps {
		op.Steps = append(op.Steps, queues.Step{Key: r.c.keyOf(s.topic, s.partition), Offset: s.offset, Value: s.value, Source: s.source, Sent: s.sent})
	}
	for _, k := range l.Keys {
		op.Keys = append(op.Keys, r.c.keyOf(k.topic, k.partition))
	}
	return op
}

// finish ends the senders, or the others, and waits for them.
func (f *foreign) finish(word string) {
	f.c.t.Helper()
	f.life.Say(word)
	select {
	case <-f.life.over[word]:
	case <-time.After(3 * harnessPatience):
		f.c.t.Errorf("clients of %s do not %s", f.library, word)
	}
}
