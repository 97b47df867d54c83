package wire

import (
	"bytes"
	"encoding/binary"
	"flag"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	scramlib "github.com/xdg-go/scram"

	"github.com/firnlog/firnlog/core/auth"
)

var strangers = flag.Int("strangers", 5000, "how many mutated authentication exchanges to send")

// exchanges are whole authentications as clients send them, with what comes after: the name of a topic that nobody may see.
func exchanges() [][][]byte {
	frames := func(messages ...kmsg.Request) (out [][]byte) {
		for i, m := range messages {
			out = append(out, frameOf(m, int32(i+1), kmsg.StringPtr("c")))
		}
		return out
	}
	raw := func(s string) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...) }
	client, _ := scramlib.SHA256.NewClientUnprepped("alice", "wrong", "")
	first, _ := client.NewConversation().Step("")
	versions := kmsg.NewPtrApiVersionsRequest()
	versions.Version = 3
	describe := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
	fetch := kmsg.NewPtrFetchRequest()
	fetch.Version = 12
	return [][][]byte{
		frames(versions, handshake(1, auth.Plain), saslMessage(2, "\x00alice\x00wrong"), metadataAll()),
		frames(handshake(1, auth.ScramSHA256), saslMessage(1, first), saslMessage(1, "c=biws,r=x,p=eA=="), metadataAll(), describe),
		frames(handshake(1, auth.ScramSHA512), saslMessage(0, first), metadataAll()),
		append(frames(handshake(0, auth.Plain)), raw("\x00alice\x00wrong"), frames(metadataAll())[0]),
		frames(handshake(1, auth.Peer), saslMessage(2, strings.Repeat("x", 64)), saslMessage(2, strings.Repeat("y", 64)), fetch),
		frames(handshake(1, auth.OAuthBearer), saslMessage(2, "n,,\x01auth=Bearer a.b.c\x01\x01"), saslMessage(2, "\x01"), metadataAll()),
		frames(metadataAll(), fetch),
	}
}

// mutate changes bytes, counts, order and ends.
func mutate(r *rand.Rand, frames [][]byte) []byte {
	var out []byte
	for _, f := range frames {
		f = bytes.Clone(f)
		switch r.IntN(8) {
		case 0: // as it is
		case 1, 2, 3:
			for range 1 + r.IntN(4) {
				f[r.IntN(len(f))] = byte(r.Uint32())
			}
		case 4: // what the size claims
			binary.BigEndian.PutUint32(f, r.Uint32()>>r.IntN(32))
		case 5:
			f = f[:r.IntN(len(f)+1)]
		case 6:
			f = append(f, f...)
		case 7:
			f = append(f[:4:4], bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(200))...)
		}
		out = append(out, f...)
	}
	return out
}

// runExchanges sends n mutated exchanges, and fails if anything but authentication is answered.
func runExchanges(t *testing.T, d *door, n int) {
	t.Helper()
	kinds := exchanges()
	var next atomic.Int64
	done := make(chan struct{})
	const workers = 256 // most of the time they wait for what does not come
	for w := range workers {
		go func() {
			defer func() { done <- struct{}{} }()
			r := rand.New(rand.NewPCG(uint64(w), 7))
			for next.Add(1) <= int64(n) {
				sent := mutate(r, kinds[r.IntN(len(kinds))])
				ours, theirs := net.Pipe()
				if !d.start(theirs, "") {
					t.Error("connection refused")
					return
				}
				go func() { _, _ = ours.Write(sent); ours.SetReadDeadline(time.Now().Add(20 * time.Millisecond)) }()
				answer, _ := io.ReadAll(ours)
				ours.Close()
				if bytes.Contains(answer, []byte("very-secret")) || len(answer) > 16<<10 {
					t.Errorf("answered %d bytes to %x", len(answer), sent)
				}
			}
		}()
	}
	for range workers {
		<-done
	}
}

func TestStrangers_MutatedExchangesReadNothingAndTakeNoMemory(t *testing.T) {
	n := *strangers
	d := newDoor(t, Gate{Mechanisms: &auth.Mechanisms{Enabled: []string{auth.ScramSHA512, auth.ScramSHA256, auth.Plain}}}, func(s *Settings) {
		// A deadline of a net.Pipe keeps it in memory until it has passed, also when it is closed.
		s.StrangersPerAddressMax = 0 // all come from one
		s.IdleMax, s.FrameTimeout, s.WriteTimeout = time.Second, time.Second, time.Second
	})
	d.Server.settings.AuthFailedDelay = 0
	d.Server.log = slog.New(slog.NewTextHandler(d.logged, &slog.HandlerOptions{Level: slog.LevelError})) // the rest would fill the memory that is measured
	d.topic(t, "very-secret", 1)
	d.peers.Knows = func([]byte) bool { return false }
	runExchanges(t, d, n/50) // until pools and caches are as large as they get
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	runExchanges(t, d, n)
	deadline := time.Now().Add(30 * time.Second)
	for len(d.liveConns()) > 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(1500 * time.Millisecond) // those deadlines; nothing is synchronised by it
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 || len(d.liveConns()) > 0 {
		t.Errorf("%d exchanges left %d bytes and %d connections", n, grown, len(d.liveConns()))
	}
	if s := d.logged.String(); strings.Contains(s, "panicked") {
		t.Errorf("a handler panicked: %s", s[strings.Index(s, "panicked")-100:][:2000])
	}
	each := (after.TotalAlloc - before.TotalAlloc) / uint64(n)
	t.Logf("%d bytes allocated for each exchange", each)
	if each > 256<<10 {
		t.Errorf("%d bytes allocated for each exchange", each)
	}
}

func (d *door) liveConns() (out []*conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.mu.conns {
		out = append(out, c)
	}
	return out
}

func TestLog_HoldsNoSecrets(t *testing.T) {
	d := newDoor(t, Gate{})
	secrets := []string{"pw-alice", "pw-root", "hunter2", "tokentokentoken"}
	for _, message := range []string{"\x00alice\x00pw-alice", "\x00alice\x00hunter2", "\x00hunter2\x00x", "hunter2", "hunter2\x00alice\x00pw-alice"} {
		c := d.dial(t)
		ask[*kmsg.SASLHandshakeResponse](c, handshake(1, auth.Plain))
		resp := ask[*kmsg.SASLAuthenticateResponse](c, saslMessage(2, message))
		if resp.ErrorMessage != nil {
			for _, s := range secrets {
				if strings.Contains(*resp.ErrorMessage, s) {
					t.Errorf("the answer repeats %s: %s", s, *resp.ErrorMessage)
				}
			}
		}
		c.nc.Close()
	}
	for _, mechanism := range []string{auth.ScramSHA256, "hunter2", auth.Peer} {
		c := d.dial(t)
		if resp := ask[*kmsg.SASLHandshakeResponse](c, handshake(1, mechanism)); resp.ErrorCode == 0 {
			ask[*kmsg.SASLAuthenticateResponse](c, saslMessage(2, "n,,n=hunter2,r=hunter2,tokentokentoken=hunter2"))
		}
		c.nc.Close()
	}
	for len(d.liveConns()) > 0 { // each reports as it ends
		runtime.Gosched()
	}
	for _, s := range secrets {
		if strings.Contains(d.logged.String(), s) {
			t.Errorf("the log holds %s:\n%s", s, d.logged.String())
		}
	}
	if !strings.Contains(d.logged.String(), "authentication failed") {
		t.Error("nothing was logged of failures")
	}
}
