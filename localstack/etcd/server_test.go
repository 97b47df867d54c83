package etcd

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

func start(t *testing.T, settings Settings) *Server {
	t.Helper()
	s, err := Start(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func dial(t *testing.T, s *Server) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: s.Endpoints(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestStart_TheSameFolderIsTheSameStore(t *testing.T) {
	dir := t.TempDir()
	first := start(t, Settings{Dir: dir})
	put, err := dial(t, first).Put(t.Context(), "a", "1")
	if err != nil {
		t.Fatal(err)
	}
	addr := first.Endpoints()[0]
	first.Close()

	second := start(t, Settings{Dir: dir, Addr: addr})
	if got := second.Endpoints(); len(got) != 1 || got[0] != addr {
		t.Errorf("endpoints %q, want %s", got, addr)
	}
	got, err := dial(t, second).Get(t.Context(), "a")
	if err != nil || len(got.Kvs) != 1 || got.Header.Revision != put.Header.Revision {
		t.Errorf("Get after a restart = %+v, %v; want the key at revision %d", got, err, put.Header.Revision)
	}
}

// The time-outs of an election, a second and more, must not be in the way. A busy machine can make one start
// slow, but not the fastest of several.
func TestStart_IsReadyInWellUnderASecond(t *testing.T) {
	const goal, tries = 900 * time.Millisecond, 20
	for what, again := range map[string]bool{"empty": false, "with data": true} {
		dir := t.TempDir()
		if again {
			start(t, Settings{Dir: dir}).Close()
		}
		best := time.Hour
		for try := 0; try < tries && best > goal; try++ {
			if !again {
				dir = t.TempDir()
			}
			begin := time.Now()
			s := start(t, Settings{Dir: dir})
			best = min(best, time.Since(begin))
			s.Close()
		}
		if best > goal {
			t.Errorf("%s: the fastest of %d starts took %v", what, tries, best)
		}
	}
}

func TestStart_AFolderInUseIsRefusedAtOnce(t *testing.T) {
	dir := t.TempDir()
	start(t, Settings{Dir: dir})
	if s, err := Start(t.Context(), Settings{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("Start = %v, %v; want ErrInUse", s, err)
	}
}

func TestStart_AnAddressInUseIsAnErrorAndFreesTheFolder(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	if s, err := Start(t.Context(), Settings{Dir: dir, Addr: l.Addr().String()}); err == nil {
		s.Close()
		t.Fatal("Start took an address that is in use")
	}
	start(t, Settings{Dir: dir})
}

func TestServer_CloseIsSeenByDoneAndWait(t *testing.T) {
	s := start(t, Settings{Dir: t.TempDir(), LogFile: t.TempDir() + "/log"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(ctx); err != nil {
		t.Errorf("Wait with an ended context: %v, want nil", err)
	}
	s.Close()
	s.Close()
	<-s.Done()
	if err := s.Wait(t.Context()); !errors.Is(err, ErrStopped) {
		t.Errorf("Wait after Close: %v, want ErrStopped", err)
	}
}
