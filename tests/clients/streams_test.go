//go:build stack

package clients

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/apachekafka"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// Kafka Streams with exactly_once_v2. Two instances of an application work while input comes in, and they and a broker are killed again and again.
// In the end the output, read committed, must be exactly what the input comes to:
//
//	count   the counts of a word are 1, 2, 3, … in this order, each once
//	join    each pair of records with the same key, once

// topology is an application and what must come out of it.
type topology struct {
	name   string
	topics []string // it reads
	// record gives number n of the input: its topic without prefix, key and value.
	record func(n int) (topic, key, value string)
	// judge compares what came out of n records, in the order of each key.
	judge func(n int, out map[string][]string) error
}

var words = strings.Fields("firn is old snow that has settled under new snow and is not yet ice")

func counting() topology {
	line := func(n int) []string {
		return []string{words[n%len(words)], words[(n*7+3)%len(words)], words[(n*n)%len(words)]}
	}
	return topology{
		name: "count", topics: []string{"in"},
		record: func(n int) (string, string, string) { return "in", strconv.Itoa(n), strings.Join(line(n), " ") },
		judge: func(n int, out map[string][]string) error {
			want := map[string]int{}
			for i := range n {
				for _, w := range line(i) {
					want[w]++
				}
			}
			for word, total := range want {
				if err := counted(word, total, out[word]); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// counted wants 1, 2, 3, … up to the total.
func counted(word string, total int, got []string) error {
	for i, c := range got {
		if c != strconv.Itoa(i+1) {
			return fmt.Errorf("count %d of %q is %s: something was lost or counted twice", i+1, word, c)
		}
	}
	if len(got) != total {
		return fmt.Errorf("%q was counted up to %d, want %d", word, len(got), total)
	}
	return nil
}

// joining has four records a key: left 0 and 1, right 0 and 1.
func joining() topology {
	return topology{
		name: "join", topics: []string{"left", "right"},
		record: func(n int) (string, string, string) {
			topic := []string{"left", "right"}[n%2]
			return topic, strconv.Itoa(n / 4), fmt.Sprint(topic, n/2%2)
		},
		judge: func(n int, out map[string][]string) error {
			for key := range n / 4 {
				seen := map[string]int{}
				for _, pair := range out[strconv.Itoa(key)] {
					seen[pair]++
				}
				for _, pair := range []string{"left0+right0", "left0+right1", "left1+right0", "left1+right1"} {
					if seen[pair] != 1 {
						return fmt.Errorf("pair %s of key %d came out %d times", pair, key, seen[pair])
					}
				}
			}
			return nil
		},
	}
}

// TestExactlyOnce runs both applications, one after the other.
func TestExactlyOnce(t *testing.T) {
	title, start := heading(t), time.Now()
	cluster := harness.StartCluster(t, harness.Options{Brokers: 3})
	var results []used
	for _, app := range []topology{counting(), joining()} {
		if *quick && app.name != "count" {
			continue
		}
		t.Run(app.name, func(t *testing.T) {
			kills, records, err := exactlyOnce(t, cluster, app)
			if err != nil {
				t.Error(err)
			}
			what := fmt.Sprintf("%s of %d records with exactly_once_v2, two instances: %s; the output is exact", map[string]string{
				"count": "word count", "join": "windowed join of two streams"}[app.name], records, kills)
			results = append(results, used{use{program: "Kafka Streams", what: what}, apachekafka.Version(), err})
		})
	}
	t.Logf("%d applications in %v\n%s", len(results), time.Since(start).Round(time.Second), usesTable(results))
	if *updateDocs && !*quick {
		writeBetween(t, "exactly-once", title+usesTable(results))
	}
}

func exactlyOnce(t *testing.T, cluster *harness.Cluster, app topology) (kills string, records int, err error) {
	prefix := "exactly-" + app.name
	source, err := filepath.Abs("java/ExactlyOnce.java")
	if err != nil {
		return "", 0, err
	}
	for _, topic := range append([]string{"out"}, app.topics...) {
		if err := createTopic(t, cluster.Bootstrap(), prefix+"-"+topic, nil); err != nil {
			return "", 0, err
		}
	}
	var apps []*harness.Process
	for i := range 2 {
		p := apachekafka.Service(t, fmt.Sprint(prefix, "-", i), source, app.name, cluster.Bootstrap(), prefix, t.TempDir())
		apps = append(apps, p)
	}
	in, seen := startInput(t, cluster.Bootstrap(), prefix, app), startOutput(t, cluster.Bootstrap(), prefix+"-out")
	apps[0].Start()
	if err := seen.moved(1); err != nil {
		return "", 0, err
	}
	apps[1].Start()
	kills, err = killAround(cluster, apps, seen)
	records = in.finish()
	if err != nil {
		return kills, records, err
	}
	err = within(appMax, func() error { return app.judge(records, seen.all()) })
	if err != nil {
		return kills, records, err
	}
	// Nothing comes after it: both end, and what is there is read once more, from the beginning.
	for _, a := range apps {
		if err := stop(a); err != nil {
			return kills, records, err
		}
	}
	again := startOutput(t, cluster.Bootstrap(), prefix+"-out")
	return kills, records, within(appMax, func() error { return app.judge(records, again.all()) })
}

// killAround kills instances and a broker with SIGKILL; each time what comes out must go on before the next.
func killAround(cluster *harness.Cluster, apps []*harness.Process, seen *output) (what string, err error) {
	instances, brokers := 0, 0
	kill := func(some ...*harness.Process) error {
		for _, p := range some {
			p.Kill()
			instances++
		}
		if len(some) < len(apps) {
			if err := seen.moved(200); err != nil { // the other takes over
				return err
			}
		}
		for _, p := range some {
			p.Start()
		}
		return seen.moved(200)
	}
	bounce := func() error {
		b := cluster.Brokers[1]
		b.Kill()
		brokers++
		if err := seen.moved(100); err != nil {
			return err
		}
		b.Up()
		return seen.moved(100)
	}
	steps := []func() error{
		func() error { return kill(apps[0]) },
		bounce,
		func() error { return kill(apps[1]) },
		func() error { return kill(apps...) },
		func() error { return kill(apps[0]) },
		bounce,
		func() error { return kill(apps[1]) },
	}
	if *quick {
		steps = steps[:1]
	}
	err = all(steps...)
	return fmt.Sprintf("%d SIGKILLs of instances, %d of a broker", instances, brokers), err
}

// input produces the records of a topology, one after the other, until it is told to end.
type input struct {
	end   chan struct{}
	total chan int
}

func startInput(t *testing.T, bootstrap, prefix string, app topology) *input {
	c := kafka(t, bootstrap)
	in := &input{make(chan struct{}), make(chan int, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() {
		n, tick := 0, time.NewTicker(feedPause)
		defer tick.Stop()
		for more := true; more || n%4 != 0; n++ {
			topic, key, value := app.record(n)
			c.Produce(ctx, &kgo.Record{Topic: prefix + "-" + topic, Key: []byte(key), Value: []byte(value)}, func(_ *kgo.Record, err error) {
				if err != nil && ctx.Err() == nil {
					t.Errorf("produce input: %v", err)
				}
			})
			select {
			case <-in.end:
				more = false
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
		if err := c.Flush(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("flush input: %v", err)
		}
		in.total <- n
	}()
	return in
}

// finish gives how many records there were in all.
func (in *input) finish() int {
	close(in.end)
	return <-in.total
}

// output reads what comes out, read committed.
type output struct {
	ask   chan chan map[string][]string
	count atomic.Int64
}

func startOutput(t *testing.T, bootstrap, topic string) *output {
	c := kafka(t, bootstrap, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	o := &output{ask: make(chan chan map[string][]string)}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	polled := make(chan kgo.Fetches)
	go func() {
		for ctx.Err() == nil {
			select {
			case polled <- c.PollFetches(ctx):
			case <-ctx.Done():
			}
		}
	}()
	go func() {
		got := map[string][]string{}
		for {
			select {
			case f := <-polled:
				f.EachRecord(func(r *kgo.Record) {
					got[string(r.Key)] = append(got[string(r.Key)], string(r.Value))
					o.count.Add(1)
				})
			case to := <-o.ask:
				copied := map[string][]string{}
				for k, v := range got {
					copied[k] = v[:len(v):len(v)]
				}
				to <- copied
			case <-ctx.Done():
				return
			}
		}
	}()
	return o
}

// all gives the values of each key in the order of its partition.
func (o *output) all() map[string][]string {
	to := make(chan map[string][]string)
	o.ask <- to
	return <-to
}

// moved waits until so many more have come out.
func (o *output) moved(more int64) error {
	from := o.count.Load()
	return within(appMax, func() error {
		if n := o.count.Load() - from; n < more {
			return fmt.Errorf("%d records came out in %v, want %d", n, appMax, more)
		}
		return nil
	})
}
