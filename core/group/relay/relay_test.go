package relay

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/instance"
)

// other is another instance that coordinates everything: it answers heartbeats with what code says, and
// keeps a connection for so many requests.
type other struct {
	port     int32
	code     func(n int64) int16
	each     int
	requests atomic.Int64
	dials    atomic.Int64
}

func (o *other) Live() []instance.Info {
	return []instance.Info{{Node: 7, Endpoints: []instance.Endpoint{{Host: "127.0.0.1", Port: o.port}}}}
}
func (o *other) Self() int32 { return 1 }

func startOther(t *testing.T, o *other) *Relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	o.port = int32(ln.Addr().(*net.TCPAddr).Port)
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			o.dials.Add(1)
			go o.serve(nc)
		}
	}()
	c := group.New(group.Settings{
		KV: memory.New(memory.Settings{}), Keys: coordination.NewKeys("c"), Cluster: o, Now: time.Now, Log: slog.New(slog.DiscardHandler), Limits: group.DefaultLimits(),
	})
	r := New(Settings{Local: c, Self: o.Self, Dial: (&net.Dialer{}).DialContext, Patience: 500 * time.Millisecond})
	t.Cleanup(r.Close)
	return r
}

func (o *other) serve(nc net.Conn) {
	defer nc.Close()
	for range o.each {
		var size [4]byte
		if _, err := io.ReadFull(nc, size[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(nc, body); err != nil {
			return
		}
		resp := kmsg.NewPtrConsumerGroupHeartbeatResponse()
		resp.Version, resp.MemberEpoch, resp.ErrorCode = 1, 5, o.code(o.requests.Add(1))
		out := append(make([]byte, 4), body[4:8]...) // correlation id
		out = resp.AppendTo(append(out, 0))
		binary.BigEndian.PutUint32(out, uint32(len(out)-4))
		if _, err := nc.Write(out); err != nil {
			return
		}
	}
}

func fine(int64) int16 { return 0 }

func TestRelay_AConnectionThatWasClosedWhileItRestedIsReplaced(t *testing.T) {
	o := &other{code: fine, each: 1}
	r := startOther(t, o)
	for range 5 {
		res, err := r.ConsumerHeartbeat(t.Context(), "g", group.ConsumerRequest{MemberID: "m", RebalanceMs: 1000, Names: []string{"t"}})
		if err != nil || res.Epoch != 5 {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	if n := o.dials.Load(); n != 5 {
		t.Errorf("%d connections, want 5", n)
	}
}

func TestRelay_ConnectionsAreUsedAgain(t *testing.T) {
	o := &other{code: fine, each: 100}
	r := startOther(t, o)
	for range 20 {
		if _, err := r.ConsumerHeartbeat(t.Context(), "g", group.ConsumerRequest{MemberID: "m", RebalanceMs: 1000}); err != nil {
			t.Fatal(err)
		}
	}
	if n := o.dials.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestRelay_WhoCoordinatesNoMoreIsAskedAgainWhatIsDefiniteIsNot(t *testing.T) {
	o := &other{each: 100, code: func(n int64) int16 {
		if n < 3 {
			return kerr.NotCoordinator.Code
		}
		return 0
	}}
	r := startOther(t, o)
	if _, err := r.ConsumerHeartbeat(t.Context(), "g", group.ConsumerRequest{MemberID: "m", RebalanceMs: 1000}); err != nil || o.requests.Load() != 3 {
		t.Errorf("%v after %d requests", err, o.requests.Load())
	}
	o.code = func(int64) int16 { return kerr.FencedMemberEpoch.Code }
	if _, err := r.ConsumerHeartbeat(t.Context(), "g", group.ConsumerRequest{MemberID: "m", RebalanceMs: 1000}); !errors.Is(err, group.ErrFencedEpoch) || o.requests.Load() != 4 {
		t.Errorf("%v after %d requests", err, o.requests.Load())
	}
	o.code = func(int64) int16 { return kerr.NotCoordinator.Code }
	if _, err := r.ConsumerHeartbeat(t.Context(), "g", group.ConsumerRequest{MemberID: "m", RebalanceMs: 1000}); !errors.Is(err, group.ErrNotCoordinator) {
		t.Errorf("after the patience: %v", err)
	}
}

func TestRelay_ACoordinatorThatIsSilentIsGivenUp(t *testing.T) {
	gate := make(chan struct{})
	defer close(gate)
	o := &other{each: 1, code: func(int64) int16 { <-gate; return 0 }}
	r := startOther(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.ConsumerHeartbeat(ctx, "g", group.ConsumerRequest{MemberID: "m", RebalanceMs: 1000}); !errors.Is(err, group.ErrUnavailable) {
		t.Errorf("silent: %v", err)
	}
}
