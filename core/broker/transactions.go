package broker

import (
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/txn"
)

// transactionsEvery is how often transactions that have timed out are looked for.
const transactionsEvery = 5 * time.Second

// transactions makes the part that knows transactional ids. What it does to the offsets of groups is theirs.
func (b *Broker) transactions(keys coordination.Keys) *txn.Coordinator {
	return txn.New(txn.Settings{
		KV: b.KV, Keys: keys, View: b.stream, Offsets: b.groups, Cluster: b.instances, Producers: b.producers, Log: b.Log.With("part", "transactions"),
		TimeoutMax: txn.DefaultTimeoutMax, IDRetention: txn.DefaultIDRetention,
	})
}
