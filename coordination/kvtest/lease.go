package kvtest

import (
	"context"
	"errors"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

func leaseScenarios() []scenario {
	return []scenario{
		{"AnEndedLeaseDeletesItsKeysInOneRevision", leaseEnds},
		{"ARenewedLeaseLives", leaseRenewed},
		{"RevokeDeletesTheKeysAtOnce", leaseRevoked},
		{"APutWithAGoneLeaseIsRefused", leasePutGone},
		{"APutWithoutLeaseTakesAKeyFromItsLease", leaseTaken},
	}
}

const leaseTTL = 2 * time.Second // the shortest that etcd grants

func (e *env) grant(ttl time.Duration) coordination.Lease {
	e.Helper()
	l, err := e.kv.Grant(e.ctx, ttl)
	if err != nil || l.ID() == 0 {
		e.Fatalf("Grant = %v, %v", l, err)
	}
	return l
}

func (e *env) putLeased(l coordination.Lease, keys ...string) coordination.Revision {
	e.Helper()
	var changes []coordination.Change
	for _, k := range keys {
		changes = append(changes, coordination.PutLeased(e.key(k), []byte("x"), l.ID()))
	}
	return e.commit(changes...)
}

func leaseEnds(e *env) {
	w := e.watch("", 0)
	l := e.grant(leaseTTL)
	e.put("kept", "x")
	rev := e.putLeased(l, "b", "a")
	if got := e.get("a"); got.Lease != l.ID() {
		e.Errorf("a has lease %d, want %d", got.Lease, l.ID())
	}
	w.events(3)
	w.wantEvents(at("a!", rev+1), at("b!", rev+1))
	if err := l.Renew(e.ctx); !errors.Is(err, coordination.ErrLeaseGone) {
		e.Errorf("Renew of an ended lease: %v, want ErrLeaseGone", err)
	}
	e.wantMissing(e.get("a"), "a")
	if e.get("kept").Value == nil {
		e.Error("a key without lease is gone")
	}
}

func leaseRenewed(e *env) {
	renewed, left := e.grant(leaseTTL), e.grant(leaseTTL)
	e.putLeased(renewed, "renewed")
	rev := e.putLeased(left, "left")
	w := e.watch("", rev+1)
	// The other lease, as old as this one, is the clock.
	for {
		if err := renewed.Renew(e.ctx); err != nil {
			e.Fatalf("Renew: %v", err)
		}
		select {
		case u := <-w.Updates():
			if len(u.Events) != 1 || u.Events[0].Key != e.key("left") || !u.Events[0].IsDelete() {
				e.Errorf("update %+v, want the deletion of the lease left alone", u)
			}
			if e.get("renewed").Value == nil {
				e.Error("the key of the renewed lease is gone")
			}
			return
		case <-time.After(leaseTTL / 8):
		case <-e.ctx.Done():
			e.Fatal("the lease left alone did not end")
		}
	}
}

func leaseRevoked(e *env) {
	w := e.watch("", 0)
	l := e.grant(time.Hour)
	rev := e.putLeased(l, "b", "a")
	if err := l.Revoke(e.ctx); err != nil {
		e.Fatalf("Revoke: %v", err)
	}
	w.events(2)
	w.wantEvents(at("a!", rev+1), at("b!", rev+1))
	if err := l.Renew(e.ctx); !errors.Is(err, coordination.ErrLeaseGone) {
		e.Errorf("Renew of a revoked lease: %v, want ErrLeaseGone", err)
	}
	if err := l.Revoke(e.ctx); err != nil {
		e.Errorf("Revoke of a revoked lease: %v, want nil", err)
	}
	ended, cancel := context.WithCancel(e.ctx)
	cancel()
	if err := l.Renew(ended); !errors.Is(err, coordination.ErrUnavailable) {
		e.Errorf("Renew with an ended context: %v, want ErrUnavailable", err)
	}
}

func leasePutGone(e *env) {
	l := e.grant(time.Hour)
	if err := l.Revoke(e.ctx); err != nil {
		e.Fatalf("Revoke: %v", err)
	}
	changes := []coordination.Change{coordination.PutKey(e.key("a"), nil), coordination.PutLeased(e.key("b"), nil, l.ID())}
	if res, err := e.kv.Commit(e.ctx, nil, changes); !errors.Is(err, coordination.ErrLeaseGone) {
		e.Errorf("Commit = %+v, %v; want ErrLeaseGone", res, err)
	}
	e.wantMissing(e.get("a"), "a")
	// A failed guard is the answer, whatever its changes are.
	res, err := e.kv.Commit(e.ctx, []coordination.Guard{coordination.ModIs(e.key("a"), 1)}, changes)
	if err != nil || res.Committed {
		e.Errorf("Commit with a failed guard = %+v, %v", res, err)
	}
}

func leaseTaken(e *env) {
	one, two := e.grant(time.Hour), e.grant(time.Hour)
	e.putLeased(one, "a", "b", "c")
	e.put("a", "kept")
	e.putLeased(two, "b")
	e.remove("c")
	last := e.put("c", "kept")
	if err := one.Revoke(e.ctx); err != nil {
		e.Fatal(err)
	}
	if rev := e.revision(); rev != last {
		e.Errorf("the end of a lease without keys made revision %d, after %d", rev, last)
	}
	if err := two.Revoke(e.ctx); err != nil {
		e.Fatal(err)
	}
	if e.get("a").Value == nil || e.get("c").Value == nil {
		e.Error("a key put without lease went with the lease it had before")
	}
	e.wantMissing(e.get("b"), "b")
}
