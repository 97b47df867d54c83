package coretest

import (
	"io"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/objectstore"
)

// Reach gives etcd and the bucket as somebody by this name reaches them, with faults and transcript, and ids of its own: for
// what is put together elsewhere.
func (c *Cluster) Reach(name string) (*coordination.Fault, *objectstore.Fault, io.Reader) {
	clock := objectstore.SystemClock()
	kv := coordination.NewFault(c.Etcd, func(op coordination.Op, key string) coordination.Decision { return c.decideKV(name, op, key) }, clock.Sleep)
	store := objectstore.NewFault(c.Disk, func(op objectstore.Op, key string) objectstore.Decision { return c.decideStore(name, op, key) }, clock)
	return kv, store, c.entropy()
}
