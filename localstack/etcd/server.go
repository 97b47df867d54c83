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
	"time"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
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
	addrDefault         = "127.0.0.1:0"
	quotaBytesDefault   = 8 << 30
	compactionRetention = "2m"            // how far reads and watches may look back
	keepaliveTimeMin    = 5 * time.Second // as etcd: a client that pings more often is cut off
	// A lone member waits for nobody's heartbeat, but does wait for an election at
	// start: up to electionMillis, with etcd's default a whole second.
	tickMillis, electionMillis = 10, 100

	member = "firnlog"
	// peerURL names the only member. Nothing listens there: nobody else is to join.
	peerURL = "http://127.0.0.1:2380"
)

// Errors, asked for with errors.Is.
var (
	// ErrInUse: another server, of this or another process, has the folder.
	ErrInUse = errors.New("data folder in use")
	// ErrStopped: the server does not run any more.
	ErrStopped = errors.New("etcd has stopped")
)

// Server is a running etcd. Clients are served by a gRPC server of our own and not by embed's:
// that one waits five seconds for open watches when it stops.
type Server struct {
	listener net.Listener
	etcd     *embed.Etcd
	clients  *grpc.Server
	failed   chan error // gets what ended clients
	lock     *fileutil.LockedFile
	logFile  *os.File // may be nil
	close    sync.Once
}

// Start gives a server that answers, or fails when ctx ends first.
func Start(ctx context.Context, settings Settings) (*Server, error) {
	s := &Server{failed: make(chan error, 1)}
	if err := s.start(ctx, settings); err != nil {
		s.Close()
		return nil, fmt.Errorf("start etcd in %s: %w", settings.Dir, err)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, settings Settings) error {
	if err := s.open(settings); err != nil {
		return err
	}
	cfg, err := config(settings, s.listener.Addr().String())
	if err != nil {
		return err
	}
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger(s.logFile))
	if s.etcd, err = embed.StartEtcd(cfg); err != nil {
		return err
	}
	select {
	case <-s.etcd.Server.ReadyNotify():
	case <-s.Done():
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	s.clients = v3rpc.Server(s.etcd.Server, nil, nil, grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveTimeMin}))
	go func() { s.failed <- s.clients.Serve(s.listener) }()
	return nil
}

// open takes what only one server can have: the folder and the address.
func (s *Server) open(settings Settings) (err error) {
	if err := os.MkdirAll(settings.Dir, 0o700); err != nil {
		return err
	}
	// etcd would wait for its own lock, for ever and silently.
	s.lock, err = fileutil.TryLockFile(filepath.Join(settings.Dir, "lock"), os.O_CREATE|os.O_WRONLY, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		return fmt.Errorf("%w: stop the other server first", ErrInUse)
	} else if err != nil {
		return fmt.Errorf("lock folder: %w", err)
	}
	addr := settings.Addr
	if addr == "" {
		addr = addrDefault
	}
	if s.listener, err = net.Listen("tcp", addr); err != nil {
		return err
	}
	if settings.LogFile != "" {
		if s.logFile, err = os.OpenFile(settings.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return fmt.Errorf("open log: %w", err)
		}
	}
	return nil
}

func config(settings Settings, addr string) (*embed.Config, error) {
	peer, err := url.Parse(peerURL)
	if err != nil {
		return nil, err
	}
	cfg := embed.NewConfig()
	cfg.Name = member
	cfg.Dir = filepath.Clean(settings.Dir)
	cfg.ListenClientUrls = nil // Server listens itself
	cfg.AdvertiseClientUrls = []url.URL{{Scheme: "http", Host: addr}}
	cfg.ListenPeerUrls = nil
	cfg.AdvertisePeerUrls = []url.URL{*peer}
	cfg.InitialCluster = member + "=" + peerURL
	cfg.TickMs, cfg.ElectionMs = tickMillis, electionMillis
	cfg.AutoCompactionMode = embed.CompactorModePeriodic
	cfg.AutoCompactionRetention = compactionRetention
	cfg.QuotaBackendBytes = settings.QuotaBytes
	if cfg.QuotaBackendBytes == 0 {
		cfg.QuotaBackendBytes = quotaBytesDefault
	}
	cfg.UnsafeNoFsync = settings.UnsafeNoFsync
	return cfg, nil
}

// logger writes errors to file, or nothing at all.
func logger(file *os.File) *zap.Logger {
	if file == nil {
		return zap.NewNop()
	}
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	return zap.New(zapcore.NewCore(encoder, file, zap.ErrorLevel))
}

// Endpoints are the addresses for clients.
func (s *Server) Endpoints() []string { return []string{s.listener.Addr().String()} }

// Done is closed when the server has stopped, by Close or by itself.
func (s *Server) Done() <-chan struct{} { return s.etcd.Server.StopNotify() }

// Wait returns nil when ctx ends, or before that an error when the server fails or is closed. One
// caller may wait.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return fmt.Errorf("serve etcd: %w", errors.Join(ErrStopped, err))
	case <-s.Done():
		return fmt.Errorf("serve etcd: %w", ErrStopped)
	}
}

// Close stops the server at once: what clients have in flight has an unknown outcome for them. The
// folder may be used again after that. Calling it again is harmless.
func (s *Server) Close() {
	s.close.Do(func() {
		if s.clients != nil {
			s.clients.Stop()
		}
		if s.etcd != nil {
			s.etcd.Close()
		}
		// Each has nothing left to write, so an error of closing says nothing.
		if s.listener != nil {
			s.listener.Close()
		}
		if s.logFile != nil {
			s.logFile.Close()
		}
		if s.lock != nil {
			s.lock.Close()
		}
	})
}
