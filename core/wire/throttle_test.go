package wire

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/quota"
	"github.com/firnlog/firnlog/core/record"
)

func quotasOn(t testing.TB, kv coordination.KV, keys coordination.Keys) *quota.Quotas {
	t.Helper()
	q := quota.New(quota.Settings{KV: kv, Keys: keys, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = q.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ran })
	<-q.Loaded()
	return q
}

func limit(t testing.TB, q *quota.Quotas, e quota.Entity, key string, v float64) {
	t.Helper()
	if err := q.Alter(context.Background(), e, []quota.Op{{Key: key, Value: v}}, false); err != nil {
		t.Fatal(err)
	}
}

// limited is a bench with quotas, where nothing is limited yet.
func limited(t testing.TB, change ...func(*Settings)) *bench {
	t.Helper()
	b := newBench(t, change...)
	b.guards.Quotas = quotasOn(t, b.topics.kv, b.topics.keys)
	return b
}

// as gives a client an id.
func (b *bench) as(t testing.TB, id string) *client {
	c := b.dial(t)
	c.id = &id
	return c
}

// produceFor sends as much as is taken in a while, and gives how many bytes that was.
func produceFor(b *bench, c *client, batch int, d time.Duration) (bytes int) {
	req := produceOf(9, 1, "a", [16]byte{}, map[int32][]byte{0: batchOf(1, batch)})
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
		c.call(req)
		bytes += batch
	}
	return bytes
}

func TestThrottle_AProducerIsHeldToItsQuotaAndItsNeighbourIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t)
		b.topic(t, "a", 1)
		limit(t, b.guards.Quotas, quota.Entity{Client: quota.Named("greedy")}, quota.ProducerByteRate, 100_000)
		greedy, modest := b.as(t, "greedy"), b.as(t, "modest")
		sent := make(chan int)
		go func() { sent <- produceFor(b, greedy, 10_000, 20*time.Second) }()
		for range 100 {
			began := time.Now()
			modest.call(produceOf(9, 1, "a", [16]byte{}, map[int32][]byte{0: batchOf(1, 10_000)}))
			if d := time.Since(began); d > 0 {
				t.Fatalf("who has no quota waits %v for who has one", d)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if got := <-sent; got < 20*80_000 || got > 20*120_000 {
			t.Errorf("%d bytes in 20 s, with 100000 a second", got)
		}
		greedy.nc.Close()
		modest.nc.Close()
		synctest.Wait()
	})
}

func TestThrottle_AnswersAreGivenAtOnceAndTheConnectionIsNotReadUntilThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t)
		b.topic(t, "a", 1)
		var kinds []string
		b.events.Throttled = func(kind string, _ time.Duration) { kinds = append(kinds, kind) }
		limit(t, b.guards.Quotas, quota.Entity{User: quota.Any()}, quota.ProducerByteRate, 1000)
		c := b.dial(t)
		req := produceOf(9, 1, "a", [16]byte{}, map[int32][]byte{0: batchOf(1, 5000)})
		began := time.Now()
		resp := c.call(req).(*kmsg.ProduceResponse)
		if d := time.Since(began); d != 0 || resp.ThrottleMillis < 4000 || resp.ThrottleMillis > 4200 {
			t.Errorf("answered after %v, told to wait %d ms: want at once, some 4 s", d, resp.ThrottleMillis)
		}
		other := b.dial(t)
		other.call(metadataAll())
		if d := time.Since(began); d != 0 {
			t.Errorf("another connection, which uses nothing of it, waits %v", d)
		}
		c.call(metadataAll())
		if d := time.Since(began).Milliseconds(); d != int64(resp.ThrottleMillis) {
			t.Errorf("the connection was read after %d ms, told were %d", d, resp.ThrottleMillis)
		}
		if len(kinds) != 1 || kinds[0] != "produce" {
			t.Errorf("told of %v", kinds)
		}
		c.nc.Close()
		other.nc.Close()
		synctest.Wait()
	})
}

func TestThrottle_WhoIsMutedGoesWhenTheServerDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t)
		b.topic(t, "a", 1)
		limit(t, b.guards.Quotas, quota.Entity{User: quota.Any()}, quota.ProducerByteRate, 1)
		c := b.dial(t)
		c.call(produceOf(9, 1, "a", [16]byte{}, map[int32][]byte{0: batchOf(1, 5000)}))
		go func() { _, _ = c.nc.Write(frameOf(metadataAll(), 9, nil)) }()
		synctest.Wait()
		began := time.Now()
		if err := b.Shutdown(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		synctest.Wait()
	})
}

func TestThrottle_FetchesHoldASecondsWorthAndAreMutedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t)
		made := b.topic(t, "a", 1)
		b.logs.append(ingestOf(record.TopicPartition{Topic: made.ID}, batchOf(1, 8000)))
		limit(t, b.guards.Quotas, quota.Entity{User: quota.Named("ANONYMOUS")}, quota.ConsumerByteRate, 1000)
		c := b.dial(t)
		resp := c.call(fetchOf(11, "a", [16]byte{}, 0, 0)).(*kmsg.FetchResponse)
		if resp.ThrottleMillis < 6900 || resp.ThrottleMillis > 7200 || len(resp.Topics[0].Partitions[0].RecordBatches) < 8000 {
			t.Errorf("throttled for %d ms", resp.ThrottleMillis)
		}
		if got := b.logs.reads[0].BytesMax; got != 1000 {
			t.Errorf("asked for %d bytes", got)
		}
		began := time.Now()
		c.call(metadataAll())
		if d := time.Since(began).Milliseconds(); d != int64(resp.ThrottleMillis) {
			t.Errorf("read after %d ms, told were %d", d, resp.ThrottleMillis)
		}
		c.nc.Close()
		synctest.Wait()
	})
}

func TestThrottle_PartitionsThatAreMadeCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t)
		limit(t, b.guards.Quotas, quota.Entity{User: quota.Any()}, quota.MutationRate, 2)
		c := b.dial(t)
		req := kmsg.NewPtrCreateTopicsRequest()
		req.Version, req.TimeoutMillis = 5, 1000
		one := kmsg.NewCreateTopicsRequestTopic()
		one.Topic, one.NumPartitions, one.ReplicationFactor = "t", 10, 1
		req.Topics = append(req.Topics, one)
		if resp := c.call(req).(*kmsg.CreateTopicsResponse); resp.ThrottleMillis != 4000 {
			t.Errorf("%d ms, want 4000: %+v", resp.ThrottleMillis, resp)
		}
		c.nc.Close()
		synctest.Wait()
	})
}

func TestConnections_OfOneAddressAreBounded(t *testing.T) {
	b := newBench(t, func(s *Settings) { s.ConnectionsPerAddressMax = 2 })
	first := b.dial(t)
	b.dial(t)
	_, theirs := net.Pipe()
	if b.start(theirs, "") {
		t.Fatal("three connections where two are allowed")
	}
	first.nc.Close()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, again := net.Pipe(); b.start(again, "") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the place of who has gone is not free")
		}
	}
}

func TestConnections_OfStrangersAreBoundedByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t, Gate{}, func(s *Settings) { s.StrangersPerAddressMax = 1 })
		first := d.dial(t)
		synctest.Wait()
		second := d.dial(t)
		second.closed()
		first.nc.Close()
		synctest.Wait()
		third := d.dial(t)
		third.call(kmsg.NewPtrApiVersionsRequest())
		third.nc.Close()
		synctest.Wait()
	})
}

func TestConnections_ThatComeTooOftenAreHeldAndClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t)
		limit(t, b.guards.Quotas, quota.Entity{IP: quota.Any()}, quota.ConnectionRate, 1)
		_ = b.guards.Quotas.Connect("pipe") // the address of a net.Pipe; entities have real ones
		c := b.dial(t)
		began := time.Now()
		if _, err := c.nc.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		time.Sleep(time.Second)
		again := b.dial(t)
		again.call(metadataAll())
		again.nc.Close()
		synctest.Wait()
	})
}

func TestClientQuotas_AreSetShownAndRemoved(t *testing.T) {
	b := limited(t)
	c := b.dial(t)
	alter := kmsg.NewPtrAlterClientQuotasRequest()
	alter.Version = 1
	entry := func(key string, v float64, sides ...string) {
		e := kmsg.NewAlterClientQuotasRequestEntry()
		for i := 0; i < len(sides); i += 2 {
			side := kmsg.NewAlterClientQuotasRequestEntryEntity()
			if side.Type = sides[i]; sides[i+1] != "" {
				side.Name = &sides[i+1]
			}
			e.Entity = append(e.Entity, side)
		}
		op := kmsg.NewAlterClientQuotasRequestEntryOp()
		op.Key, op.Value = key, v
		e.Ops = append(e.Ops, op)
		alter.Entries = append(alter.Entries, e)
	}
	entry(quota.ProducerByteRate, 1024, quota.TypeUser, "alice", quota.TypeClient, "")
	entry(quota.ProducerByteRate, 2048, quota.TypeUser, "alice", quota.TypeClient, "")
	entry("nonsense", 1, quota.TypeUser, "bob")
	entry(quota.ProducerByteRate, 1, "planet", "mars")
	var codes []int16
	for _, e := range ask[*kmsg.AlterClientQuotasResponse](c, alter).Entries {
		codes = append(codes, e.ErrorCode)
	}
	if codes[0] != 0 || codes[1] != kerr.InvalidRequest.Code || codes[2] != kerr.InvalidRequest.Code || codes[3] != kerr.UnsupportedVersion.Code {
		t.Errorf("codes %v", codes)
	}
	describe := kmsg.NewPtrDescribeClientQuotasRequest()
	describe.Version = 1
	got := ask[*kmsg.DescribeClientQuotasResponse](c, describe).Entries
	if len(got) != 1 || len(got[0].Entity) != 2 || got[0].Entity[0].Type != quota.TypeClient || got[0].Entity[0].Name != nil || *got[0].Entity[1].Name != "alice" || got[0].Values[0].Value != 1024 {
		t.Errorf("%+v", got)
	}
	b.guards.Quotas = nil
	if resp := ask[*kmsg.DescribeClientQuotasResponse](c, describe); resp.ErrorCode != kerr.UnsupportedVersion.Code {
		t.Errorf("%+v", resp)
	}
}
