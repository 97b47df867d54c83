package broker

import (
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/fork"
	"github.com/firnlog/firnlog/objectstore"
)

// forkArchiveBytes are for the manifests of a topic that is forked at a time.
const forkArchiveBytes = 4 << 20

func (b *Broker) forker(store objectstore.Store, keys coordination.Keys) *fork.Forker {
	return fork.New(fork.Settings{
		Store: store, KV: b.KV, Keys: keys, Stream: b.stream, Archive: archive.New(store, forkArchiveBytes), Cover: b.upkeep.Cover, NewID: newTopicID, Now: time.Now,
		LookBack: fork.LookBack,
	})
}
