package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
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
		if _, err := silent.nc.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) != time.Minute {
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
		gave := make(chan struct{})
		go func() { // a byte a second
			defer close(gave)
			for _, one := range append(sizes(1000), make([]byte, 1000)...) {
				time.Sleep(time.Second)
				if _, err := c.nc.Write([]byte{one}); err != nil {
					return
				}
			}
		}()
		began := time.Now()
		if _, err := c.nc.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) > 20*time.Second {
			t.Fatalf("%v after %v", err, time.Since(began))
		}
		<-gave
		synctest.Wait()
	})
}
