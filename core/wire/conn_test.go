package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func metadataAll() *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 13
	return req
}

func sizes(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

func TestFrame_NegativeTinyAndOversizedOnesCloseTheConnection(t *testing.T) {
	for _, size := range []int32{-1, -1 << 31, 0, 7, 100<<20 + 1, 1<<31 - 1} {
		b := newBench(t)
		c := b.dial(t)
		c.write(sizes(size))
		c.closed()
	}
}

func TestFrame_SplitIntoSingleBytesIsUnderstood(t *testing.T) {
	c := newBench(t).dial(t)
	req := metadataAll()
	for _, one := range frameOf(req, 5, nil) {
		c.write([]byte{one})
	}
	if corr, _ := c.receive(req); corr != 5 {
		t.Fatalf("correlation id %d", corr)
	}
}

func TestFrame_PipelinedInOneWriteIsAnsweredInOrder(t *testing.T) {
	c := newBench(t).dial(t)
	req := metadataAll()
	var all []byte
	for i := range int32(30) {
		all = append(all, frameOf(req, i, nil)...)
	}
	go c.nc.Write(all)
	for i := range int32(30) {
		if corr, _ := c.receive(req); corr != i {
			t.Fatalf("answer %d is to request %d", i, corr)
		}
	}
}

func TestFrame_LargeOneIsReadWhole(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 1)
	c := b.dial(t)
	batch := batchOf(1, 3<<20)
	for i := range batch[61:] {
		batch[61+i] = byte(i * 7)
	}
	resp := ask[*kmsg.ProduceResponse](c, produceOf(9, 1, "a", [16]byte{}, map[int32][]byte{0: batch}))
	if resp.Topics[0].Partitions[0].ErrorCode != 0 || !bytes.Equal(b.logs.adds[0][0].Batch, batch) {
		t.Fatal("the batch did not arrive as it was sent")
	}
	if !b.requests.TryAcquire(b.settings.RequestMemory) {
		t.Fatal("memory of the frame was not given back")
	}
}

func TestUnknownKeyOrVersion_ClosesTheConnectionWithoutAnAnswer(t *testing.T) {
	for _, head := range [][2]int16{{99, 0}, {-1, 0}, {4, 0}, {int16(kmsg.Metadata), 99}, {int16(kmsg.Fetch), 3}, {int16(kmsg.Metadata), -1}} {
		c := newBench(t).dial(t)
		frame := sizes(10)
		frame = binary.BigEndian.AppendUint16(frame, uint16(head[0]))
		frame = binary.BigEndian.AppendUint16(frame, uint16(head[1]))
		c.write(append(frame, 0, 0, 0, 1, 0xff, 0xff))
		c.closed()
	}
}

func TestFlexible_UnknownTagsAreIgnoredAndClientIDMayBeNull(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 1)
	c := b.dial(t)
	c.id = nil
	req := metadataAll()
	req.UnknownTags.Set(1234, []byte("from the future"))
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr("a")
	topic.UnknownTags.Set(77, []byte("too"))
	req.Topics = append(req.Topics, topic)
	// Tags in the header as well: splice them in behind the client id.
	frame := frameOf(req, 1, nil)
	body := append([]byte{}, frame[4:14]...)
	body = append(body, 1, 9, 3, 'x', 'y', 'z')
	body = append(body, frame[15:]...)
	c.write(append(sizes(int32(len(body))), body...))
	_, resp := c.receive(req)
	if got := resp.(*kmsg.MetadataResponse); len(got.Topics) != 1 || got.Topics[0].ErrorCode != 0 {
		t.Fatalf("%+v", got.Topics)
	}
}

func TestOrder_LongPollHoldsBackLaterRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.topic(t, "a", 1)
		c := b.dial(t)
		poll := fetchOf(11, "a", [16]byte{}, 0, 500)
		c.send(poll)
		c.send(metadataAll())
		began := time.Now()
		if corr, _ := c.receive(poll); corr != 1 || time.Since(began) < 500*time.Millisecond {
			t.Fatalf("request %d answered after %v", corr, time.Since(began))
		}
		if corr, _ := c.receive(metadataAll()); corr != 2 {
			t.Fatal("order")
		}
		c.nc.Close()
		synctest.Wait()
	})
}

func TestOrder_PipelinedProducesOverlapAndOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.topic(t, "a", 1)
		b.logs.gate = make(chan struct{})
		c := b.dial(t)
		req := produceOf(9, -1, "a", [16]byte{}, map[int32][]byte{0: batchOf(1, 5)})
		for range 3 {
			c.send(req)
		}
		create := kmsg.NewPtrCreateTopicsRequest()
		create.Version = 7
		one := kmsg.NewCreateTopicsRequestTopic()
		one.Topic, one.NumPartitions, one.ReplicationFactor = "b", 1, 1
		create.Topics = append(create.Topics, one)
		c.send(create)
		synctest.Wait()
		if n := b.logs.added(); n != 3 {
			t.Fatalf("%d of 3 pipelined batches have been added", n)
		}
		if _, ok := b.topics.TopicByName("b"); ok {
			t.Fatal("a request started before those in front of it were answered")
		}
		go c.write(frameOf(req, 5, c.id)) // behind the CreateTopics: may not start yet
		synctest.Wait()
		if n := b.logs.added(); n != 3 {
			t.Fatal("a Produce overtook the request in front of it")
		}
		close(b.logs.gate)
		for want := int32(1); want <= 5; want++ {
			var kind kmsg.Request = req
			if want == 4 {
				kind = create
			}
			corr, resp := c.receive(kind)
			if corr != want {
				t.Fatalf("answer to %d, want %d", corr, want)
			}
			if p, ok := resp.(*kmsg.ProduceResponse); ok && p.Topics[0].Partitions[0].BaseOffset != min(int64(want)-1, 3) {
				t.Fatalf("request %d: offset %d", want, p.Topics[0].Partitions[0].BaseOffset)
			}
		}
		c.nc.Close()
		synctest.Wait()
	})
}

func TestPanic_CostsItsConnectionOnly(t *testing.T) {
	b := newBench(t)
	b.apis[int16(kmsg.DescribeCluster)].handle = func(context.Context, *caller, kmsg.Request) (kmsg.Response, error) { panic("boom") }
	bad, good := b.dial(t), b.dial(t)
	req := kmsg.NewPtrDescribeClusterRequest()
	bad.send(req)
	bad.closed()
	good.call(metadataAll())
	if log := b.logged.String(); !strings.Contains(log, "boom") || !strings.Contains(log, "DescribeCluster") || !strings.Contains(log, "stack=") {
		t.Fatalf("log: %s", log)
	}
}

func TestPanic_InEitherPhaseOfProduceGivesItsMemoryBack(t *testing.T) {
	for phase := range 2 {
		b := newBench(t)
		b.apis[int16(kmsg.Produce)].start = func(context.Context, *caller, kmsg.Request) (finisher, error) {
			if phase == 0 {
				panic("boom")
			}
			return func(context.Context) (kmsg.Response, error) { panic("boom") }, nil
		}
		c := b.dial(t)
		c.send(produceOf(9, 1, "a", [16]byte{}, map[int32][]byte{0: batchOf(1, 1<<20)}))
		c.closed()
		b.live.Wait()
		if !b.requests.TryAcquire(b.settings.RequestMemory) {
			t.Fatalf("phase %d: memory is lost", phase+1)
		}
	}
}

func TestIdle_SilentConnectionIsClosedButNotOneThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(s *Settings) { s.IdleMax = time.Minute })
		b.topic(t, "a", 1)
		silent, waiting := b.dial(t), b.dial(t)
		poll := fetchOf(11, "a", [16]byte{}, 0, int32((3 * time.Minute).Milliseconds()))
		waiting.send(poll)
		began := time.Now()
		if _, err := silent.nc.Read(make([]byte, 1)); err != io.EOF || time.Since(began) != time.Minute {
			t.Fatalf("%v after %v", err, time.Since(began))
		}
		waiting.receive(poll)
		if time.Since(began) < 3*time.Minute {
			t.Fatal("answered too early")
		}
		waiting.nc.Close()
		synctest.Wait()
	})
}

func TestSlowFrame_IsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(s *Settings) { s.FrameTimeout = 10 * time.Second })
		c := b.dial(t)
		go func() { // a byte a second
			for _, one := range append(sizes(1000), make([]byte, 1000)...) {
				time.Sleep(time.Second)
				if _, err := c.nc.Write([]byte{one}); err != nil {
					return
				}
			}
		}()
		began := time.Now()
		if _, err := c.nc.Read(make([]byte, 1)); err != io.EOF || time.Since(began) > 20*time.Second {
			t.Fatalf("%v after %v", err, time.Since(began))
		}
		synctest.Wait()
	})
}

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
	if testing.Short() {
		t.Skip("counts memory")
	}
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
