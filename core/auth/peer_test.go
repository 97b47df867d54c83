package auth

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

func TestPeers_BothSidesProveWhoTheyAre(t *testing.T) {
	caller, callee, stranger := NewPeers(), NewPeers(), NewPeers()
	callee.Knows = func(key []byte) bool { return bytes.Equal(key, caller.Public()) }
	call := func(from, to *Peers, want []byte, change func([]byte) []byte) (id *Identity, err error) {
		e := to.begin(nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/10)
		defer cancel()
		err = from.Call(ctx, want, nil, func(message []byte) (reply []byte, err error) {
			reply, id, err = e.Step(ctx, change(slices.Clone(message)))
			return reply, err
		})
		return id, err
	}
	same := func(b []byte) []byte { return b }
	if id, err := call(caller, callee, callee.Public(), same); err != nil || id.Principal.Kind != KindInstance {
		t.Errorf("%+v, %v", id, err)
	}
	if id, err := call(stranger, callee, callee.Public(), same); !errors.Is(err, ErrDenied) || id != nil {
		t.Errorf("a stranger: %+v, %v", id, err)
	}
	if id, err := call(caller, stranger, callee.Public(), same); !errors.Is(err, ErrDenied) || id != nil {
		t.Errorf("a stranger in the other's place: %+v, %v", id, err)
	}
	for i := range 64 {
		flip := func(b []byte) []byte { b[i%len(b)] ^= 1; return b }
		if id, err := call(caller, callee, callee.Public(), flip); err == nil || id != nil {
			t.Fatalf("byte %d changed on the way: %+v, %v", i, id, err)
		}
	}
	if _, err := (&Mechanisms{Peers: caller}).Begin(Peer, nil); !errors.Is(err, ErrMechanism) {
		t.Errorf("a side that knows nobody lets begin: %v", err)
	}
}

func TestPeers_AConnectionInBetweenIsNoticed(t *testing.T) {
	caller, callee := NewPeers(), NewPeers()
	callee.Knows = func([]byte) bool { return true }
	e := &peerExchange{peers: callee, binding: []byte("the connection from the one in the middle")}
	err := caller.Call(t.Context(), callee.Public(), nil, func(message []byte) ([]byte, error) {
		reply, _, err := e.Step(t.Context(), message)
		return reply, err
	})
	if !errors.Is(err, ErrDenied) {
		t.Errorf("%v", err)
	}
}

func TestCallerOf_WritesItsKeyOnceUnderALease(t *testing.T) {
	w := newWorld(t)
	p := CallerOf(w.kv, w.keys, func() time.Time { return w.now })
	for range 3 {
		if err := p.Register(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	page, err := w.kv.List(t.Context(), coordination.Range{Prefix: w.keys.Instances()})
	if err != nil || len(page.Items) != 1 || page.Items[0].Lease == 0 || page.Items[0].Mod != page.Items[0].Create {
		t.Errorf("%+v, %v", page.Items, err)
	}
}
