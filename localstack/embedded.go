// Package localstack is everything that a broker needs, on one machine.
//
// Owns: the embedded etcd and the folder layout of firnlog dev. Does not own:
// the broker. Only cmd/firnlog and tests import it, so that other binaries stay
// free of the etcd server.
package localstack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/firnlog/firnlog/localstack/etcd"
)

// Embedded is an etcd in this process, and a folder for objects beside its data.
type Embedded struct {
	server *etcd.Server
	dir    string
}

// StartEmbedded starts etcd in dir, which is made if it is not there; the same dir again
// has the same data.
func StartEmbedded(ctx context.Context, dir string) (*Embedded, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "objects"), 0o755); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	server, err := etcd.Start(ctx, etcd.Settings{Dir: filepath.Join(dir, "etcd"), LogFile: filepath.Join(dir, "etcd.log")})
	if err != nil {
		return nil, err
	}
	return &Embedded{server, dir}, nil
}

// ObjectsDir is the folder for objects.
func (e *Embedded) ObjectsDir() string { return filepath.Join(e.dir, "objects") }

// Endpoints of etcd.
func (e *Embedded) Endpoints() []string { return e.server.Endpoints() }

// Close stops etcd.
func (e *Embedded) Close() { e.server.Close() }
