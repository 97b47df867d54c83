package wire

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestMemory_FrameThatIsOnlyAnnouncedHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		liar := b.dial(t)
		liar.write(sizes(100 << 20))
		liar.write(make([]byte, 100)) // key 0, Produce
		synctest.Wait()
		if !b.requests.TryAcquire(b.settings.RequestMemory) {
			t.Fatal("an announcement took memory")
		}
		liar.nc.Close()
		synctest.Wait()
	})
}

func TestMemory_LargeFramesWaitForTheirShareAndClientsThatDoNotReadHoldNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(s *Settings) { s.RequestMemory = 3 << 20 })
		b.topic(t, "a", 1)
		b.logs.gate = make(chan struct{})
		req := produceOf(9, 1, "a", [16]byte{}, map[int32][]byte{0: batchOf(1, 1<<20)})
		greedy, modest := b.dial(t), b.dial(t)
		go func() { // never reads an answer
			for i := range int32(10) {
				if _, err := greedy.nc.Write(frameOf(req, i, nil)); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		if n := b.logs.added(); n != 2 {
			t.Fatalf("%d large frames fit in 3 MiB, want 2", n)
		}
		close(b.logs.gate)
		synctest.Wait()
		if n := b.logs.added(); n != 10 {
			t.Fatalf("%d of 10 frames have been taken: memory is held by answers that nobody reads", n)
		}
		modest.call(req)
		greedy.nc.Close()
		modest.nc.Close()
		synctest.Wait()
	})
}

func TestWrite_ClientThatNeverReadsIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(s *Settings) { s.WriteTimeout = 10 * time.Second })
		c := b.dial(t)
		began := time.Now()
		c.send(metadataAll())
		b.live.Wait()
		if d := time.Since(began); d != 10*time.Second {
			t.Fatalf("closed after %v", d)
		}
	})
}

func TestConnections_AboveTheLimitAreRefused(t *testing.T) {
	b := newBench(t, func(s *Settings) { s.ConnectionsMax = 1 })
	b.dial(t)
	_, theirs := net.Pipe()
	if b.start(theirs, "") {
		t.Fatal("two connections where one is allowed")
	}
}

func TestIdleConnections_AreCheap(t *testing.T) {
	b := newBench(t)
	const n = 1000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range n {
		c := b.dial(t)
		c.call(metadataAll())
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := int64(after.HeapAlloc+after.StackInuse-before.HeapAlloc-before.StackInuse) / n
	if each > 24<<10 {
		t.Fatalf("an idle connection takes %d bytes", each)
	}
}

func serveOn(t *testing.T, b *bench, ctx context.Context) (addr string, done chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan error, 1)
	go func() { done <- b.Serve(ctx, ln, "") }()
	return ln.Addr().String(), done
}

func dialTCP(t *testing.T, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &client{t: t, nc: nc}
}

func TestShutdown_FinishesWhatIsInProgressAndEndsLongPolls(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 1)
	b.topic(t, "quiet", 1)
	b.logs.gate = make(chan struct{})
	addr, served := serveOn(t, b, t.Context())
	busy, polling, idle := dialTCP(t, addr), dialTCP(t, addr), dialTCP(t, addr)
	idle.call(metadataAll())
	req := produceOf(9, 1, "a", [16]byte{}, map[int32][]byte{0: batchOf(1, 5)})
	busy.send(req)
	polling.send(fetchOf(11, "quiet", [16]byte{}, 0, 300_000))
	for b.logs.added() == 0 || b.logs.polls() == 0 {
		runtime.Gosched()
	}
	down := make(chan error, 1)
	go func() { down <- b.Shutdown(t.Context()) }()
	polling.closed()
	idle.closed()
	if err := <-served; !errors.Is(err, ErrClosed) {
		t.Fatalf("serve: %v", err)
	}
	close(b.logs.gate)
	if _, resp := busy.receive(req); resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatal("the request in progress was not finished")
	}
	if err := <-down; err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Fatal("still accepting")
	}
}

func TestShutdown_KeepsToItsDeadline(t *testing.T) {
	b := newBench(t, func(s *Settings) { s.DrainMax = 50 * time.Millisecond })
	b.topic(t, "a", 1)
	b.logs.gate = make(chan struct{}) // never closed
	ctx, cancel := context.WithCancel(t.Context())
	addr, served := serveOn(t, b, ctx)
	c := dialTCP(t, addr)
	c.send(produceOf(9, 1, "a", [16]byte{}, map[int32][]byte{0: batchOf(1, 5)}))
	for b.logs.added() == 0 {
		runtime.Gosched()
	}
	cancel()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	c.nc.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.frame(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("connection not closed: %v", err)
	}
}
