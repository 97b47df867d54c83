package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/firnlog/firnlog/core/cost"
)

// Workloads that Run knows.
const (
	WorkProduce = "produce" // as fast as it is taken
	WorkCatchUp = "catchup" // read from the first record what produce has written
	WorkTail    = "tail"    // read what is being written
	WorkLatency = "latency" // the same at a fixed rate
)

// Watched is what is looked at beside the clients.
type Watched struct {
	PIDs   []int    // of the broker's processes, on this machine
	HTTP   []string // of firnlog brokers: their request counters
	Prices cost.Prices
}

// Result is what one workload came to. Sizes are of values.
type Result struct {
	Workload   string  `json:"workload"`
	Partitions int     `json:"partitions"`
	Records    int     `json:"records"`
	Bytes      int64   `json:"bytes"` // written, or read for catchup
	Seconds    float64 `json:"seconds"`
	// Produce and EndToEnd: until a record is acknowledged, and until a consumer has it. The latter at a fixed rate alone.
	Produce  *Latency `json:"produce,omitempty"`
	EndToEnd *Latency `json:"endToEnd,omitempty"`
	// CPUSeconds of the broker; CPUPerGiB is for each GiB in or out. 0: nobody said which processes.
	CPUSeconds    float64 `json:"cpuSeconds,omitempty"`
	CPUPerGiB     float64 `json:"cpuSecondsPerGiB,omitempty"`
	MemoryPeak    int64   `json:"memoryPeak,omitempty"` // since the broker was started
	ClientSeconds float64 `json:"clientCpuSeconds"`
	// Requests of the broker meanwhile to its object store.
	Requests      *cost.Requests `json:"requests,omitempty"`
	DollarsPerGiB float64        `json:"dollarsPerGiB,omitempty"`
}

// BytesPerSecond is how fast it went.
func (r *Result) BytesPerSecond() float64 { return float64(r.Bytes) / r.Seconds }

// Latency of many operations, in milliseconds.
type Latency struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
}

func latency(t *Times) *Latency {
	if t.Count() == 0 {
		return nil
	}
	ms := func(share float64) float64 { return float64(t.At(share).Microseconds()) / 1000 }
	return &Latency{ms(0.5), ms(0.99), ms(0.999)}
}

// Run does one workload on the topic of w, which must be empty, or full for catchup.
func Run(ctx context.Context, w *Work, workload string, watched *Watched) (*Result, error) {
	var reader *Reader
	if workload != WorkProduce {
		var err error
		if reader, err = NewReader(ctx, w, workload != WorkCatchUp); err != nil {
			return nil, err
		}
		defer reader.Close()
	}
	before, err := watched.read(ctx)
	if err != nil {
		return nil, err
	}
	self := Self()
	in, out, err := w.move(ctx, workload, reader)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", workload, err)
	}
	self = Self() - self
	after, err := watched.read(ctx)
	if err != nil {
		return nil, err
	}
	r := &Result{Workload: workload, Partitions: w.Partitions, ClientSeconds: self.Seconds()}
	moved := int64(0)
	if out != nil {
		r.add(out)
		r.EndToEnd, moved = latency(out.Times), out.Bytes
	}
	if in != nil {
		r.add(in)
		r.Produce, moved = latency(in.Times), moved+in.Bytes
	}
	r.charge(before, after, moved, in, watched)
	return r, nil
}

func (r *Result) add(f *Flow) {
	r.Records, r.Bytes, r.Seconds = f.Records, f.Bytes, max(r.Seconds, f.Took.Seconds())
}

// move lets the bytes flow: in, out, or both at a time.
func (w *Work) move(ctx context.Context, workload string, reader *Reader) (in, out *Flow, err error) {
	switch workload {
	case WorkProduce:
		in, err = Produce(ctx, w)
		return in, nil, err
	case WorkCatchUp:
		out, err = reader.Read(ctx, w.Records())
		return nil, out, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		flow *Flow
		err  error
	}
	read := make(chan result, 1)
	go func() {
		flow, err := reader.Read(ctx, w.Records())
		read <- result{flow, err}
	}()
	if in, err = Produce(ctx, w); err != nil {
		cancel()
		<-read
		return nil, nil, err
	}
	got := <-read
	return in, got.flow, got.err
}

const gib = 1 << 30

// charge adds what the broker has used.
func (r *Result) charge(before, after reading, moved int64, in *Flow, watched *Watched) {
	if len(watched.PIDs) > 0 {
		r.CPUSeconds = (after.usage.CPU - before.usage.CPU).Seconds()
		r.CPUPerGiB = r.CPUSeconds / (float64(moved) / gib)
		r.MemoryPeak = after.usage.Memory
	}
	if len(watched.HTTP) == 0 {
		return
	}
	a, b := after.requests, before.requests
	r.Requests = &cost.Requests{Put: a.Put - b.Put, Get: a.Get - b.Get, List: a.List - b.List, Delete: a.Delete - b.Delete, Counted: true, How: a.How}
	if in != nil {
		r.DollarsPerGiB = watched.Prices.Requests(r.Requests) / (float64(in.Bytes) / gib)
	}
}

// reading is what counters say at one moment.
type reading struct {
	usage    Usage
	requests cost.Requests
}

const metricsTimeout = 10 * time.Second

func (w *Watched) read(ctx context.Context) (r reading, err error) {
	if r.usage, err = UsageOf(w.PIDs...); err != nil {
		return r, err
	}
	client := &http.Client{Timeout: metricsTimeout}
	defer client.CloseIdleConnections()
	for _, address := range w.HTTP {
		one, e := cost.Counted(ctx, client, address)
		err = errors.Join(err, e)
		r.requests.Put += one.Put
		r.requests.Get += one.Get
		r.requests.List += one.List
		r.requests.Delete += one.Delete
		r.requests.How = one.How
	}
	return r, err
}
