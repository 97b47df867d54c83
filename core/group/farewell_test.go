package group

import (
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

// writesFail lets etcd take no writes.
func (h *hall) writesFail() {
	h.breaks(func(op coordination.Op, _ string) coordination.Decision {
		if op == coordination.OpCommit {
			return coordination.Decision{Fail: coordination.FailBefore}
		}
		return coordination.Decision{}
	})
}

// members are those that are stored.
func (h *hall) members(group string) int {
	h.Helper()
	snap, err := h.store.Get(h.Context(), h.keys.Group(group))
	if err != nil {
		h.Fatal(err)
	}
	state, err := decodeState(snap.Items[0].Value)
	if err != nil {
		h.Fatal(err)
	}
	return len(state.Members)
}

func TestFarewell_OfAMemberThatLeftWhileNothingCouldBeStoredIsRepeated(t *testing.T) {
	inHall(t, func(h *hall) {
		d := h.desk(1)
		for _, id := range []string{"stays", "leaves"} {
			if _, err := d.ConsumerHeartbeat(h.Context(), "g", consuming(id)); err != nil {
				t.Fatal(err)
			}
		}
		h.writesFail()
		_, err := d.ConsumerHeartbeat(h.Context(), "g", ConsumerRequest{MemberID: "leaves", Epoch: leaveEpoch, RebalanceMs: -1})
		h.is(err, ErrUnavailable)
		time.Sleep(10 * time.Second)
		if n := h.members("g"); n != 2 {
			t.Fatalf("%d members are stored although nothing could be", n)
		}
		h.breaks(nil)
		time.Sleep(2 * verifyEvery)
		if n := h.members("g"); n != 1 {
			t.Errorf("%d members %v after etcd came back, want the one that stays", n, 2*verifyEvery)
		}
	})
}

func TestFarewell_OfAMemberThatCameBackIsForgotten(t *testing.T) {
	inHall(t, func(h *hall) {
		d := h.desk(1)
		for _, id := range []string{"stays", "returns"} {
			if _, err := d.ConsumerHeartbeat(h.Context(), "g", consuming(id)); err != nil {
				t.Fatal(err)
			}
		}
		h.writesFail()
		_, err := d.ConsumerHeartbeat(h.Context(), "g", ConsumerRequest{MemberID: "returns", Epoch: leaveEpoch, RebalanceMs: -1})
		h.is(err, ErrUnavailable)
		h.breaks(nil)
		if _, err := d.ConsumerHeartbeat(h.Context(), "g", consuming("returns")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * verifyEvery)
		if n := h.members("g"); n != 2 {
			t.Errorf("%d members, want the one that came back too", n)
		}
	})
}
