package rest

import (
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/txn"
)

// abort writes a record to partition 0 in a transaction, and aborts it.
func (a *api) abort(topic, value string) {
	a.Helper()
	t, found := a.instance.Stream.TopicByName(topic)
	if !found {
		a.Fatalf("topic %s is not there", topic)
	}
	who, err := a.instance.Txns.Init(a.Context(), "x", 60_000, txn.Identity{Producer: record.NoProducer, Epoch: -1})
	if err != nil {
		a.Fatal(err)
	}
	a.instance.MustProduce(coretest.Transactional("x", record.TopicPartition{Topic: t.ID}, who.Producer, who.Epoch, 0, value))
	if _, err := a.instance.Txns.End(a.Context(), "x", who, false, true); err != nil {
		a.Fatal(err)
	}
}
