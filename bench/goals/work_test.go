//go:build stack

package goals

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/firnlog/firnlog/bench"
)

const (
	mib        = 1 << 20
	gib        = 1 << 30
	valueBytes = 1 << 10
	clients    = 2 // producers
)

// sums are CPU seconds for each GiB, but for the first.
type sums struct {
	speed   float64 // MiB a second
	machine float64 // whoever worked, client included
	client  float64 // this process
	broker  float64
	others  float64 // those who have nothing to do with it
	puts    float64
}

// measured runs something that moves so many bytes, and gives what the machine did meanwhile. Servers are the processes that have to do
// with it, beside this one. What was left to be written to disk is written before, and that of the work is part of it.
func measured(t *testing.T, size int64, servers []int, work func()) sums {
	t.Helper()
	var s sums
	take := func() (machine, self, others float64) {
		b, err := Busy()
		if err != nil {
			t.Fatal(err)
		}
		u, err := bench.UsageOf(servers...)
		if err != nil {
			t.Fatal(err)
		}
		machine, self = b.Seconds(), bench.Self().Seconds()
		return machine, self, machine - self - u.CPU.Seconds()
	}
	per := float64(size) / gib
	syscall.Sync()
	machine, self, others := take()
	began := time.Now()
	work()
	s.speed = float64(size) / mib / time.Since(began).Seconds()
	syscall.Sync()
	machine2, self2, others2 := take()
	s.machine, s.client, s.others = (machine2-machine)/per, (self2-self)/per, (others2-others)/per
	return s
}

// of gives one number of each round, and their median.
func of(rounds []sums, number func(*sums) float64) float64 {
	var all []float64
	for i := range rounds {
		all = append(all, number(&rounds[i]))
	}
	return Median(all)
}

// run does one workload on a topic of its own, which is removed again.
func run(t *testing.T, w *bench.Work, workload string, watched *bench.Watched, servers ...int) (*bench.Result, sums) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := w.MakeTopic(ctx); err != nil {
		t.Fatal(err)
	}
	if w.Rate == 0 && workload == bench.WorkProduce { // tail and latency read from the first record on
		if err := bench.Prime(ctx, w); err != nil {
			t.Fatal(err)
		}
	}
	var r *bench.Result
	s := measured(t, w.Bytes, append(servers, watched.PIDs...), func() {
		var err error
		if r, err = bench.Run(ctx, w, workload, watched); err != nil {
			t.Fatal(err)
		}
	})
	s.speed = r.BytesPerSecond() / mib
	s.broker = r.CPUSeconds / (float64(r.Bytes) / gib)
	if r.Requests != nil {
		s.puts = r.Requests.Put / (float64(r.Bytes) / gib)
	}
	if err := w.RemoveTopic(ctx); err != nil {
		t.Fatal(err)
	}
	return r, s
}

// load is as many bytes as can be taken.
func load(kafka, topic string, partitions int, size int64) *bench.Work {
	return &bench.Work{Kafka: []string{kafka}, Topic: topic, Partitions: partitions, Bytes: size, ValueBytes: valueBytes, Clients: clients, Linger: -1}
}

func name(parts ...any) string { return fmt.Sprint(append([]any{"goal-"}, parts...)...) }
