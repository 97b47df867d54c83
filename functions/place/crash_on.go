//go:build crash

package place

import (
	"context"
	"os"
	"strings"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/objectstore"
)

// crashing lets this process kill itself right after an operation succeeded, while nobody has been told so. The file that
// FIRNLOG_CRASH names says after which: "put" or "commit", a space, and a part of the key. It is removed first, so that the next
// environment lives.
func crashing(store objectstore.Store, kv coordination.KV) (objectstore.Store, coordination.KV) {
	c := crash{os.Getenv("FIRNLOG_CRASH")}
	return crashStore{store, c}, crashKV{kv, c}
}

type crash struct{ file string }

func (c crash) after(op, key string) {
	text, err := os.ReadFile(c.file)
	if err != nil {
		return
	}
	wanted, part, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if wanted != op || !strings.Contains(key, part) || os.Remove(c.file) != nil {
		return
	}
	self, _ := os.FindProcess(os.Getpid()) // never fails (Unix)
	_ = self.Kill()
	select {}
}

type crashStore struct {
	objectstore.Store
	crash
}

func (s crashStore) Put(ctx context.Context, key string, body ...[]byte) error {
	err := s.Store.Put(ctx, key, body...)
	if err == nil {
		s.after("put", key)
	}
	return err
}

type crashKV struct {
	coordination.KV
	crash
}

func (k crashKV) Commit(ctx context.Context, guards []coordination.Guard, changes []coordination.Change, orElse ...string) (coordination.Result, error) {
	r, err := k.KV.Commit(ctx, guards, changes, orElse...)
	if err == nil && len(changes) > 0 {
		k.after("commit", changes[0].Key)
	}
	return r, err
}
