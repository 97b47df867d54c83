//go:build !crash

package place

import (
	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/objectstore"
)

// crashing is for tests of what a death in the middle of an invocation leaves behind: built with the tag crash, a function kills itself there.
func crashing(store objectstore.Store, kv coordination.KV) (objectstore.Store, coordination.KV) {
	return store, kv
}
