package group

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

func plainSeat(text string) func(time.Time) []byte {
	return func(time.Time) []byte { return []byte(text) }
}

func TestSeat_AMemberWithASeatOutlivesItsSessionAndEndsWithItsLease(t *testing.T) {
	inHall(t, func(h *hall) {
		d := h.desk(1)
		if _, err := d.TakeSeat(h.Context(), "g", "web", 2*time.Minute, plainSeat("x")); err != nil {
			h.Fatal(err)
		}
		for _, id := range []string{"web", "tcp"} {
			if _, err := d.ConsumerHeartbeat(h.Context(), "g", ConsumerRequest{MemberID: id, RebalanceMs: 1000, Names: []string{"a"}}); err != nil {
				h.Fatal(err)
			}
		}
		members := func() (ids []string) {
			got, err := d.DescribeStored(h.Context(), "g")
			if err != nil {
				h.Fatal(err)
			}
			for _, m := range got.Members {
				ids = append(ids, m.ID)
			}
			return ids
		}
		time.Sleep(d.Limits.ConsumerSession + 2*time.Second)
		synctest.Wait()
		if got := members(); len(got) != 1 || got[0] != "web" {
			h.Errorf("after a session without heartbeats: %v, want the one with a seat", got)
		}
		time.Sleep(2*time.Minute + d.Limits.ConsumerSession)
		synctest.Wait()
		if got := members(); len(got) != 0 {
			h.Errorf("after the lease: %v", got)
		}
	})
}

func TestSeat_NobodyIsPutOutWhileEtcdIsAway(t *testing.T) {
	inHall(t, func(h *hall) {
		d := h.desk(1)
		if _, err := d.ConsumerHeartbeat(h.Context(), "g", ConsumerRequest{MemberID: "tcp", RebalanceMs: 1000, Names: []string{"a"}}); err != nil {
			h.Fatal(err)
		}
		h.breaks(func(coordination.Op, string) coordination.Decision {
			return coordination.Decision{Fail: coordination.FailBefore}
		})
		time.Sleep(d.Limits.ConsumerSession + 5*time.Second + 300*time.Millisecond) // not at the instant at which the desk looks who is late
		h.breaks(nil)
		if _, err := d.ConsumerHeartbeat(h.Context(), "g", ConsumerRequest{MemberID: "tcp", Epoch: 1, RebalanceMs: -1}); err != nil {
			h.Errorf("heartbeat after etcd was away: %v", err)
		}
	})
}

func TestSeat_OfTwoWhoChangeItOneIsTold(t *testing.T) {
	inHall(t, func(h *hall) {
		d, e := h.desk(1), h.desk(2)
		first, err := d.TakeSeat(h.Context(), "g", "web", time.Minute, plainSeat("1"))
		if err != nil {
			h.Fatal(err)
		}
		if _, err := e.TakeSeat(h.Context(), "g", "web", time.Minute, plainSeat("2")); !errors.Is(err, ErrSeatTaken) {
			h.Errorf("taken twice: %v", err)
		}
		second, err := e.FindSeat(h.Context(), "g", "web")
		if err != nil || string(second.Value) != "1" {
			h.Fatalf("%v, %v", second, err)
		}
		second.TTL, second.LeasedAt = time.Minute, first.LeasedAt
		if err := e.KeepSeat(h.Context(), second, plainSeat("2")); err != nil {
			h.Fatal(err)
		}
		if err := d.KeepSeat(h.Context(), first, plainSeat("3")); !errors.Is(err, ErrSeatChanged) {
			h.Errorf("changed over another's change: %v", err)
		}
		if err := d.LeaveSeat(h.Context(), first); err != nil {
			h.Fatal(err)
		}
		if _, err := e.FindSeat(h.Context(), "g", "web"); !errors.Is(err, ErrSeatGone) {
			h.Errorf("after it left: %v", err)
		}
		if err := e.KeepSeat(h.Context(), second, plainSeat("4")); !errors.Is(err, ErrSeatChanged) {
			h.Errorf("kept after it left: %v", err)
		}
	})
}

func TestSeat_ALostAnswerIsAskedFor(t *testing.T) {
	inHall(t, func(h *hall) {
		d := h.desk(1)
		lost := 1
		h.breaks(func(op coordination.Op, key string) coordination.Decision {
			if op == coordination.OpCommit && lost > 0 {
				lost--
				return coordination.Decision{Fail: coordination.FailAfter}
			}
			return coordination.Decision{}
		})
		s, err := d.TakeSeat(h.Context(), "g", "web", time.Minute, plainSeat("1"))
		if err != nil {
			h.Fatal(err)
		}
		if err := d.KeepSeat(h.Context(), s, plainSeat("2")); err != nil {
			h.Error(err)
		}
	})
}

func TestSeat_LivesAsLongAsItIsUsed(t *testing.T) {
	inHall(t, func(h *hall) {
		d := h.desk(1)
		s, err := d.TakeSeat(h.Context(), "g", "web", time.Minute, plainSeat("1"))
		if err != nil {
			h.Fatal(err)
		}
		grants := 0
		h.breaks(func(op coordination.Op, _ string) coordination.Decision {
			if op == coordination.OpGrant {
				grants++
			}
			return coordination.Decision{}
		})
		for range 40 {
			time.Sleep(5 * time.Second)
			if err := d.KeepSeat(h.Context(), s, plainSeat("1")); err != nil {
				h.Fatal(err)
			}
		}
		if grants > 14 {
			h.Errorf("%d leases in 200 s, for one of a minute", grants)
		}
	})
}
