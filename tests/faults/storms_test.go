//go:build stack

package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// busy stands before MinIO and refuses two of three requests, as S3 does when there are too many.
type busy struct {
	address string
}

const slowDown = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`

func newBusy(t testing.TB, minio string) *busy {
	t.Helper()
	to := &url.URL{Scheme: "http", Host: minio}
	// The host that the client named stays: it is signed.
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { host := r.In.Host; r.SetURL(to); r.Out.Host = host }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rand.N(3) == 0 {
			proxy.ServeHTTP(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, slowDown)
	}))
	t.Cleanup(server.Close)
	return &busy{address: strings.TrimPrefix(server.URL, "http://")}
}

func overloadMinIO(s *stage, _ *rand.Rand) func() {
	for _, b := range s.brokers {
		b.toMinIO.redirect(s.busy.address)
	}
	lasts(cutFor)
	return func() {
		for _, b := range s.brokers {
			b.toMinIO.heal()
		}
	}
}

func pauseMinIO(s *stage, _ *rand.Rand) func() {
	s.minio.Pause(s.t)
	lasts(pausedFor)
	return func() { s.minio.Continue(s.t) }
}

// stutterMinIO is what a disk looks like that is much too slow.
func stutterMinIO(s *stage, _ *rand.Rand) func() {
	for range 10 {
		s.minio.Pause(s.t)
		lasts(400 * time.Millisecond)
		s.minio.Continue(s.t)
		lasts(400 * time.Millisecond)
	}
	return func() {}
}

func killTwoBrokers(s *stage, r *rand.Rand) func() {
	spared := s.some(r)
	for _, b := range s.brokers {
		if b != spared {
			b.Kill()
		}
	}
	lasts(deadFor)
	return func() {
		for _, b := range s.brokers {
			if b != spared {
				b.Start()
			}
		}
	}
}

func killBrokerAndLeader(s *stage, r *rand.Rand) func() {
	b, m := s.some(r), s.leader()
	b.Kill()
	m.Kill()
	lasts(deadFor)
	return func() {
		m.Start()
		b.Start()
	}
}

// isolateLeader lets a leader send what its own connections carry, and hear nobody who connects to it.
func isolateLeader(s *stage, _ *rand.Rand) func() {
	m := s.leader()
	m.peers.cut()
	lasts(cutFor)
	return m.peers.heal
}

// etcdctl is a client with all of etcd's operations, past all links.
func (s *stage) etcdctl() (*clientv3.Client, context.Context, func()) {
	s.t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: s.endpoints(), DialTimeout: 5 * time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // defragmenting waits for a busy disk
	return c, ctx, func() { cancel(); c.Close() }
}

func moveLeader(s *stage, r *rand.Rand) func() {
	for range 3 {
		if err := s.moveLeader(r); err != nil {
			s.t.Logf("move the leader: %v", err)
		}
		lasts(2 * time.Second)
	}
	return func() {}
}

func (s *stage) moveLeader(r *rand.Rand) error {
	_, ctx, done := s.etcdctl()
	defer done()
	leader := s.leader()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{leader.client}, DialTimeout: 5 * time.Second})
	if err != nil {
		return fmt.Errorf("dial the leader: %w", err)
	}
	defer c.Close()
	list, err := c.MemberList(ctx)
	if err != nil {
		return fmt.Errorf("list the members: %w", err)
	}
	var others []uint64
	for _, m := range list.Members {
		if m.ID != list.Header.MemberId {
			others = append(others, m.ID)
		}
	}
	if _, err = c.MoveLeader(ctx, others[r.IntN(len(others))]); err != nil {
		return fmt.Errorf("ask the leader: %w", err)
	}
	return nil
}

// fillEtcd writes one key until etcd takes nothing more, and brings it back as docs/OPERATIONS.md says.
func fillEtcd(s *stage, _ *rand.Rand) func() {
	c, ctx, done := s.etcdctl()
	defer done()
	var err error
	for n := 0; err == nil; n++ {
		_, err = c.Put(ctx, "filler", strings.Repeat("x", 1<<20))
		if n > 2*etcdBytesMax>>20 {
			s.t.Fatal("the quota of etcd does not hold")
		}
	}
	if !strings.Contains(err.Error(), "space exceeded") {
		s.t.Fatalf("fill etcd: %v", err)
	}
	lasts(5 * time.Second)
	return func() {
		harness.Await(s.t, 5*time.Minute, "bring a full etcd back", func() error {
			c, ctx, done := s.etcdctl()
			defer done()
			return s.empty(ctx, c)
		})
	}
}

func (s *stage) empty(ctx context.Context, c *clientv3.Client) error {
	got, err := c.Get(ctx, "filler")
	if err != nil {
		return fmt.Errorf("read the revision: %w", err)
	}
	if _, err := c.Compact(ctx, got.Header.Revision, clientv3.WithCompactPhysical()); err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return fmt.Errorf("compact: %w", err)
	}
	for _, m := range s.etcd {
		if _, err := c.Defragment(ctx, m.client); err != nil {
			return fmt.Errorf("defragment %s: %w", m.Name, err)
		}
	}
	if _, err := c.AlarmDisarm(ctx, &clientv3.AlarmMember{}); err != nil {
		return fmt.Errorf("disarm: %w", err)
	}
	if _, err := c.Delete(ctx, "filler"); err != nil {
		return fmt.Errorf("delete the filler: %w", err)
	}
	return nil
}
