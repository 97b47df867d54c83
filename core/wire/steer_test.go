package wire

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func fetchCode(resp kmsg.Response) int16 {
	return resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].ErrorCode
}

func TestSteer_AnswersWhoWaitsAndSendsProduceAndFetchAway(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 1)
	b.topic(t, "quiet", 1) // else who waits may be given what is written first
	waiting, busy, other := b.dial(t), b.dial(t), b.dial(t)
	b.logs.gate = make(chan struct{})
	first := produceOf(9, 1, "a", [16]byte{}, map[int32][]byte{0: batchOf(1, 5)})
	busy.send(first)
	poll := fetchOf(11, "quiet", [16]byte{}, 0, 300_000)
	waiting.send(poll)
	for b.logs.added() == 0 || b.logs.polls() == 0 {
		runtime.Gosched()
	}
	b.Steer()
	if _, resp := waiting.receive(poll); fetchCode(resp) != kerr.NotLeaderForPartition.Code {
		t.Errorf("who waited was told %d", fetchCode(resp))
	}
	if _, resp := waiting.receiveAfter(poll); fetchCode(resp) != kerr.NotLeaderForPartition.Code {
		t.Errorf("who came again was told %d", fetchCode(resp))
	}
	second := produceOf(9, 1, "a", [16]byte{}, map[int32][]byte{0: batchOf(1, 5)})
	if got := ask[*kmsg.ProduceResponse](other, second).Topics[0].Partitions[0].ErrorCode; got != kerr.NotLeaderForPartition.Code {
		t.Errorf("a new Produce was told %d", got)
	}
	if n := b.logs.added(); n != 1 {
		t.Errorf("%d Produce requests were handed on, want the one from before", n)
	}
	close(b.logs.gate)
	if _, resp := busy.receive(first); resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode != 0 {
		t.Error("the Produce from before was not finished")
	}
	if got := ask[*kmsg.MetadataResponse](other, metadataAll()); len(got.Brokers) != 3 {
		t.Errorf("Metadata names %d brokers", len(got.Brokers))
	}
	unanswered := produceOf(9, 0, "a", [16]byte{}, map[int32][]byte{0: batchOf(1, 5)})
	other.send(unanswered)
	for b.logs.added() < 2 {
		runtime.Gosched()
	}
}

func TestSteerProducers_WaitsForThoseThatWereTakenAndLetsReadersBe(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 1)
	b.topic(t, "quiet", 1)
	waiting, busy, other := b.dial(t), b.dial(t), b.dial(t)
	b.logs.gate = make(chan struct{})
	taken := produceOf(9, 1, "a", [16]byte{}, map[int32][]byte{0: batchOf(1, 5)})
	busy.send(taken)
	waiting.send(fetchOf(11, "quiet", [16]byte{}, 0, 300_000))
	for b.logs.added() == 0 || b.logs.polls() == 0 {
		runtime.Gosched()
	}
	steered := make(chan struct{})
	go func() {
		b.SteerProducers(t.Context())
		close(steered)
	}()
	refused := produceOf(9, 1, "a", [16]byte{}, map[int32][]byte{0: batchOf(1, 5)})
	for !b.refusing.Load() {
		runtime.Gosched()
	}
	late, before := b.dial(t), b.wanted.Load()
	late.send(refused)
	for b.wanted.Load() == before { // it has come
		runtime.Gosched()
	}
	select {
	case <-steered:
		t.Error("it did not wait for a Produce that was taken")
	default:
	}
	if got := fetchCode(ask[*kmsg.FetchResponse](other, fetchOf(11, "a", [16]byte{}, 0, 0))); got != 0 {
		t.Errorf("a reader was told %d", got)
	}
	close(b.logs.gate)
	if _, resp := busy.receive(taken); resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode != 0 {
		t.Error("the Produce from before was not finished")
	}
	<-steered // though one that was not taken has no answer
	late.nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := late.nc.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a Produce that was not taken was answered before Metadata could leave this instance out: %v", err)
	}
	late.nc.SetReadDeadline(time.Time{})
	b.Steer()
	if _, resp := late.receive(refused); resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode != kerr.NotLeaderForPartition.Code {
		t.Error("a Produce that was not taken was not sent away")
	}
}

func TestMetadata_LeavesOutWhoIsHidden(t *testing.T) {
	b := newBench(t)
	leaves := node(2, "")
	leaves.Draining, leaves.Hidden = true, true
	b.cluster.set(node(1, ""), leaves, node(3, ""))
	if got := ask[*kmsg.MetadataResponse](b.dial(t), metadataAll()); len(got.Brokers) != 2 {
		t.Errorf("Metadata names %d brokers, want the two that are not hidden", len(got.Brokers))
	}
	if got := ask[*kmsg.DescribeClusterResponse](b.dial(t), kmsg.NewPtrDescribeClusterRequest()); len(got.Brokers) != 2 {
		t.Errorf("DescribeCluster names %d brokers, want the two that are not hidden", len(got.Brokers))
	}
}

func (c *client) receiveAfter(req kmsg.Request) (int32, kmsg.Response) {
	c.t.Helper()
	c.send(req)
	return c.receive(req)
}

func TestAwaitQuiet_WaitsForClientsThatStillCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.topic(t, "a", 1)
		c := b.dial(t)
		b.Steer()
		began := time.Now()
		go func() {
			time.Sleep(400 * time.Millisecond)
			c.receiveAfter(fetchOf(11, "a", [16]byte{}, 0, 0))
		}()
		b.AwaitQuiet(t.Context(), 500*time.Millisecond)
		if took := time.Since(began); took < 900*time.Millisecond || took > time.Second {
			t.Errorf("quiet after %v, want 500 ms after the last request, which came at 400 ms", took)
		}
		c.nc.Close()
		synctest.Wait()
		b.Steer()
		began = time.Now()
		b.AwaitQuiet(t.Context(), time.Hour)
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %v for nobody", took)
		}
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestMetadata_WhatDrainsLeadsNothingAndIsStillABroker(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 30)
	leaves := node(2, "")
	leaves.Draining = true
	b.cluster.set(node(1, ""), leaves, node(3, ""))
	got := ask[*kmsg.MetadataResponse](b.dial(t), metadataAll())
	if len(got.Brokers) != 3 {
		t.Errorf("%d brokers, want all three: clients still ask the one that leaves", len(got.Brokers))
	}
	for _, p := range got.Topics[0].Partitions {
		if p.Leader == 2 || slices.Contains(p.Replicas, 2) {
			t.Errorf("partition %d: leader %d of %v", p.Partition, p.Leader, p.Replicas)
		}
	}
	for _, group := range []string{"a", "b", "c", "d", "e", "f"} {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.Version, req.CoordinatorKey = 3, group
		if got := ask[*kmsg.FindCoordinatorResponse](b.dial(t), req); got.NodeID == 2 || got.ErrorCode != 0 {
			t.Errorf("coordinator of %s: %d, error %d", group, got.NodeID, got.ErrorCode)
		}
	}
}
