// Package etcd runs an etcd of one member inside this process, for the local stack and for
// tests. It needs nothing installed.
//
// Owns: starting, stopping and starting again in the same folder. Does not own: the client
// (coordination/etcd) and anything in the store. Only localstack's users import it: etcd's
// server is large.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Settings of a server.
type Settings struct {
	// Dir holds the data and is made if it is not there; the same Dir again is the
	// same store.
	Dir string
	// Addr is where clients connect, HOST:PORT of this machine; port 0 or an empty
	// Addr takes a free one of 127.0.0.1.
	Addr string
	// LogFile gets errors; empty: they are dropped.
	LogFile string
	// QuotaBytes bounds the database; 0 is 8 GiB.
	QuotaBytes int64
	// UnsafeNoFsync loses data when the machine (not the process) fails: for tests.
	UnsafeNoFsync bool
}

const (
	quotaBytesDefault   = 8 << 30
	compactionRetention = "2m" // how far reads and watches may look back
	// A lone member waits for nobody's heartbeat, but does wait for an election at
	// start: up to electionMillis, with etcd's default a whole second.
	tickMillis, electionMillis = 10, 100

	member = "firnlog"
	// peerURL names the only member. Nothing listens there: nobody else is to join.
	peerURL = "http://127.0.0.1:2380"
)

// Server is a running etcd.
type Server struct {
	etcd    *embed.Etcd
	lock    *fileutil.LockedFile
	logFile *os.File // may be nil
	close   sync.Once
}

// Errors, asked for with errors.Is.
var (
	// ErrInUse: another server, of this or another process, has the folder.
	ErrInUse = errors.New("data folder in use")
	// ErrStopped: the server does not run any more.
	ErrStopped = errors.New("etcd has stopped")
)

// Start gives a server that answers, or fails when ctx ends first.
func Start(ctx context.Context, settings Settings) (*Server, error) {
	s := &Server{}
	if err := s.start(ctx, settings); err != nil {
		s.Close()
		return nil, fmt.Errorf("start etcd in %s: %w", settings.Dir, err)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, settings Settings) error {
	cfg, err := config(settings)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(settings.Dir, 0o700); err != nil {
		return err
	}
	// etcd would wait for its own lock, for ever and silently.
	s.lock, err = fileutil.TryLockFile(filepath.Join(settings.Dir, "lock"), os.O_CREATE|os.O_WRONLY, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		return fmt.Errorf("%w: stop the other one first", ErrInUse)
	} else if err != nil {
		return fmt.Errorf("lock folder: %w", err)
	}
	log := zap.NewNop()
	if settings.LogFile != "" {
		if log, s.logFile, err = openLog(settings.LogFile); err != nil {
			return fmt.Errorf("open log: %w", err)
		}
	}
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(log)
	if s.etcd, err = embed.StartEtcd(cfg); err != nil {
		return err
	}
	select {
	case <-s.etcd.Server.ReadyNotify():
		return nil
	case err := <-s.etcd.Err():
		return err
	case <-s.Done():
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

func config(settings Settings) (*embed.Config, error) {
	addr := settings.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, fmt.Errorf("address %q: %w", addr, err)
	}
	peer, err := url.Parse(peerURL)
	if err != nil {
		return nil, err
	}
	client := url.URL{Scheme: "http", Host: addr}
	cfg := embed.NewConfig()
	cfg.Name = member
	cfg.Dir = filepath.Clean(settings.Dir)
	cfg.ListenClientUrls = []url.URL{client}
	cfg.AdvertiseClientUrls = []url.URL{client}
	cfg.ListenPeerUrls = nil
	cfg.AdvertisePeerUrls = []url.URL{*peer}
	cfg.InitialCluster = member + "=" + peerURL
	cfg.EnableGRPCGateway = false
	cfg.AutoCompactionMode = embed.CompactorModePeriodic
	cfg.AutoCompactionRetention = compactionRetention
	cfg.QuotaBackendBytes = settings.QuotaBytes
	if cfg.QuotaBackendBytes == 0 {
		cfg.QuotaBackendBytes = quotaBytesDefault
	}
	cfg.UnsafeNoFsync = settings.UnsafeNoFsync
	cfg.TickMs, cfg.ElectionMs = tickMillis, electionMillis
	return cfg, nil
}

// openLog makes a logger of errors.
func openLog(name string) (*zap.Logger, *os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	return zap.New(zapcore.NewCore(encoder, f, zap.ErrorLevel)), f, nil
}

// Endpoints are the addresses for clients.
func (s *Server) Endpoints() []string {
	var endpoints []string
	for _, l := range s.etcd.Clients {
		endpoints = append(endpoints, l.Addr().String())
	}
	return endpoints
}

// Done is closed when the server has stopped, by Close or by itself.
func (s *Server) Done() <-chan struct{} { return s.etcd.Server.StopNotify() }

// Wait returns nil when ctx ends, or before that an error when the server fails.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.etcd.Err():
		return fmt.Errorf("serve etcd: %w", errors.Join(ErrStopped, err))
	case <-s.Done():
		return fmt.Errorf("serve etcd: %w", ErrStopped)
	}
}

// Close stops the server; its folder may be used again after that. Calling it again is harmless.
func (s *Server) Close() {
	s.close.Do(func() {
		if s.etcd != nil {
			s.etcd.Close()
		}
		if s.logFile != nil {
			s.logFile.Close()
		}
		if s.lock != nil {
			s.lock.Close()
		}
	})
}
