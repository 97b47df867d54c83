package upkeep_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
)

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

// A clock that was far ahead for a moment must not stop what is measured against the stamp.
func TestStamp_GoesOnWhereAllClocksAreBehind(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		ahead := f.Build("ahead", coretest.Options{Skew: 24 * time.Hour})
		ahead.Run(true)
		ahead.Ready()
		do(t, ahead, ahead.Upkeep.RaiseStamp)
		u := f.Build("u", coretest.Options{})
		u.Run(true)
		u.Ready()
		before := f.Mark(f.Keys.Stamp())
		time.Sleep(10 * time.Minute)
		passed := time.Duration(f.Mark(f.Keys.Stamp())-before) * time.Millisecond
		if passed < 3*time.Minute || passed > 11*time.Minute {
			t.Errorf("in ten minutes the stamp has moved by %v", passed)
		}
	})
}

// Four instances that take turns must not slow it down: each finds that the stamp has only just been raised.
func TestStamp_GoesOnAsFastWhereManyRaiseIt(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		f.Put(f.Keys.Stamp(), coordination.Mark(time.Now().Add(time.Hour).UnixMilli()).Bytes())
		var all []*coretest.Instance
		for i := range 4 {
			all = append(all, f.Instance(fmt.Sprint("u", i), coretest.Options{}).Ready())
		}
		before := f.Mark(f.Keys.Stamp())
		for i := range 600 {
			time.Sleep(100 * time.Millisecond)
			u := all[i%len(all)]
			u.Upkeep.Observe()
			do(t, u, u.Upkeep.RaiseStamp)
		}
		if passed := time.Duration(f.Mark(f.Keys.Stamp())-before) * time.Millisecond; passed < 25*time.Second || passed > 35*time.Second {
			t.Errorf("in a minute the stamp has moved by %v", passed)
		}
	})
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
