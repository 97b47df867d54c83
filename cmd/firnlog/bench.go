package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/firnlog/firnlog/bench"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/cost"
)

type benchCommand struct{ config.Bench }

// Run measures one workload after the other, each on a topic of its own but catchup, which reads what produce wrote.
func (c *benchCommand) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	prices, err := cost.ReadPrices(cost.BuiltIn())
	if err != nil {
		return err
	}
	watched := &bench.Watched{PIDs: c.PID, HTTP: c.HTTP, Prices: prices}
	full := &bench.Work{} // what catchup reads; no topic until something was written
	defer func() { c.remove(full) }()
	var all []*bench.Result
	for _, workload := range c.Workloads {
		w, err := c.prepare(ctx, workload, full)
		if err == nil {
			var r *bench.Result
			if r, err = bench.Run(ctx, w, workload, watched); err == nil {
				all = append(all, r)
				fmt.Fprintf(os.Stderr, "%s: %s in %.1f s\n", workload, size(r.Bytes), r.Seconds)
			}
		}
		if w != full {
			if full.Topic == "" && workload == bench.WorkProduce {
				full, w = w, full
			}
			c.remove(w)
		}
		if err != nil {
			return c.explain(err)
		}
	}
	return printed(&c.Client, all, benchRows(all)...)
}

// prepare makes the topic of a workload: catchup reads what is full, or what is written for it now.
func (c *benchCommand) prepare(ctx context.Context, workload string, full *bench.Work) (*bench.Work, error) {
	if workload == bench.WorkCatchUp && full.Topic != "" {
		return full, nil
	}
	w := c.work(workload)
	err := w.MakeTopic(ctx)
	if err == nil && workload == bench.WorkProduce {
		err = bench.Prime(ctx, w)
	}
	if err == nil && workload == bench.WorkCatchUp {
		_, err = bench.Produce(ctx, w)
	}
	return w, err
}

func (c *benchCommand) work(workload string) *bench.Work {
	w := &bench.Work{
		Kafka: []string{c.Kafka}, Topic: "firnlog-bench-" + workload + "-" + rand.Text()[:8], Partitions: c.Partitions,
		Bytes: int64(c.Bytes), ValueBytes: c.ValueBytes, Clients: c.Clients, Linger: c.Linger, Plain: c.Plain,
	}
	if workload == bench.WorkLatency {
		w.Rate = c.Rate
		w.Bytes = int64(float64(c.Rate) * c.For.Seconds() * float64(c.ValueBytes))
	}
	return w
}

// remove deletes the topic of w, also when the measurement was interrupted.
func (c *benchCommand) remove(w *bench.Work) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := w.RemoveTopic(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func (c *benchCommand) explain(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("not done after --timeout %v: is there a broker at --kafka %s? %w", c.Timeout, c.Kafka, err)
	}
	return err
}

func benchRows(all []*bench.Result) [][]string {
	rows := [][]string{{"WORKLOAD", "PARTITIONS", "MiB/s", "RECORDS/s", "PRODUCE ms p50/p99/p99.9", "END TO END ms p50/p99/p99.9", "BROKER CPU s/GiB in+out", "BROKER MEMORY", "PUT", "GET", "$/GiB"}}
	times := func(l *bench.Latency) string {
		if l == nil {
			return "-"
		}
		return fmt.Sprintf("%.1f / %.1f / %.1f", l.P50, l.P99, l.P999)
	}
	for _, r := range all {
		row := []string{
			r.Workload, fmt.Sprint(r.Partitions), fmt.Sprintf("%.1f", r.BytesPerSecond()/(1<<20)), fmt.Sprintf("%.0f", float64(r.Records)/r.Seconds),
			times(r.Produce), times(r.EndToEnd), "-", "-", "-", "-", "-",
		}
		if r.MemoryPeak > 0 {
			row[6], row[7] = fmt.Sprintf("%.2f", r.CPUPerGiB), size(r.MemoryPeak)
		}
		if r.Requests != nil {
			row[8], row[9] = fmt.Sprintf("%.0f", r.Requests.Put), fmt.Sprintf("%.0f", r.Requests.Get)
			row[10] = dollars(r.DollarsPerGiB)
		}
		rows = append(rows, row)
	}
	return rows
}
