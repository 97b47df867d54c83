package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

func (h *hall) is(got, want error) {
	h.Helper()
	if !errors.Is(got, want) || got != nil && want == nil {
		h.Errorf("got %v, want %v", got, want)
	}
}

func TestCoordinator_WhoIsNotPreferredSendsClientsAway(t *testing.T) {
	inHall(t, func(h *hall) {
		a, b := h.desk(1), h.desk(2)
		a.sees(1, 2)
		b.sees(1, 2)
		here := 0
		for i := range 40 {
			name := fmt.Sprint("g", i)
			errA, errB := a.mine(name), b.mine(name)
			if (errA == nil) == (errB == nil) {
				t.Fatalf("%s: %v and %v", name, errA, errB)
			}
			if errA == nil {
				here++
				continue
			}
			h.is(a.Join(h.Context(), name, joining("")).Err, ErrNotCoordinator)
			h.is(a.Sync(h.Context(), name, SyncRequest{}).Err, ErrNotCoordinator)
			h.is(a.Heartbeat(h.Context(), name, HeartbeatRequest{}), ErrNotCoordinator)
			h.is(h.commit(a, name, CommitCheck{Generation: -1}, 1), ErrNotCoordinator)
			_, err := a.FetchOffsets(h.Context(), name, FetchRequest{Epoch: -1})
			h.is(err, ErrNotCoordinator)
			_, err = a.Describe(h.Context(), name)
			h.is(err, ErrNotCoordinator)
			h.is(a.Delete(h.Context(), name), ErrNotCoordinator)
		}
		if here < 10 || here > 30 {
			t.Errorf("%d of 40 groups are coordinated by one of two", here)
		}
		h.is(a.mine(""), ErrInvalidGroup)
	})
}

func TestCoordinator_HeartbeatsCostNothing(t *testing.T) {
	inHall(t, func(h *hall) {
		a := h.desk(1)
		m := h.member(a, "g")
		before := h.meter.Snapshot().Commit.Requests
		for range 100 {
			time.Sleep(3 * time.Second)
			h.is(a.Heartbeat(h.Context(), "g", HeartbeatRequest{MemberID: m.MemberID, Generation: m.Generation}), nil)
		}
		if n := h.meter.Snapshot().Commit.Requests - before; n != 0 {
			t.Errorf("%d transactions for heartbeats", n)
		}
		time.Sleep(12 * time.Second)
		h.is(a.Heartbeat(h.Context(), "g", HeartbeatRequest{MemberID: m.MemberID, Generation: m.Generation}), ErrUnknownMember)
	})
}

func TestTakeover_TheNextCoordinatorGoesOnAtOnce(t *testing.T) {
	inHall(t, func(h *hall) {
		a, b := h.desk(1), h.desk(2)
		m := h.member(a, "g")
		h.is(h.commit(a, "g", of(m), 7), nil)
		// a is gone, for all who look.
		a.sees(2)
		b.sees(2)
		beat := HeartbeatRequest{MemberID: m.MemberID, Generation: m.Generation}
		h.is(b.Heartbeat(h.Context(), "g", beat), nil)
		h.is(a.Heartbeat(h.Context(), "g", beat), ErrNotCoordinator)
		h.is(h.commit(b, "g", of(m), 8), nil)
		if got := h.committed(b, "g"); got != 8 {
			t.Errorf("committed %d", got)
		}
		d, err := b.Describe(h.Context(), "g")
		if err != nil || d.Phase != Stable || d.Generation != m.Generation {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

func TestTakeover_WhoWaitsIsSentAway(t *testing.T) {
	inHall(t, func(h *hall) {
		a, b := h.desk(1), h.desk(2)
		m := h.member(a, "g")
		parked := make(chan JoinResult, 1)
		go func() { parked <- a.Join(h.Context(), "g", joining("")) }()
		synctest.Wait()
		h.is(b.Heartbeat(h.Context(), "g", HeartbeatRequest{MemberID: m.MemberID, Generation: m.Generation}), nil) // b believes that it is preferred, too
		began := time.Now()
		h.is((<-parked).Err, ErrNotCoordinator)
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("it waited for %v", d)
		}
	})
}

func TestAnomaly17_TwoCoordinatorsNeverBothActAndNothingGoesBack(t *testing.T) {
	inHall(t, func(h *hall) {
		a, b := h.desk(1), h.desk(2) // each believes that it lives alone
		var mu sync.Mutex
		generation := int32(0)
		owner := map[int32]string{} // who was told to lead a generation of one
		var acknowledged record.Offset
		var work sync.WaitGroup
		for k := range 6 {
			d := []*desk{a, b}[k%2]
			work.Go(func() {
				for i := range 60 {
					res := d.Join(h.Context(), "g", joining(""))
					if res.Err == nil {
						mu.Lock()
						if other, ok := owner[res.Generation]; ok && res.Leader != other {
							t.Errorf("generation %d is led by %s and %s", res.Generation, other, res.Leader)
						}
						owner[res.Generation] = res.Leader
						generation = max(generation, res.Generation)
						mu.Unlock()
						d.Sync(h.Context(), "g", SyncRequest{MemberID: res.MemberID, Generation: res.Generation})
						mu.Lock()
						next := acknowledged + 1
						mu.Unlock()
						if h.commit(d, "g", of(res), int64(next)) == nil {
							mu.Lock()
							acknowledged = max(acknowledged, next)
							mu.Unlock()
						}
						if i%2 == 0 {
							_, _ = d.Leave(h.Context(), "g", []LeaveRequest{{MemberID: res.MemberID}})
						}
					}
					time.Sleep(time.Duration(37*(k+1)) * time.Millisecond)
				}
			})
		}
		work.Wait()
		if generation == 0 || acknowledged == 0 {
			t.Errorf("generation %d, committed %d: nothing came of it", generation, acknowledged)
		}
		if got := h.committed(a, "g"); got < acknowledged-5 { // six writers read the last one at the same time
			t.Errorf("committed %d, acknowledged %d", got, acknowledged)
		}
	})
}

func TestStore_ALostAnswerGivesNoGenerationTwice(t *testing.T) {
	for _, fail := range []coordination.Failure{coordination.FailBefore, coordination.FailAfter, coordination.FailLate} {
		inHall(t, func(h *hall) {
			a := h.desk(1)
			m := h.member(a, "g")
			h.breaks(func(op coordination.Op, _ string) coordination.Decision {
				if op == coordination.OpCommit {
					return coordination.Decision{Fail: fail}
				}
				return coordination.Decision{}
			})
			h.is(a.Join(h.Context(), "g", joining(m.MemberID)).Err, ErrUnavailable)
			h.breaks(nil)
			again := a.Join(h.Context(), "g", joining(m.MemberID))
			if again.Err != nil || again.Generation <= m.Generation {
				t.Fatalf("%v: %+v", fail, again)
			}
			for h.fault.Late() > 0 {
				if res, err := h.fault.Land(h.Context(), 0); err != nil || res.Committed {
					t.Errorf("%v: a late write landed: %+v, %v", fail, res, err)
				}
			}
			h.is(a.Sync(h.Context(), "g", SyncRequest{MemberID: m.MemberID, Generation: again.Generation}).Err, nil)
		})
	}
}

func TestAnomaly18_ACommitThatLandsLateUndoesNothing(t *testing.T) {
	inHall(t, func(h *hall) {
		a := h.desk(1)
		m := h.member(a, "g")
		h.is(h.commit(a, "g", of(m), 5), nil)
		once := true
		h.breaks(func(op coordination.Op, _ string) coordination.Decision {
			h.mu.Lock()
			defer h.mu.Unlock()
			if op == coordination.OpCommit && once {
				once = false
				return coordination.Decision{Fail: coordination.FailLate}
			}
			return coordination.Decision{}
		})
		h.is(h.commit(a, "g", of(m), 10), nil) // its first try is on its way still
		h.is(h.commit(a, "g", of(m), 20), nil)
		for h.fault.Late() > 0 {
			if res, _ := h.fault.Land(h.Context(), 0); res.Committed {
				t.Error("the late one landed")
			}
		}
		if got := h.committed(a, "g"); got != 20 {
			t.Errorf("committed %d", got)
		}
	})
}

// A coordinator that comes back from a long pause must not write again for a client that has gone on through another one
// while it read the group.
func TestAnomaly18_ACommitGivenUpDuringATakeoverIsNotWrittenAgain(t *testing.T) {
	inHall(t, func(h *hall) {
		a, b := h.desk(1), h.desk(2)
		m := h.member(a, "g")
		h.is(h.commit(a, "g", of(m), 5), nil)
		ctx, giveUp := context.WithCancel(h.Context())
		defer giveUp()
		step := 0
		h.breaks(func(op coordination.Op, _ string) coordination.Decision {
			switch {
			case op == coordination.OpCommit && step == 0:
				step = 1
				return coordination.Decision{Fail: coordination.FailAfter}
			case op != coordination.OpCommit && step == 1:
				step = 2
				giveUp()
				h.is(h.commit(b, "g", of(m), 20), nil)
			}
			return coordination.Decision{}
		})
		_ = h.commitWith(ctx, a, "g", of(m), 10) // its client hears nothing
		if got := h.committed(b, "g"); got != 20 || step != 2 {
			t.Errorf("committed %d in step %d", got, step)
		}
	})
}

func TestAnomaly18_ACommitOfAMemberThatAnotherCoordinatorHasPutOutIsRefused(t *testing.T) {
	inHall(t, func(h *hall) {
		a, b := h.desk(1), h.desk(2)
		m := h.member(a, "g")
		h.is(h.commit(a, "g", of(m), 5), nil)
		// b takes over, does not hear from the member, and gives the group to another one.
		h.is(b.Heartbeat(h.Context(), "g", HeartbeatRequest{MemberID: m.MemberID, Generation: m.Generation}), nil)
		for range 4 {
			time.Sleep(2800 * time.Millisecond)
			_ = a.Heartbeat(h.Context(), "g", HeartbeatRequest{MemberID: "x"}) // a comes back between, and loses it again
			_ = b.Heartbeat(h.Context(), "g", HeartbeatRequest{MemberID: "x"})
		}
		time.Sleep(11 * time.Second)
		other := h.member(b, "g")
		h.is(h.commit(b, "g", of(other), 9), nil)
		if err := h.commit(a, "g", of(m), 6); err == nil {
			t.Error("it committed")
		}
		if got := h.committed(b, "g"); got != 9 {
			t.Errorf("committed %d", got)
		}
	})
}

func TestCommit_ManyAtOnceAreFewTransactions(t *testing.T) {
	inHall(t, func(h *hall) {
		a := h.desk(1)
		topic := h.topic("big", 2, 1000)
		all := map[int32]Committed{}
		for n := range int32(1000) {
			all[n] = Committed{Offset: record.Offset(n)}
		}
		before := h.meter.Snapshot().Commit.Requests
		h.is(a.CommitOffsets(h.Context(), "g", CommitRequest{CommitCheck{Generation: -1}, []CommitTopic{{topic.Name, topic.ID, all}}}), nil)
		if n := h.meter.Snapshot().Commit.Requests - before; n > 2 {
			t.Errorf("%d transactions for 1,000 partitions", n)
		}
		h.breaks(func(coordination.Op, string) coordination.Decision {
			return coordination.Decision{Delay: 10 * time.Millisecond}
		})
		before = h.meter.Snapshot().Commit.Requests
		var work sync.WaitGroup
		for n := range int32(100) {
			work.Go(func() {
				h.is(a.CommitOffsets(h.Context(), "g", CommitRequest{CommitCheck{Generation: -1}, []CommitTopic{{topic.Name, topic.ID, map[int32]Committed{n: {Offset: 5000}}}}}), nil)
			})
		}
		work.Wait()
		if n := h.meter.Snapshot().Commit.Requests - before; n > 3 {
			t.Errorf("%d transactions for 100 commits at once", n)
		}
		got, err := a.FetchOffsets(h.Context(), "g", FetchRequest{Epoch: -1, Topics: []FetchTopic{{topic.Name, topic.ID}}})
		if err != nil || got[0].Partitions[99].Offset != 5000 || got[0].Partitions[100].Offset != 100 {
			t.Errorf("%v", err)
		}
	})
}

func TestPause_LongerThanASessionPutsNobodyOut(t *testing.T) {
	inHall(t, func(h *hall) {
		a := h.desk(1)
		m := h.member(a, "g")
		beat := HeartbeatRequest{MemberID: m.MemberID, Generation: m.Generation}
		time.Sleep(5 * time.Second)
		h.is(a.Heartbeat(h.Context(), "g", beat), nil)
		a.mu.Lock()
		a.skew = 5 * time.Minute // what it did not see
		a.mu.Unlock()
		time.Sleep(3 * time.Second)
		h.is(a.Heartbeat(h.Context(), "g", beat), nil)
	})
}

func TestEtcdAway_SessionsGoOnAndCommitsWait(t *testing.T) {
	inHall(t, func(h *hall) {
		a := h.desk(1)
		m := h.member(a, "g")
		h.breaks(func(coordination.Op, string) coordination.Decision {
			return coordination.Decision{Fail: coordination.FailBefore}
		})
		h.is(a.Heartbeat(h.Context(), "g", HeartbeatRequest{MemberID: m.MemberID, Generation: m.Generation}), nil)
		h.is(h.commit(a, "g", of(m), 3), ErrUnavailable)
		h.is(a.Heartbeat(h.Context(), "g", HeartbeatRequest{MemberID: m.MemberID, Generation: m.Generation}), ErrUnavailable)
		h.breaks(nil)
		h.is(h.commit(a, "g", of(m), 3), nil)
		if got := h.committed(a, "g"); got != 3 {
			t.Errorf("committed %d", got)
		}
	})
}

func TestOffsets_OfATopicMadeAnewAreNotTheOldOnes(t *testing.T) {
	inHall(t, func(h *hall) {
		a := h.desk(1)
		h.is(h.commit(a, "g", CommitCheck{Generation: -1}, 42), nil)
		if got := h.committed(a, "g"); got != 42 {
			t.Fatalf("committed %d", got)
		}
		fresh := h.topic("a", 9, 6)
		got, err := a.FetchOffsets(h.Context(), "g", FetchRequest{Epoch: -1, Topics: []FetchTopic{{"a", fresh.ID}}})
		if err != nil || len(got) != 0 || h.committed(a, "g") != -1 {
			t.Errorf("%+v, %v", got, err)
		}
		h.is(h.commit(a, "g", CommitCheck{Generation: -1}, 1), nil)
		if got := h.committed(a, "g"); got != 1 {
			t.Errorf("committed %d", got)
		}
	})
}

func TestAdmin_ListsDescribesAndDeletes(t *testing.T) {
	inHall(t, func(h *hall) {
		a := h.desk(1)
		m := h.member(a, "busy/group")
		h.is(h.commit(a, "simple", CommitCheck{Generation: -1}, 4), nil)
		if _, err := a.ConsumerHeartbeat(h.Context(), "next", consuming("m")); err != nil {
			t.Fatal(err)
		}
		b := h.desk(2)
		b.sees(1, 2)
		for _, d := range []*desk{a, h.desk(3)} { // warm, and cold
			got, err := d.List(h.Context())
			want := []Listed{{"busy/group", "consumer", Stable, Classic}, {"next", "consumer", Stable, Consumer}, {"simple", "", Empty, Classic}}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%+v, %v", got, err)
			}
			one, err := d.Describe(h.Context(), "busy/group")
			if err != nil || one.Phase != Stable || len(one.Members) != 1 || one.Members[0].Client != "c" {
				t.Errorf("%+v, %v", one, err)
			}
			_, err = d.Describe(h.Context(), "nobody")
			h.is(err, ErrUnknownGroup)
		}
		h.is(a.Delete(h.Context(), "busy/group"), ErrNotEmpty)
		h.is(a.Delete(h.Context(), "nobody"), ErrUnknownGroup)
		h.is(a.Delete(h.Context(), "simple"), nil)
		if got := h.committed(a, "simple"); got != -1 {
			t.Errorf("committed %d after the group went", got)
		}
		topic := h.AllTopics()[0]
		errs, err := a.DeleteOffsets(h.Context(), "busy/group", []CommitTopic{{topic.Name, topic.ID, map[int32]Committed{0: {}}}})
		h.is(err, nil)
		h.is(errs[0], ErrSubscribed)
		_, _ = a.Leave(h.Context(), "busy/group", []LeaveRequest{{MemberID: m.MemberID}})
		h.is(h.commit(a, "busy/group", CommitCheck{Generation: -1}, 4), nil)
		errs, err = a.DeleteOffsets(h.Context(), "busy/group", []CommitTopic{{topic.Name, topic.ID, map[int32]Committed{0: {}}}})
		h.is(err, nil)
		h.is(errs[0], nil)
		if got := h.committed(a, "busy/group"); got != -1 {
			t.Errorf("committed %d after it was deleted", got)
		}
		_, err = a.DeleteOffsets(h.Context(), "nobody", nil)
		h.is(err, ErrUnknownGroup)
	})
}

func TestDelete_ALostAnswerIsDecidedByWhatIsThere(t *testing.T) {
	inHall(t, func(h *hall) {
		a := h.desk(1)
		h.is(h.commit(a, "g", CommitCheck{Generation: -1}, 4), nil)
		once := true
		h.breaks(func(op coordination.Op, _ string) coordination.Decision {
			h.mu.Lock()
			defer h.mu.Unlock()
			if op == coordination.OpCommit && once {
				once = false
				return coordination.Decision{Fail: coordination.FailAfter}
			}
			return coordination.Decision{}
		})
		h.is(a.Delete(h.Context(), "g"), nil)
		if got := h.committed(a, "g"); got != -1 {
			t.Errorf("committed %d", got)
		}
	})
}

func TestExpire_OffsetsOfEmptyGroupsAndOfTopicsThatAreGone(t *testing.T) {
	inHall(t, func(h *hall) {
		a := h.desk(1)
		m := h.member(a, "busy")
		h.is(h.commit(a, "busy", of(m), 5), nil)
		h.is(h.commit(a, "simple", CommitCheck{Generation: -1}, 5), nil)
		ctx, stop := context.WithCancel(h.Context())
		defer stop()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ctx.Err() == nil {
				time.Sleep(3 * time.Second)
				_ = a.Heartbeat(ctx, "busy", HeartbeatRequest{MemberID: m.MemberID, Generation: m.Generation})
			}
		}()
		expire := func() {
			if _, err := a.ExpireOffsets(h.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(59 * time.Minute)
		expire()
		if h.committed(a, "simple") != 5 || h.committed(a, "busy") != 5 {
			t.Error("expired too early")
		}
		time.Sleep(2 * time.Minute)
		expire()
		if h.committed(a, "simple") != -1 || h.committed(a, "busy") != 5 {
			t.Errorf("simple %d, busy %d", h.committed(a, "simple"), h.committed(a, "busy"))
		}
		if _, err := a.Describe(h.Context(), "simple"); !errors.Is(err, ErrUnknownGroup) {
			t.Errorf("the group is still there: %v", err)
		}
		h.topic("a", 1, 0)
		expire()
		snap, err := h.store.Get(h.Context(), h.keys.GroupOffset("busy", "a"))
		if err != nil || snap.Items[0].Create != 0 {
			t.Errorf("offsets of a topic that is gone: %+v, %v", snap.Items[0], err)
		}
		stop()
		<-done
	})
}

func TestLag_IsToldByTopicAlsoOfGroupsThatNobodyUses(t *testing.T) {
	inHall(t, func(h *hall) {
		a, b := h.desk(1), h.desk(2)
		h.is(h.commit(a, "g", CommitCheck{Generation: -1}, 42), nil)
		if err := b.readCold(h.Context()); err != nil {
			t.Fatal(err)
		}
		for _, d := range []*desk{a, b} {
			got := ""
			d.EachLag(func(record.TopicPartition) (record.Offset, bool) { return 50, true }, func(group, topic string, lag int64) { got += fmt.Sprint(group, topic, lag) })
			if got != "ga8" {
				t.Errorf("lag %q", got)
			}
		}
		b.sees(1, 2, 3, 4, 5)
		told := 0
		b.EachLag(func(record.TopicPartition) (record.Offset, bool) { return 50, true }, func(string, string, int64) { told++ })
		if (told == 1) != (b.mine("g") == nil) {
			t.Errorf("told %d times by one that coordinates it: %v", told, b.mine("g"))
		}
	})
}

func TestCommit_KeepsWhatATransactionWroteMeanwhile(t *testing.T) {
	inHall(t, func(h *hall) {
		a := h.desk(1)
		h.is(h.commit(a, "g", CommitCheck{Generation: -1}, 5), nil)
		before := a.cell("g").mod
		key := h.keys.GroupOffset("g", "a")
		snap, err := h.store.Get(h.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		o, err := decodeOffsets(snap.Items[0])
		if err != nil {
			t.Fatal(err)
		}
		o.partitions[3] = Committed{Offset: 77}
		if _, err := h.store.Commit(h.Context(), nil, []coordination.Change{coordination.PutKey(key, o.encode())}); err != nil {
			t.Fatal(err)
		}
		h.is(h.commit(a, "g", CommitCheck{Generation: -1}, 6), nil)
		got, err := a.FetchOffsets(h.Context(), "g", FetchRequest{Epoch: -1})
		if err != nil || got[0].Partitions[0].Offset != 6 || got[0].Partitions[3].Offset != 77 {
			t.Errorf("%+v, %v", got, err)
		}
		if a.cell("g").mod != before {
			t.Error("the group was read anew: its members have lost what they waited for")
		}
	})
}

func TestTakeover_WhoWaitsWhereItIsNotPreferredAnyMoreIsSentAway(t *testing.T) {
	inHall(t, func(h *hall) {
		a := h.desk(1)
		h.member(a, "g")
		parked := make(chan JoinResult, 1)
		go func() { parked <- a.Join(h.Context(), "g", joining("")) }()
		synctest.Wait()
		a.sees(2)
		began := time.Now()
		h.is((<-parked).Err, ErrNotCoordinator)
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("it waited for %v", d)
		}
	})
}

// A member of a consumer group may be given more within an epoch. A coordinator that is one no more, and does not know it yet, would
// tell it of the assignment before, and the member would give up what it has.
func TestTwoCoordinators_TheOldOneTellsNoAssignment(t *testing.T) {
	inHall(t, func(h *hall) {
		a, b := h.desk(1), h.desk(2)
		beat := func(d *desk, id string, epoch int32, owned Partitions) (ConsumerResult, error) {
			return d.ConsumerHeartbeat(h.Context(), "g", ConsumerRequest{MemberID: id, Epoch: epoch, RebalanceMs: 20_000, Names: []string{"a"}, Owned: owned})
		}
		none := Partitions{}
		one, err := beat(a, "one", 0, none)
		h.is(err, nil)
		two, err := beat(a, "two", 0, none)
		h.is(err, nil)
		told, err := beat(a, "one", one.Epoch, *one.Assignment) // it is told to give half of it up
		h.is(err, nil)
		less, err := beat(b, "one", one.Epoch, *told.Assignment) // b takes the role
		h.is(err, nil)
		more, err := beat(b, "two", two.Epoch, none)
		h.is(err, nil)
		if less.Assignment.count() == 6 || more.Assignment.count() == 0 || more.Epoch != two.Epoch {
			t.Fatalf("%+v, %+v", less, more)
		}
		if old, err := beat(a, "two", two.Epoch, *more.Assignment); !errors.Is(err, ErrNotCoordinator) {
			t.Errorf("told of %+v, %v", old.Assignment, err)
		}
	})
}
