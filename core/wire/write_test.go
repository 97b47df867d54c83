package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/record"
)

// shelf answers every fetch with pieces of the one object that it keeps: of three quarters of it.
type shelf struct {
	*fakeLogs
	cache *cache.Cache
}

const shelfPiece = 16 << 10

func newShelf(size int) (*shelf, uint32) {
	body := randomBytes(rand.New(rand.NewPCG(5, 6)), size)
	s := &shelf{newFakeLogs(), cache.New(int64(size), 0)}
	s.cache.Fill("object", cache.NewObject(body))
	return s, crc32.ChecksumIEEE(body[:size/4*3])
}

func (s *shelf) Fetch(_ context.Context, r fetch.Request) (out []fetch.Result) {
	for _, p := range r.Partitions {
		one := fetch.Result{TopicPartition: p.TopicPartition, HighWatermark: 1, LastStable: 1}
		if o, ok := s.cache.Lookup("object"); ok {
			r.Reserve(int(o.Keeps()))
			for b := o.Chunk()[:o.Size()/4*3]; len(b) > 0; b = b[min(len(b), shelfPiece):] {
				one.Pieces = append(one.Pieces, b[:min(len(b), shelfPiece)])
			}
			one.Held = int(o.Keeps())
		}
		out = append(out, one)
	}
	return out
}

// withShelf is a bench that reads from it.
func withShelf(t *testing.T, size int, change ...func(*Settings)) (*bench, *shelf, uint32) {
	b := newBench(t, change...)
	b.topic(t, "a", 1)
	s, sum := newShelf(size)
	b.backend.Reader = s
	return b, s, sum
}

func sumOf(t *testing.T, resp kmsg.Response) uint32 {
	t.Helper()
	return crc32.ChecksumIEEE(onlyPartition(t, resp.(*kmsg.FetchResponse)).RecordBatches)
}

// TestFetch_SlowClientGetsWhatWasStoredWhenItAsked: evicted, dropped, and other memory taken meanwhile.
func TestFetch_SlowClientGetsWhatWasStoredWhenItAsked(t *testing.T) {
	b, s, sum := withShelf(t, 12<<20)
	addr, _ := serveOn(t, b, t.Context())
	c := dialTCP(t, addr)
	req := fetchOf(11, "a", record.TopicID{}, 0, 0)
	c.send(req)
	first := make([]byte, 1000)
	if _, err := io.ReadFull(c.nc, first); err != nil { // it is being sent
		t.Fatal(err)
	}
	s.cache.Fill("another", cache.NewObject(bytes.Repeat([]byte("other"), 2<<20)))
	s.cache.Drop("object")
	for range 20 {
		runtime.GC()
		_ = bytes.Repeat([]byte("noise"), 1<<20)
	}
	c.nc = &readAgain{c.nc, first}
	if _, resp := c.receive(req); sumOf(t, resp) != sum {
		t.Fatal("other bytes than those stored")
	}
	if resp := c.call(req); len(onlyPartition(t, resp.(*kmsg.FetchResponse)).RecordBatches) != 0 {
		t.Fatal("the object is still here")
	}
}

// readAgain gives what was read of a connection once more.
type readAgain struct {
	net.Conn
	again []byte
}

func (r *readAgain) Read(b []byte) (int, error) {
	if len(r.again) == 0 {
		return r.Conn.Read(b)
	}
	n := copy(b, r.again)
	r.again = r.again[n:]
	return n, nil
}

// TestFetch_ClientsThatDoNotReadHoldWhatTheyAreAccountedFor, until they go: midway in an answer, or because they read nothing for too long.
func TestFetch_ClientsThatDoNotReadHoldWhatTheyAreAccountedFor(t *testing.T) {
	const size, room = 12 << 20, 40 << 20
	b, s, sum := withShelf(t, size, func(s *Settings) { s.ResponseMemory, s.WriteTimeout = room, time.Minute })
	addr, _ := serveOn(t, b, t.Context())
	req := fetchOf(11, "a", record.TopicID{}, 0, 0)
	var stuck []*client
	for range 3 { // as many as there is room for
		c := dialTCP(t, addr)
		c.nc.(*net.TCPConn).SetReadBuffer(64 << 10)
		c.send(req)
		stuck = append(stuck, c)
	}
	await(t, func() bool {
		if b.responses.TryAcquire(room - 3*size + 1) {
			b.responses.Release(room - 3*size + 1)
			return false
		}
		return true
	})
	if !b.responses.TryAcquire(room - 3*size) {
		t.Fatal("more is accounted for than they hold")
	}
	b.responses.Release(room - 3*size)
	stuck[0].nc.Close() // before it has read anything
	if _, err := io.ReadFull(stuck[1].nc, make([]byte, size/2)); err != nil {
		t.Fatal(err)
	}
	stuck[1].nc.Close()
	await(t, func() bool {
		if !b.responses.TryAcquire(room - size) {
			return false
		}
		b.responses.Release(room - size)
		return true
	})
	if _, resp := stuck[2].receive(req); sumOf(t, resp) != sum {
		t.Error("a neighbour's end has changed what was sent")
	}
	if o, _ := s.cache.Lookup("object"); crc32.ChecksumIEEE(o.Chunk()[:size/4*3]) != sum {
		t.Error("sending has changed the object")
	}
	await(t, func() bool { return b.responses.TryAcquire(room) })
}

// await polls a condition.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never comes to be")
		}
	}
}

// TestWrite_WithTLSPiecesShareRecords: each piece by itself would be a record, and a system call.
func TestWrite_WithTLSPiecesShareRecords(t *testing.T) {
	ca := newAuthority(t)
	ours, theirs := net.Pipe()
	counted := &countedWrites{Conn: theirs}
	b := newBench(t)
	config := ca.server(auth.CertificatesIgnored)
	config.DynamicRecordSizingDisabled = true // else the first ones are small
	trusting := ca.client("")
	trusting.ServerName = "127.0.0.1"
	c := &conn{s: b.Server, nc: tls.Server(counted, config)}
	var frame net.Buffers
	var want []byte
	for i := range 2000 {
		frame = append(frame, bytes.Repeat([]byte{byte(i)}, 16), nil, bytes.Repeat([]byte{byte(i + 1)}, 1000))
		want = append(append(want, frame[3*i]...), frame[3*i+2]...)
	}
	wrote := make(chan error, 1)
	go func() {
		if err := c.nc.(*tls.Conn).Handshake(); err != nil {
			wrote <- err
			return
		}
		counted.n = 0
		wrote <- c.write(frame)
	}()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(tls.Client(ours, trusting), got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("other bytes, or %v", err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	if most := len(want)/(16<<10) + 16; counted.n > most {
		t.Errorf("%d records for %d bytes, want at most %d", counted.n, len(want), most)
	}
}

type countedWrites struct {
	net.Conn
	n int
}

func (c *countedWrites) Write(b []byte) (int, error) {
	c.n++
	return c.Conn.Write(b)
}
