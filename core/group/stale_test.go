package group

import (
	"testing"
	"testing/synctest"
)

// A member that comes again with nothing new, or asks for its assignment once more, is told what is, and nothing is stored for it. A coordinator
// that is one no more, and does not know it yet, would tell it of a generation that is over.
func TestTwoCoordinators_TheOldOneTellsNoGeneration(t *testing.T) {
	for name, ask := range map[string]func(h *hall, d *desk, m JoinResult) error{
		"join": func(h *hall, d *desk, m JoinResult) error { return d.Join(h.Context(), "g", joining(m.MemberID)).Err },
		"sync": func(h *hall, d *desk, m JoinResult) error {
			return d.Sync(h.Context(), "g", SyncRequest{MemberID: m.MemberID, Generation: m.Generation}).Err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inHall(t, func(h *hall) {
				a, b := h.desk(1), h.desk(2)
				first := h.member(a, "g")
				joined := make(chan JoinResult, 1)
				go func() { joined <- a.Join(h.Context(), "g", joining("")) }()
				synctest.Wait()
				leader := a.Join(h.Context(), "g", joining(first.MemberID))
				follower := <-joined
				h.is(follower.Err, nil)
				h.is(a.Sync(h.Context(), "g", SyncRequest{MemberID: leader.MemberID, Generation: leader.Generation}).Err, nil)
				h.is(ask(h, a, follower), nil)
				h.is(b.Heartbeat(h.Context(), "g", HeartbeatRequest{MemberID: leader.MemberID, Generation: leader.Generation}), nil) // b takes the role
				h.is(ask(h, a, follower), ErrNotCoordinator)
			})
		})
	}
}
