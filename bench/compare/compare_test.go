//go:build stack

package compare

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/firnlog/firnlog/bench"
	"github.com/firnlog/firnlog/core/cost"
	"github.com/firnlog/firnlog/tests/apachekafka"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

var (
	minutes = flag.Float64("minutes", 1, "how long the tasks shall take, all together; from 4 on in three rounds")
	commit  = flag.String("commit", "unknown", "what was measured")
	write   = flag.String("write", "", "folder for BENCHMARKS.md and benchmarks.svg")
)

// TestCompare puts firnlog beside others (make bench).
func TestCompare(t *testing.T) {
	r := &Report{
		Machine: machine(), Date: time.Now().UTC().Format("2006-01-02 15:04 UTC"), Commit: *commit, Load: load(), Rounds: 1, Plot: "benchmarks.svg",
		Command: fmt.Sprintf("make bench MINUTES=%g", *minutes),
		Pairs:   [][2]string{{onFile, onKafka}, {onMinIO, onKafka}, {onMinIO, onTansu}},
	}
	if *minutes >= 4 {
		r.Rounds = 3
	}
	contenders(t, r)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	begun := time.Now()
	alive := r.Contenders[:0]
	for _, c := range r.Contenders {
		if err := c.WarmUp(ctx); err != nil {
			if c.Name != onTansu {
				t.Fatalf("%s: %v", c.Name, err)
			}
			r.Missing = append(r.Missing, fmt.Sprintf("%s, which failed at its warm-up: %v", c.Name, err))
			continue
		}
		t.Logf("%s: %.1f MiB/s when warm", c.Name, c.Speed/mib)
		alive = append(alive, c)
	}
	r.Contenders = alive
	shares := 0.0
	for _, task := range Tasks() {
		shares += task.Share
	}
	each := time.Duration(*minutes * float64(time.Minute) / (float64(r.Rounds*len(alive)) * shares))
	for round := range r.Rounds {
		for _, c := range alive {
			c.Round(ctx, round, each, t.Logf)
		}
	}
	t.Logf("all took %v", time.Since(begun).Round(time.Second))
	for _, c := range alive {
		if len(c.Failed) > 0 && c.Name != onTansu {
			t.Errorf("%s failed at %v", c.Name, c.Failed)
		}
	}
	text := r.Markdown()
	t.Logf("\n%s", text)
	if *write == "" {
		return
	}
	for name, data := range map[string][]byte{"BENCHMARKS.md": text, r.Plot: r.SVG()} {
		if err := os.WriteFile(filepath.Join(*write, name), data, 0o644); err != nil {
			t.Error(err)
		}
	}
}

// Names of the contenders.
const (
	onFile  = "firnlog, file"
	onMinIO = "firnlog, MinIO"
	onKafka = "Apache Kafka"
	onTansu = "Tansu, MinIO"
)

// contenders starts all of them.
func contenders(t *testing.T, r *Report) {
	prices, err := cost.ReadPrices(cost.BuiltIn())
	if err != nil {
		t.Fatal(err)
	}
	dev := harness.StartDev(t, t.TempDir())
	r.Contenders = append(r.Contenders, &Contender{
		Name: onFile, Kafka: dev.Kafka, Watched: bench.Watched{PIDs: []int{dev.Pid()}, HTTP: []string{dev.HTTP}, Prices: prices},
		Note: "`firnlog dev`: embedded etcd in the same process, objects in a folder; both sync to disk before a record is acknowledged; linger 10 ms",
	})
	k := apachekafka.StartForMeasuring(t)
	r.Contenders = append(r.Contenders, &Contender{
		Name: onKafka, Kafka: k.Bootstrap, Watched: bench.Watched{PIDs: []int{k.Pid()}},
		Note: "version " + apachekafka.Version() + ", one node in KRaft's combined mode, heap of 1 GiB, G1; its default durability: nothing is synced to disk before it is acknowledged",
	})
	cluster := harness.StartCluster(t, harness.Options{Brokers: 1})
	b := cluster.Brokers[0]
	r.Contenders = append(r.Contenders, &Contender{
		Name: onMinIO, Kafka: b.Kafka, Watched: bench.Watched{PIDs: []int{b.Pid()}, HTTP: []string{b.HTTP}, Prices: prices},
		Note: "`firnlog broker` on MinIO and etcd, each a process on this machine; linger 10 ms",
	})
	if c, why := tansu(t, cluster.MinIO); c != nil {
		r.Contenders = append(r.Contenders, c)
	} else {
		r.Missing = append(r.Missing, why)
	}
}
