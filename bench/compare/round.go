package compare

import (
	"context"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/bench"
)

// The load: values of 1 KiB, idempotent producers with acks=all that gather as franz-go does by default.
const (
	valueBytes = 1 << 10
	clients    = 2
	rate       = 1000 // records a second of the latency task
	warmBytes  = 48 << 20
	bytesMax   = 2 << 30
	// taskMax is where a contender has failed at a task.
	taskMax = 3 * time.Minute
)

func (t Task) name() string { return fmt.Sprintf("%s, %d partitions", t.Workload, t.Partitions) }

func (c *Contender) work(topic string, partitions int, size int64) *bench.Work {
	return &bench.Work{Kafka: []string{c.Kafka}, Topic: topic, Partitions: partitions, Bytes: size, ValueBytes: valueBytes, Clients: clients, Linger: -1, Versions: c.Versions}
}

// WarmUp writes and reads until compilers and caches have seen everything once, and finds out how many bytes a task may have.
func (c *Contender) WarmUp(ctx context.Context) error {
	c.Results, c.Failed = map[string][]*bench.Result{}, map[string]string{}
	idle, err := bench.UsageOf(c.Watched.PIDs...)
	if err != nil {
		return err
	}
	c.Idle = idle.Memory
	for i, size := range []int64{warmBytes / 8, warmBytes} { // the first is for the compiler alone
		w := c.work(fmt.Sprint("warm-", i), 12, size)
		if err := w.MakeTopic(ctx); err != nil {
			return err
		}
		for _, workload := range []string{bench.WorkProduce, bench.WorkCatchUp} {
			r, err := bench.Run(ctx, w, workload, &c.Watched)
			if err != nil {
				return err
			}
			if workload == bench.WorkProduce {
				c.Speed = r.BytesPerSecond()
			}
		}
		if err := w.RemoveTopic(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Round does all tasks once, each for about so long by what the warm-up found. A task that fails is remembered and not tried again.
func (c *Contender) Round(ctx context.Context, number int, each time.Duration, say func(format string, args ...any)) {
	var full *bench.Work
	for i, t := range Tasks() {
		if _, failed := c.Failed[t.name()]; failed {
			continue
		}
		w := full
		if t.Workload != bench.WorkCatchUp {
			w = c.work(fmt.Sprintf("round-%d-%d", number, i), t.Partitions, min(int64(c.Speed*each.Seconds()*t.Share), bytesMax))
		}
		if t.Workload == bench.WorkLatency {
			w.Rate, w.Bytes = rate, int64(each.Seconds()*rate)*valueBytes
		}
		r, err := c.do(ctx, t, w)
		if err != nil {
			c.Failed[t.name()] = err.Error()
			say("%s: %s: %v", c.Name, t.name(), err)
		} else {
			c.Results[t.name()] = append(c.Results[t.name()], r)
			say("%s: %s: %.1f MiB/s", c.Name, t.name(), r.BytesPerSecond()/mib)
		}
		if err == nil && t == Tasks()[0] {
			full = w // catchup reads it
			continue
		}
		c.remove(ctx, w, say)
	}
	c.remove(ctx, full, say) // where catchup was not tried
}

func (c *Contender) do(ctx context.Context, t Task, w *bench.Work) (*bench.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, taskMax)
	defer cancel()
	if w == nil {
		return nil, fmt.Errorf("nothing was written that could be read")
	}
	if t.Workload != bench.WorkCatchUp {
		if err := w.MakeTopic(ctx); err != nil {
			return nil, err
		}
	}
	if t.Workload == bench.WorkProduce {
		if err := bench.Prime(ctx, w); err != nil {
			return nil, err
		}
	}
	return bench.Run(ctx, w, t.Workload, &c.Watched)
}

func (c *Contender) remove(ctx context.Context, w *bench.Work, say func(format string, args ...any)) {
	if w == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, taskMax)
	defer cancel()
	if err := w.RemoveTopic(ctx); err != nil {
		say("%s: %v", c.Name, err)
	}
}
