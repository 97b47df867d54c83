package frames

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	kvmemory "github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/broker"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/objectstore/memory"
)

// Bounds of what one spoilt conversation may do.
const (
	answerMax   = 30 * time.Second // until the server has answered all that it will, and closed
	noticeMax   = 20 * time.Second // until a healthy client has its acknowledgement
	allocateMax = 64 << 20         // bytes in all, also those that were free again at once; 0.8 MiB is the most that was seen
	heapMax     = 256 << 20        // bytes that stay when it has ended
)

// logged keeps what a server says.
type logged struct {
	sync.Mutex
	bytes.Buffer
}

// Write implements io.Writer.
func (l *logged) Write(b []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.Write(b)
}

func (l *logged) take() string {
	l.Lock()
	defer l.Unlock()
	defer l.Reset()
	return l.String()
}

// server is a broker in this process, with a client that goes on all the while.
type server struct {
	kafka   string
	log     *logged
	healthy *kgo.Client
	acked   int // records 0 to acked-1 are there
	served  int // conversations
	answers int // of these
	stop    func()
}

const healthyTopic = "healthy"

func start(t testing.TB) *server {
	t.Helper()
	s := &server{log: &logged{}}
	b, err := broker.New(broker.Settings{
		Serving: config.Serving{
			Kafka: []string{"127.0.0.1:0"}, HTTP: "127.0.0.1:0", Cluster: "test", NodeID: -1, AutoCreate: true, Partitions: 1,
			SegmentBytes: 8 << 20, IngestMemory: 64 << 20, HotCache: 16 << 20, ColdCache: 4 << 20, Uploads: 4,
			GroupConsumerSession: 6 * time.Second, GroupConsumerHeartbeat: 500 * time.Millisecond,
		},
		Linger: time.Millisecond, Store: memory.New(), KV: kvmemory.New(kvmemory.Settings{}), Version: "test", Log: slog.New(slog.NewTextHandler(s.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- b.Run(ctx, func(kafka, _ string) { ready <- kafka }) }()
	select {
	case s.kafka = <-ready:
	case err := <-ended:
		t.Fatalf("the broker did not start: %v", err)
	}
	s.healthy, err = kgo.NewClient(kgo.SeedBrokers(s.kafka), kgo.DefaultProduceTopic(healthyTopic), kgo.AllowAutoTopicCreation(), kgo.ProducerLinger(0), kgo.ConsumeTopics(healthyTopic))
	if err != nil {
		t.Fatal(err)
	}
	s.stop = func() {
		s.healthy.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the broker ended with: %v", err)
		}
	}
	s.works(t)
	return s
}

// works has one more record of the healthy client acknowledged.
func (s *server) works(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), noticeMax)
	defer cancel()
	if err := s.healthy.ProduceSync(ctx, kgo.StringRecord(strconv.Itoa(s.acked))).FirstErr(); err != nil {
		t.Fatalf("the healthy client: %v", err)
	}
	s.acked++
}

// intact reads everything that was acknowledged to the healthy client.
func (s *server) intact(t testing.TB) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(s.kafka), kgo.ConsumeTopics(healthyTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), noticeMax)
	defer cancel()
	for next := 0; next < s.acked; {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", next, s.acked, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if string(r.Value) != strconv.Itoa(next) {
				t.Fatalf("record %d is %q at offset %d", next, r.Value, r.Offset)
			}
			next++
		})
	}
}

// suffer lets a server read a stream to its end, and asks whether anybody noticed.
func (s *server) suffer(t testing.TB, stream []byte) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s.talk(t, stream)
	s.works(t)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > allocateMax {
		t.Fatalf("%d bytes made the server allocate %d", len(stream), n)
	}
	if log := s.log.take(); bytes.Contains([]byte(log), []byte("panic")) {
		t.Fatal(log)
	}
	s.served++
}

// talk sends a stream and reads answers until the server closes.
func (s *server) talk(t testing.TB, stream []byte) {
	t.Helper()
	nc, err := net.Dial("tcp", s.kafka)
	if err != nil {
		t.Fatalf("the server takes no connection: %v", err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(answerMax)); err != nil {
		t.Fatal(err)
	}
	answer, over := make(chan struct{}), make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		_, _ = nc.Write(stream) // it may be closed before its end
		quiet := time.NewTimer(quietMax)
		defer quiet.Stop()
		for range parse(stream) { // what comes after the end of a connection is not answered any more
			select {
			case <-answer:
				quiet.Reset(quietMax)
			case <-quiet.C:
				_ = nc.(*net.TCPConn).CloseWrite()
				return
			case <-over:
				return
			}
		}
		_ = nc.(*net.TCPConn).CloseWrite()
	})
	for err == nil {
		if err = skip(nc); err == nil {
			s.answers++
			select {
			case answer <- struct{}{}:
			case <-time.After(quietMax):
			}
		}
	}
	close(over)
	sending.Wait()
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatalf("neither answered nor closed within %v", answerMax)
	}
}

// quietMax is how long a client waits for more answers: some requests have none, and some wait for something.
const quietMax = 60 * time.Millisecond

// skip reads one answer.
func skip(r io.Reader) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, r, int64(binary.BigEndian.Uint32(size[:])))
	return err
}

// livesMax is how many conversations one server sees: topics that they make stay.
const livesMax = 300

// next gives a server that has not seen too many, and takes the old one down.
func (s *server) next(t testing.TB) *server {
	t.Helper()
	if s.served < livesMax {
		return s
	}
	s.intact(t)
	s.stop()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > heapMax {
		t.Fatalf("%d bytes stay after %d conversations", m.HeapAlloc, s.served)
	}
	return start(t)
}
