//go:build stack

package faults

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/sim/linear"
	"github.com/firnlog/firnlog/sim/queues"
)

// linearMax is how long the search may take for one window of a partition. Those of good histories take less than a second.
const linearMax = time.Minute

// linearity is what Porcupine says of a history, partition by partition. Records are its batches: a transaction's are there from its
// beginning to its answer.
type linearity struct {
	Partitions int
	Calls      int
	Windows    int
	Undecided  int      // windows that took longer than they may
	Wrong      []string // partitions that are no shared log
}

// shared judges each partition of a history as one log that everybody shares.
func shared(h *queues.History, most time.Duration) (out linearity) {
	parts := linear.Queues(h)
	for _, key := range slices.Sorted(maps.Keys(parts)) {
		v := linear.Check(parts[key], most)
		out.Partitions++
		out.Calls, out.Windows, out.Undecided = out.Calls+v.Calls, out.Windows+v.Windows, out.Undecided+v.Undecided
		if v.Wrong != "" {
			out.Wrong = append(out.Wrong, fmt.Sprintf("key %d is not linearizable: %s", key, v.Wrong))
		}
	}
	return out
}

// String is a cell of the table.
func (l linearity) String() string {
	switch {
	case l.Partitions == 0:
		return "not judged"
	case len(l.Wrong) > 0:
		return fmt.Sprintf("%d of %d partitions not", len(l.Wrong), l.Partitions)
	}
	return fmt.Sprintf("%d partitions, %d calls; not decided: %d of %d windows", l.Partitions, l.Calls, l.Undecided, l.Windows)
}

// toldBy gives the operations of a program that says these lines.
func toldBy(t *testing.T, lines ...string) *queues.History {
	t.Helper()
	c := &crowd{t: t, Recorder: queues.NewRecorder(func() time.Duration { return time.Hour }), topics: []string{logs}}
	c.mu.names, c.mu.pulse = map[int]string{}, map[string]time.Duration{}
	l := &life{foreign: &foreign{c: c, library: java}, processes: map[int]int{}, begun: map[operation]*line{}}
	for _, text := range lines {
		var said line
		if err := json.Unmarshal([]byte(text), &said); err != nil {
			t.Fatal(err)
		}
		l.take(&said)
	}
	l.lost()
	return &queues.History{Ops: c.Ops()}
}

// saidSent is a record sent between two instants, and where its sender was told that it is.
func saidSent(process, value, offset, from, to int) string {
	return fmt.Sprintf(`{"who":"plain 0","process":%d,"start":%d,"end":%d,"outcome":"done","steps":[["logs",0,%d,%d,0,true]]}`, process, from, to, offset, value)
}

func saidRead(process, value, offset, from, to int) string {
	return fmt.Sprintf(`{"who":"reader 0","process":%d,"start":%d,"end":%d,"outcome":"done","polled":true,"uncommitted":true,"steps":[["logs",0,%d,%d,0,false]]}`, process, from, to, offset, value)
}

// TestLinear_RejectsARecordBeforeOneAcknowledgedEarlier: of two clients; the other checker compares each client with itself, and who read what.
func TestLinear_RejectsARecordBeforeOneAcknowledgedEarlier(t *testing.T) {
	good := []string{saidSent(1, 11, 0, 10, 20), saidSent(2, 12, 1, 15, 40), saidRead(3, 11, 0, 30, 35), saidSent(4, 13, 2, 50, 60)}
	if l := shared(toldBy(t, good...), time.Minute); len(l.Wrong) > 0 || l.Undecided > 0 || l.Partitions != 1 {
		t.Errorf("a good history: %+v", l)
	}
	for name, bad := range map[string][]string{
		"it was acknowledged":     {saidSent(1, 11, 1, 10, 20), saidSent(2, 12, 0, 30, 40)},
		"it was read":             {saidSent(1, 11, 1, 10, 90), saidRead(3, 11, 1, 20, 25), saidSent(2, 12, 0, 30, 40)},
		"read before it was sent": {saidRead(3, 11, 0, 5, 8), saidSent(1, 11, 0, 10, 20)},
	} {
		if l := shared(toldBy(t, bad...), time.Minute); len(l.Wrong) != 1 || !strings.Contains(l.String(), "1 of 1 partitions not") {
			t.Errorf("%s: accepted: %+v", name, l)
		}
	}
}

// TestLinear_SaysWhatItHasNotDecided: no time at all is too little for many clients at once.
func TestLinear_SaysWhatItHasNotDecided(t *testing.T) {
	var lines []string
	for i := range 3000 {
		lines = append(lines, saidSent(i, 1+i, i, i, 100_000+i))
	}
	if l := shared(toldBy(t, lines...), time.Nanosecond); l.Undecided != 1 || !strings.Contains(l.String(), "not decided: 1 of 1") {
		t.Errorf("%+v", l)
	}
}

// TestProgram_KilledLeavesWhatItHadBegun: a record that was sent and not answered may be there, a transaction that was not told to commit has failed.
func TestProgram_KilledLeavesWhatItHadBegun(t *testing.T) {
	begun := func(start, value int, outcome, more string) string {
		return fmt.Sprintf(`{"who":"a","process":1,"start":%d,"outcome":%q,"begun":true,"steps":[["logs",0,-1,%d,0,true]]%s}`, start, outcome, value, more)
	}
	h := toldBy(t, begun(1, 1, "unknown", ""), saidSent(1, 1, 0, 1, 2), begun(3, 2, "unknown", ""), begun(4, 3, "failed", `,"transaction":true`),
		begun(5, 4, "failed", `,"transaction":true`), begun(5, 4, "unknown", `,"transaction":true,"ending":6`))
	got := map[queues.Value]queues.Outcome{}
	for _, op := range h.Ops {
		got[op.Steps[0].Value] = op.Outcome
	}
	want := map[queues.Value]queues.Outcome{1: queues.Done, 2: queues.Unknown, 3: queues.Failed, 4: queues.Unknown}
	if len(h.Ops) != len(want) || !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
