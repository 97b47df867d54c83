package upkeep_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/upkeep"
)

type fixture struct {
	*coretest.Cluster
	a  *coretest.Instance
	tp record.TopicPartition
}

// bubble runs fn with one instance whose upkeep goes by steps.
func bubble(t *testing.T, o coretest.Options, fn func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, tp: record.TopicPartition{Topic: c.CreateTopic("t", 200)}}
		f.a = c.Instance("a", o).Ready()
		synctest.Wait() // its watch is open
		fn(t, f)
	})
}

// eager waits for nothing before it covers and raises.
func eager(s *upkeep.Settings) {
	s.CheckpointAge, s.Lag, s.SweepGrace = 0, 0, 0
}

var eagerly = coretest.Options{Upkeep: eager}

func (f *fixture) part(n int) record.TopicPartition {
	return record.TopicPartition{Topic: f.tp.Topic, Partition: int32(n)}
}

type stepFunc = func(context.Context) error

// do observes and then takes steps of an instance.
func do(t *testing.T, in *coretest.Instance, steps ...stepFunc) {
	t.Helper()
	in.Barrier()
	in.Upkeep.Observe()
	for i, s := range steps {
		if err := s(t.Context()); err != nil {
			t.Fatalf("%s, step %d: %v", in.Name, i, err)
		}
	}
}

// pass lets time go by and raises stamp and floor beyond all ids drawn so far.
func pass(t *testing.T, in *coretest.Instance) {
	t.Helper()
	time.Sleep(2 * time.Second)
	do(t, in, in.Upkeep.RaiseStamp)
	time.Sleep(time.Second)
	do(t, in, in.Upkeep.RaiseStamp, in.Upkeep.RaiseFloor)
}

func (f *fixture) commits() (full, empty int) {
	for _, it := range f.Items(f.Keys.Commits()) {
		if len(it.Value) > 0 {
			full++
		} else {
			empty++
		}
	}
	return full, empty
}

func (f *fixture) head(t *testing.T, tp record.TopicPartition) *ledger.Head {
	t.Helper()
	items := f.Items(f.Keys.Head(tp.Topic, tp.Partition))
	if len(items) == 0 {
		return nil
	}
	h, err := ledger.DecodeHead(items[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestCheckpoint_WritesSixtyHeadsATransaction(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		var in []ingest.Incoming
		for p := range 150 {
			in = append(in, coretest.Plain(f.part(p), "x"))
		}
		f.a.MustProduce(in...)
		f.Transcript()
		do(t, f.a, f.a.Upkeep.Checkpoint)
		commits := 0
		for _, l := range f.Transcript() {
			if strings.HasPrefix(l, "a kv commit log/heads/") {
				commits++
			} else if strings.HasPrefix(l, "a store") {
				t.Errorf("a checkpoint writes no objects: %s", l)
			}
		}
		if heads := len(f.Items(f.Keys.Heads())); heads != 150 || commits != 3 {
			t.Errorf("%d heads in %d transactions, want 150 in 3", heads, commits)
		}
		f.Transcript()
		do(t, f.a, f.a.Upkeep.Checkpoint)
		for _, l := range f.Transcript() {
			if strings.Contains(l, "commit") {
				t.Errorf("nothing is due, yet: %s", l)
			}
		}
	})
}

func TestCheckpoint_WaitsUntilCommitsAreOldEnough(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "x"))
		do(t, f.a, f.a.Upkeep.Checkpoint)
		time.Sleep(14 * time.Second)
		do(t, f.a, f.a.Upkeep.Checkpoint)
		if f.head(t, f.tp) != nil {
			t.Error("a head before 15 s")
		}
		time.Sleep(2 * time.Second)
		do(t, f.a, f.a.Upkeep.Checkpoint)
		if f.head(t, f.tp) == nil {
			t.Error("no head after 15 s")
		}
	})
}

func TestCheckpoint_AsOfMovesForwardOnlyAndALateOneLosesNothing(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		b := f.Instance("b", eagerly).Ready()
		f.a.MustProduce(coretest.Plain(f.tp, "x"))
		b.Barrier()
		// b is paused in the middle of its checkpoint, and goes on after a's.
		f.FaultKV(func(who string, op coordination.Op, key string) coordination.Decision {
			if who == "b" && op == coordination.OpCommit {
				return coordination.Decision{Delay: time.Minute}
			}
			return coordination.Decision{}
		})
		late := make(chan error)
		b.Upkeep.Observe()
		go func() { late <- b.Upkeep.Checkpoint(t.Context()) }()
		time.Sleep(time.Second)
		f.a.MustProduce(coretest.Plain(f.tp, "y"))
		do(t, f.a, f.a.Upkeep.Checkpoint)
		if _, err := f.a.Upkeep.DeleteRecords(t.Context(), f.tp, 1); err != nil {
			t.Fatal(err)
		}
		before := f.head(t, f.tp)
		if err := <-late; err != nil {
			t.Fatal(err)
		}
		if after := f.head(t, f.tp); after.AsOf < before.AsOf || after.LogStart != 1 || after.Next != 2 {
			t.Errorf("as-of %d after %d, log start %d, next %d", after.AsOf, before.AsOf, after.LogStart, after.Next)
		}
	})
}

// holes is a commit whose every second batch is refused: as many spans.
func holes(t *testing.T, f *fixture, spans int) {
	t.Helper()
	id, err := f.a.Stream.NewID()
	if err != nil {
		t.Fatal(err)
	}
	run := ledger.Run{Partition: f.tp, Position: 8}
	for range spans {
		run.Entries = append(run.Entries, ledger.Entry{Records: 1, Bytes: 1, Producer: record.NoProducer}, ledger.Entry{Records: 1, Bytes: 1, Producer: 7, Sequence: 5})
	}
	c := ledger.Commit{Segments: []ledger.SegmentRef{{ID: id, Size: 1}}, Runs: []ledger.Run{run}}
	f.Put(f.Keys.Commit(id), c.Encode())
}

func TestCheckpoint_AHeadTooLargeBlocksNobodyElse(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		holes(t, f, 80_000)
		f.a.MustProduce(coretest.Plain(f.part(1), "y"))
		do(t, f.a, f.a.Upkeep.Checkpoint)
		if f.head(t, f.tp) != nil {
			t.Fatal("the head fits; the test needs a larger one")
		}
		if f.head(t, f.part(1)) == nil {
			t.Error("the neighbour has no head")
		}
	})
}

func TestTrim_EmptiesWhatIsCoveredAndDeletesItOnlyBelowTheFloor(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "x"), coretest.Plain(f.part(1), "y"))
		do(t, f.a, f.a.Upkeep.Trim)
		if full, empty := f.commits(); full != 1 || empty != 0 {
			t.Errorf("before a checkpoint: %d full, %d empty; uncovered ones stay", full, empty)
		}
		do(t, f.a, f.a.Upkeep.Checkpoint, f.a.Upkeep.Trim)
		if full, empty := f.commits(); full != 0 || empty != 1 {
			t.Errorf("covered, above the floor: %d full, %d empty; want it emptied", full, empty)
		}
		pass(t, f.a)
		do(t, f.a, f.a.Upkeep.Trim)
		if full, empty := f.commits(); full+empty != 0 {
			t.Errorf("below the floor: %d full, %d empty; want none", full, empty)
		}
		b := f.Instance("b", eagerly).Ready()
		for _, in := range []*coretest.Instance{f.a, b} {
			if got := in.ReadAll(f.tp); !slices.Equal(got, []string{"x"}) {
				t.Errorf("%s reads %q", in.Name, got)
			}
		}
	})
}

// Finding 3: a commit below the floor stays while one of its partitions has no head that covers it.
func TestTrim_KeepsACommitUntilTheHeadsOfAllItsPartitionsCoverIt(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "x"), coretest.Plain(f.part(1), "y"))
		f.FaultKV(func(_ string, op coordination.Op, key string) coordination.Decision { return coordination.Decision{} })
		var h []byte
		f.a.View(func(l *ledger.Ledger) { h = l.Partition(f.tp).Head(l.Revision()).Encode() })
		f.Put(f.Keys.Head(f.tp.Topic, 0), h)
		pass(t, f.a)
		do(t, f.a, f.a.Upkeep.Trim)
		if full, _ := f.commits(); full != 1 {
			t.Errorf("%d commits, want it kept for the second partition", full)
		}
		if got := f.Instance("b", eagerly).Ready().ReadAll(f.part(1)); !slices.Equal(got, []string{"y"}) {
			t.Errorf("read %q", got)
		}
	})
}

func TestTrim_APausedOneWithAnOldFloorDeletesNothing(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "x"))
		do(t, f.a, f.a.Upkeep.Checkpoint)
		pass(t, f.a)
		f.FaultKV(func(_ string, op coordination.Op, key string) coordination.Decision {
			if op == coordination.OpCommit && strings.HasPrefix(key, f.Keys.Commits()) {
				f.Put(f.Keys.Floor(), coordination.Mark(1).Bytes()) // as no floor ever does: the guard must see it
			}
			return coordination.Decision{}
		})
		do(t, f.a, f.a.Upkeep.Trim)
		if full, empty := f.commits(); full+empty != 1 {
			t.Error("deleted although the floor was not what was compared with")
		}
	})
}

func TestMarks_OnlyGrowWhateverAPausedInstanceWrites(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		b := f.Instance("b", eagerly).Ready()
		b.Barrier()
		b.Upkeep.Observe()
		f.FaultKV(func(who string, op coordination.Op, _ string) coordination.Decision {
			if who == "b" && op == coordination.OpCommit {
				return coordination.Decision{Delay: time.Minute} // SIGSTOP between reading and writing
			}
			return coordination.Decision{}
		})
		paused := make(chan error, 2)
		go func() { paused <- b.Upkeep.RaiseStamp(t.Context()) }()
		go func() { paused <- b.Upkeep.RaiseFloor(t.Context()) }()
		time.Sleep(30 * time.Second)
		pass(t, f.a)
		stamp, floor := f.Mark(f.Keys.Stamp()), f.Mark(f.Keys.Floor())
		for range 2 {
			if err := <-paused; err != nil {
				t.Error(err)
			}
		}
		if s, fl := f.Mark(f.Keys.Stamp()), f.Mark(f.Keys.Floor()); s != stamp || fl != floor {
			t.Errorf("stamp %d → %d, floor %d → %d", stamp, s, floor, fl)
		}
	})
}

func TestMarks_AClockThatIsBehindStillMovesTheStamp(t *testing.T) {
	bubble(t, coretest.Options{Upkeep: eager, Skew: -24 * time.Hour}, func(t *testing.T, f *fixture) {
		f.Put(f.Keys.Stamp(), coordination.Mark(time.Now().UnixMilli()).Bytes())
		f.a.Barrier()
		before := f.Mark(f.Keys.Stamp())
		do(t, f.a, f.a.Upkeep.RaiseStamp)
		if after := f.Mark(f.Keys.Stamp()); after != before+1 {
			t.Errorf("stamp %d → %d", before, after)
		}
	})
}

// Finding 7: whatever a writer's clock says, it has one lag from naming a segment to its commit.
func TestFloor_GivesEveryIDAFullLag(t *testing.T) {
	for _, skew := range []time.Duration{0, -time.Hour, time.Hour} {
		t.Run(fmt.Sprint(skew), func(t *testing.T) {
			bubble(t, coretest.Options{Skew: skew}, func(t *testing.T, f *fixture) {
				start := time.Now()
				id, err := f.a.Stream.NewID()
				if err != nil {
					t.Fatal(err)
				}
				u := f.Build("u", coretest.Options{}) // whose clock is right
				u.Run(true)
				u.Ready()
				for f.Mark(f.Keys.Floor()) < coordination.MarkOf(id) {
					time.Sleep(100 * time.Millisecond)
					if time.Since(start) > 30*time.Minute {
						t.Fatal("the floor never passes this id")
					}
				}
				if lag := time.Since(start); lag < 60*time.Second {
					t.Errorf("the floor passed the id after %v, want the lag of a minute at least", lag)
				}
			})
		})
	}
}

// Ids that have the stamp's own time are not refused while the stamp stands still.
func TestFloor_StaysBelowTheStamp(t *testing.T) {
	bubble(t, coretest.Options{Skew: -time.Hour}, func(t *testing.T, f *fixture) {
		u := f.Instance("u", coretest.Options{}).Ready()
		do(t, u, u.Upkeep.RaiseStamp)
		for range 3 {
			time.Sleep(time.Minute)
			do(t, u, u.Upkeep.RaiseFloor) // and nobody raises the stamp
		}
		f.a.Barrier()
		f.Transcript()
		f.a.MustProduce(coretest.Plain(f.tp, "x"))
		if puts := strings.Count(strings.Join(f.Transcript(), "\n"), "store put"); puts != 1 {
			t.Errorf("%d puts: refused by a floor that is not below the stamp", puts)
		}
	})
}

// Anomaly 22.
func TestAnomaly22_SweepCollectsAnOrphanOnlyBelowTheFloorAndAfterTheGrace(t *testing.T) {
	grace := coretest.Options{Upkeep: func(s *upkeep.Settings) { s.CheckpointAge, s.Lag = 0, 0 }} // grace: 10 min
	bubble(t, grace, func(t *testing.T, f *fixture) {
		id, err := f.a.Stream.NewID()
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Disk.Put(t.Context(), ledger.SegmentKey(id), []byte("orphan")); err != nil {
			t.Fatal(err)
		}
		f.a.MustProduce(coretest.Plain(f.tp, "kept"))
		there := func() int { return len(f.Objects()) }
		do(t, f.a, f.a.Upkeep.Sweep)
		time.Sleep(11 * time.Minute)
		f.a.Upkeep.Sweep(t.Context())
		if there() != 2 {
			t.Fatal("swept above the floor")
		}
		pass(t, f.a)
		do(t, f.a, f.a.Upkeep.Sweep)
		if there() != 2 {
			t.Fatal("swept without a grace")
		}
		time.Sleep(11 * time.Minute)
		do(t, f.a, f.a.Upkeep.Checkpoint, f.a.Upkeep.Trim, f.a.Upkeep.Sweep)
		if there() != 1 {
			t.Fatalf("%d objects: the orphan must go, what a head names must stay", there())
		}
		if got := f.a.ReadAll(f.tp); !slices.Equal(got, []string{"kept"}) {
			t.Errorf("read %q", got)
		}
	})
}

// Anomaly 23: a paused writer commits its segment while sweep is between its steps, wherever that is.
func TestAnomaly23_APausedWritersSegmentIsNeverSweptAndThenCommitted(t *testing.T) {
	for step := range 6 {
		t.Run(fmt.Sprint("writer goes on at request ", step), func(t *testing.T) {
			bubble(t, eagerly, func(t *testing.T, f *fixture) {
				w := f.Instance("w", coretest.Options{}).Ready()
				thaw := make(chan struct{})
				var requests atomic.Int64
				outcome := make(chan ingest.Outcome, 1)
				f.FaultKV(func(who string, op coordination.Op, key string) coordination.Decision {
					switch {
					case who == "w" && op == coordination.OpCommit:
						<-thaw
					case who == "a" && op != coordination.OpUpdate && op != coordination.OpProgress && requests.Add(1) == int64(step)+100:
						close(thaw)
						synctestWait(outcome)
					}
					return coordination.Decision{}
				})
				go func() { outcome <- w.Produce(coretest.Plain(f.tp, "paused"))[0] }()
				time.Sleep(time.Second)
				pass(t, f.a)
				do(t, f.a)
				requests.Store(99)
				do(t, f.a, f.a.Upkeep.Sweep, f.a.Upkeep.Sweep)
				select {
				case <-thaw:
				default:
					close(thaw)
				}
				out := <-outcome
				f.FaultKV(nil)
				if out.Err != nil {
					if got := f.a.ReadAll(f.tp); len(got) != 0 {
						t.Errorf("refused with %v, yet read %q", out.Err, got)
					}
					return
				}
				for _, in := range []*coretest.Instance{f.a, f.Instance("b", eagerly).Ready()} {
					if got := in.ReadAll(f.tp); !slices.Equal(got, []string{"paused"}) {
						t.Errorf("%s reads %q", in.Name, got)
					}
				}
			})
		})
	}
}

// synctestWait gives the thawed writer time to finish, and puts its outcome back.
func synctestWait(outcome chan ingest.Outcome) {
	select {
	case out := <-outcome:
		outcome <- out
	case <-time.After(time.Second):
	}
}

func TestSweep_RaisesTheFloorBeforeItReadsReferences(t *testing.T) {
	bubble(t, coretest.Options{Upkeep: func(s *upkeep.Settings) { s.Lag = 0 }}, func(t *testing.T, f *fixture) {
		do(t, f.a, f.a.Upkeep.RaiseStamp)
		time.Sleep(time.Second)
		do(t, f.a, f.a.Upkeep.RaiseStamp)
		f.a.Upkeep.Observe()
		f.Transcript()
		if err := f.a.Upkeep.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		var order []string
		for _, l := range f.Transcript() {
			if !strings.Contains(l, "progress") {
				order = append(order, l)
			}
		}
		want := []string{"a kv commit log/floor", "a kv get log/floor", "a kv list log/commits/", "a kv list log/heads/", "a store list segments/"}
		if !slices.Equal(order, want) {
			t.Errorf("requests:\n%s\nwant:\n%s", strings.Join(order, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestExpire_ForgetsAProducerThatWasSilentForADayAndNoOther(t *testing.T) {
	o := coretest.Options{Upkeep: func(s *upkeep.Settings) { s.Tick = 10 * time.Second }, RunUpkeep: true}
	bubble(t, o, func(t *testing.T, f *fixture) {
		time.Sleep(3 * time.Hour) // it must not need a producer older than its process
		f.a.MustProduce(coretest.Idempotent(f.tp, 7, 0, 0, "x"), coretest.Idempotent(f.tp, 8, 0, 0, "y"))
		for i := range 27 {
			time.Sleep(time.Hour)
			f.a.MustProduce(coretest.Idempotent(f.tp, 8, 0, int32(i)+1, "y"))
		}
		for _, in := range []*coretest.Instance{f.a, f.Instance("b", coretest.Options{}).Ready()} {
			if out := in.Produce(coretest.Idempotent(f.tp, 7, 0, 1, "x"))[0]; !errors.Is(out.Err, ingest.ErrUnknownProducer) {
				t.Errorf("%s, silent for a day: %v, want forgotten", in.Name, out.Err)
			}
		}
		if out := f.a.Produce(coretest.Idempotent(f.tp, 8, 0, 28, "y"))[0]; out.Err != nil {
			t.Errorf("the busy one: %v", out.Err)
		}
	})
}

func TestDeleteRecords_MovesTheLogStartAloneAndOnlyForward(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "a", "b"), coretest.Plain(f.tp, "c"), coretest.Idempotent(f.tp, 7, 0, 0, "d"))
		for _, c := range []struct {
			before, want record.Offset
			err          error
		}{{0, 0, nil}, {1, 1, nil}, {3, 3, nil}, {3, 3, nil}, {2, 3, nil}, {5, -1, upkeep.ErrOutOfRange}, {-2, -1, upkeep.ErrOutOfRange}, {upkeep.BeforeAll, 4, nil}, {upkeep.BeforeAll, 4, nil}} {
			if got, err := f.a.Upkeep.DeleteRecords(t.Context(), f.tp, c.before); got != c.want || !errors.Is(err, c.err) {
				t.Errorf("before %d: %d, %v; want %d, %v", c.before, got, err, c.want, c.err)
			}
		}
		if h := f.head(t, f.tp); h.AsOf != 0 || h.Next != 0 {
			t.Errorf("head as of %d, next %d: DeleteRecords must not claim what it did not write", h.AsOf, h.Next)
		}
		if _, err := f.a.Upkeep.DeleteRecords(t.Context(), record.TopicPartition{Topic: f.tp.Topic, Partition: 999}, 0); !errors.Is(err, upkeep.ErrUnknownPartition) {
			t.Errorf("unknown partition: %v", err)
		}
		b := f.Instance("b", eagerly).Ready()
		if got := b.MustProduce(coretest.Plain(f.tp, "e"), coretest.Idempotent(f.tp, 7, 0, 0, "d")); got[0] != 4 || got[1] != 3 {
			t.Errorf("bases %v: the state behind the log start must stay", got)
		}
	})
}

func TestDeleteRecords_AtTheSameTimeAsCheckpointsLosesNeither(t *testing.T) {
	bubble(t, coretest.Options{Upkeep: eager, Linger: time.Millisecond}, func(t *testing.T, f *fixture) {
		b := f.Instance("b", eagerly).Ready()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 50 {
				do(t, b, b.Upkeep.Checkpoint, b.Upkeep.Trim)
				time.Sleep(3 * time.Millisecond)
			}
		}()
		for i := range 50 {
			f.a.MustProduce(coretest.Plain(f.tp, fmt.Sprint(i)))
			if i%3 == 0 {
				if _, err := f.a.Upkeep.DeleteRecords(t.Context(), f.tp, record.Offset(i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		<-done
		do(t, b, b.Upkeep.Checkpoint, b.Upkeep.Trim)
		late := f.Instance("c", eagerly).Ready()
		for _, in := range []*coretest.Instance{f.a, b, late} {
			if got := in.ReadAll(f.tp); !slices.Equal(got, []string{"48", "49"}) {
				t.Errorf("%s reads %q, want 48 and 49", in.Name, got)
			}
		}
	})
}

func TestRun_ADutyGoesToAnotherInstanceWhenItsHolderIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		a := c.Instance("a", coretest.Options{RunUpkeep: true}).Ready()
		time.Sleep(3 * time.Second)
		b := c.Instance("b", coretest.Options{RunUpkeep: true}).Ready()
		time.Sleep(time.Minute)
		holder := func() string {
			if items := c.Items(c.Keys.Lease("upkeep")); len(items) == 1 {
				return string(items[0].Value)
			}
			return ""
		}
		if got := holder(); got != "a" {
			t.Fatalf("held by %q", got)
		}
		c.FaultKV(func(who string, _ coordination.Op, _ string) coordination.Decision {
			if who == "a" { // cut off: its lease ends
				return coordination.Decision{Fail: coordination.FailBefore}
			}
			return coordination.Decision{}
		})
		time.Sleep(20 * time.Second)
		if got := holder(); got != "b" {
			t.Errorf("held by %q 20 s after a was cut off", got)
		}
		c.FaultKV(nil)
		b.MustProduce(coretest.Plain(tp, "x"))
		time.Sleep(time.Minute)
		if n := len(c.Items(c.Keys.Heads())); n != 1 {
			t.Errorf("%d heads: the new holder does not work", n)
		}
		b.Stop()
		time.Sleep(2 * time.Second)
		if got := holder(); got != "a" {
			t.Errorf("held by %q after b left: leaving gives it up at once", got)
		}
		_ = a
	})
}

// Anomaly 27: steady traffic leaves a flat number of keys and bytes.
func TestAnomaly27_EtcdDoesNotGrowUnderSteadyTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 10)}
		a := c.Instance("a", coretest.Options{RunUpkeep: true}).Ready()
		keysAfter := map[int]int{}
		for minute := 1; minute <= 10; minute++ {
			for range 120 {
				time.Sleep(500 * time.Millisecond)
				tp.Partition = (tp.Partition + 1) % 10
				a.MustProduce(coretest.Plain(tp, "x"))
			}
			full := 0
			for _, it := range c.Items(c.Keys.Commits()) {
				if len(it.Value) > 0 {
					full++
				}
			}
			keysAfter[minute] = len(c.Items(c.Keys.Commits()))
			if full > 2*30 {
				t.Errorf("minute %d: %d commits are not covered, at two a second and 15 s want some 40", minute, full)
			}
		}
		if keysAfter[10] > keysAfter[3]+10 || keysAfter[10] > 2*90 {
			t.Errorf("commit keys by minute: %v", keysAfter)
		}
	})
}
