package broker

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

const offsetsRetention = 7 * 24 * time.Hour // Kafka's

// coordinator makes the part that knows consumer groups.
func (b *Broker) coordinator(keys coordination.Keys) *group.Coordinator {
	limits := group.DefaultLimits()
	limits.InitialDelay, limits.MembersMax = b.GroupDelay, b.GroupSizeMax
	limits.SessionMin = cmp.Or(b.GroupSessionMin, limits.SessionMin)
	limits.SessionMax = cmp.Or(b.GroupSessionMax, limits.SessionMax)
	limits.ConsumerSession = cmp.Or(b.GroupConsumerSession, limits.ConsumerSession)
	limits.ConsumerHeartbeat = cmp.Or(b.GroupConsumerHeartbeat, limits.ConsumerHeartbeat)
	return group.New(group.Settings{
		KV: b.KV, Keys: keys, View: b.stream, Cluster: b.instances, Now: time.Now, NewID: newMemberID,
		Log: b.Log.With("part", "groups"), Limits: limits, OffsetsRetention: cmp.Or(b.OffsetsRetention, offsetsRetention),
	})
}

func newMemberID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return hex.EncodeToString(id[:])
}

// groupLag shows how far the groups that are coordinated here are behind.
func (b *Broker) groupLag(emit func(v float64, labels ...string)) {
	b.groups.EachLag(func(tp record.TopicPartition) (end record.Offset, ok bool) {
		_ = b.stream.View(func(l *ledger.Ledger) {
			if ok = l.Has(tp); ok {
				end = l.Partition(tp).Next()
			}
		})
		return end, ok
	}, func(group, topic string, lag int64) { emit(float64(lag), group, topic) })
}
