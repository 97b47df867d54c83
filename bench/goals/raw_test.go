//go:build stack

package goals

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/minio"
	"github.com/firnlog/firnlog/objectstore/storetest/servers"
)

// As the broker does by default.
const (
	segmentBytes = 8 << 20
	uploads      = 4
)

// bucket is one of its own on a server, through the broker's own client of it.
func bucket(t *testing.T, server *servers.Server, name string) objectstore.Store {
	t.Helper()
	for _, pair := range server.Environ() {
		key, value, _ := strings.Cut(pair, "=")
		t.Setenv(key, value)
	}
	store, err := minio.Open(minio.Options{Endpoint: server.Endpoint, Bucket: name})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

// put writes so many bytes in objects of one segment each, several at a time.
func put(t *testing.T, store objectstore.Store, round int, size int64) {
	t.Helper()
	body := make([]byte, segmentBytes)
	dice := rand.NewChaCha8([32]byte{1})
	_, _ = dice.Read(body) // never fails
	count := int(size / segmentBytes)
	next := make(chan int, count)
	for i := range count {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	for range uploads {
		wg.Go(func() {
			for i := range next {
				if err := store.Put(t.Context(), key(round, i), body); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func remove(t *testing.T, store objectstore.Store, round int, size int64) {
	t.Helper()
	var keys []string
	for i := range int(size / segmentBytes) {
		keys = append(keys, key(round, i))
	}
	if err := store.Delete(t.Context(), keys...); err != nil {
		t.Fatal(err)
	}
}

func key(round, i int) string { return fmt.Sprintf("round-%d/%04d", round, i) }
