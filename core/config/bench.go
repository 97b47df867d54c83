package config

import (
	"errors"
	"fmt"
	"time"
)

// Bench are the settings of firnlog bench.
type Bench struct {
	Client
	Workloads  []string      `name:"workload" default:"produce,catchup,tail,latency" enum:"produce,catchup,tail,latency" help:"What to measure, in this order: produce as fast as it is taken; catchup reads that from the first record; tail reads what is being written; latency does so at a fixed rate."`
	Partitions int           `name:"partitions" default:"12" help:"Partitions of each topic that is made for it."`
	Bytes      Bytes         `name:"bytes" default:"256MiB" help:"Bytes of values that produce and tail write."`
	ValueBytes int           `name:"value-bytes" default:"1024" help:"Bytes of each value, half of them random."`
	Clients    int           `name:"clients" default:"2" help:"Producers side by side, each with a connection of its own."`
	Linger     time.Duration `name:"linger" default:"-1ms" help:"How long the producers gather. Below 0: as the client does by default."`
	Plain      bool          `name:"plain" help:"Producers without idempotence."`
	Rate       int           `name:"rate" default:"1000" help:"Records a second of latency, over all clients."`
	For        time.Duration `name:"for" default:"10s" help:"How long latency goes on."`
	PID        []int         `name:"pid" placeholder:"PID" help:"A process of the broker on this machine, for CPU time and memory; may be repeated."`
	HTTP       []string      `name:"http" placeholder:"HOST:PORT" help:"HTTP address of a firnlog instance, for its requests to the object store and what they cost; may be repeated."`
	Timeout    time.Duration `name:"timeout" default:"10m" help:"Give up after this time."`
}

// Validate reports all that is wrong at once.
func (b *Bench) Validate() error {
	var errs []error
	for name, v := range map[string]int{"partitions": b.Partitions, "clients": b.Clients, "rate": b.Rate} {
		if v < 1 {
			errs = append(errs, fmt.Errorf("--%s %d: want at least 1", name, v))
		}
	}
	if b.ValueBytes < 8 || b.ValueBytes > 1<<20 {
		errs = append(errs, fmt.Errorf("--value-bytes %d: want 8 to 1048576: a value says when it was sent, and must fit into a batch", b.ValueBytes))
	}
	if int64(b.Bytes) < int64(b.ValueBytes) {
		errs = append(errs, fmt.Errorf("--bytes %s: less than one value", b.Bytes))
	}
	if b.For <= 0 || b.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("--for %v, --timeout %v: want more than 0", b.For, b.Timeout))
	}
	return errors.Join(errs...)
}
