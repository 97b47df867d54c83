//go:build stack

// Package stack_test runs firnlog as it is run: real processes, real etcd and MinIO, and real,
// unmodified clients. make test-stack runs all of it, make demo the demonstration alone.
//
// FIRNLOG_LONG=1 makes the heavier tests run longer.
package stack_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

var codecs = []string{"gzip", "snappy", "lz4", "zstd"}

// load is a dataset in a topic of its own.
type load struct {
	dataset
	topic, codec string
}

func TestDemo(t *testing.T) {
	data := datasets(t)
	t.Run("ThreeBrokersOnMinIOAndEtcd", func(t *testing.T) {
		c := harness.StartCluster(t, harness.Options{Brokers: 3, Arguments: func(int) []string { return []string{"--partitions", "12"} }})
		demo(t, c.Seeds(), data)
	})
	t.Run("Dev", func(t *testing.T) {
		b := harness.StartDev(t, t.TempDir(), "--partitions", "12")
		demo(t, []string{b.Kafka}, data)
	})
}

// demo writes each dataset with each codec (the large one with one of them), and reads all of it
// with three clients.
func demo(t *testing.T, seeds []string, data []dataset) {
	var loads []load
	for _, d := range data {
		for i, codec := range codecs {
			if d.keyed || i == 3 {
				loads = append(loads, load{d, d.name + "-" + codec, codec})
			}
		}
	}
	for i, l := range loads {
		produceWithKcat(t, seeds[i%len(seeds)], l)
	}
	python := readWithPython(t, strings.Join(seeds, ","), loads)
	for i, l := range loads {
		want := fmt.Sprint(len(l.records), " ", l.digest(l.records))
		from := seeds[(i+1)%len(seeds)]
		got := map[string]string{
			"kcat":            describe(l, readWithKcat(t, from, l.topic)),
			"franz-go":        describe(l, readWithFranz(t, from, l.topic)),
			"confluent-kafka": python[l.topic],
		}
		for client, g := range got {
			if g != want {
				t.Errorf("%s read by %s: %s, want %s", l.topic, client, g, want)
			}
		}
		if !t.Failed() {
			t.Logf("%-20s %6d records written by kcat, read alike by kcat, franz-go, confluent-kafka: sha256 %.16s…", l.topic, len(l.records), l.digest(l.records))
		}
	}
}

func describe(l load, got []rec) string { return fmt.Sprint(len(got), " ", l.digest(got)) }

func produceWithKcat(t *testing.T, seed string, l load) {
	t.Helper()
	args := []string{"-P", "-b", seed, "-t", l.topic, "-z", l.codec, "-X", "enable.idempotence=true"}
	if l.keyed {
		args = append(args, "-K", "\t")
	}
	harness.Kcat(t, l.kcatInput(), args...).Must(t)
}

// readWithKcat reads a topic to its end.
func readWithKcat(t *testing.T, seed, topic string) (out []rec) {
	t.Helper()
	printed := harness.Kcat(t, nil, "-C", "-b", seed, "-t", topic, "-o", "beginning", "-e", "-q", "-X", "check.crcs=true", "-f", `%p\t%o\t%k\t%s\n`).Must(t)
	for line := range strings.Lines(printed) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 4)
		if len(f) != 4 {
			t.Fatalf("line of kcat: %q", line)
		}
		partition, err := strconv.ParseInt(f[0], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		offset, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rec{int32(partition), offset, f[2], f[3]})
	}
	checkOffsets(t, out)
	return out
}

// readWithFranz reads a topic up to where it ends now.
func readWithFranz(t *testing.T, seed, topic string) (out []rec) {
	t.Helper()
	for _, r := range readAll(t, []string{seed}, topic) {
		out = append(out, rec{r.Partition, r.Offset, string(r.Key), string(r.Value)})
	}
	checkOffsets(t, out)
	return out
}

// checkOffsets wants every partition from 0 on without a hole, in order.
func checkOffsets(t *testing.T, records []rec) {
	t.Helper()
	next := map[int32]int64{}
	for _, r := range records {
		if r.offset != next[r.partition] {
			t.Fatalf("partition %d: offset %d, want %d", r.partition, r.offset, next[r.partition])
		}
		next[r.partition]++
	}
}

func readWithPython(t *testing.T, bootstrap string, loads []load) map[string]string {
	t.Helper()
	args := []string{bootstrap}
	for _, l := range loads {
		args = append(args, l.topic)
	}
	facts := harness.Facts(harness.Python(t, "read.py", args...).Must(t))
	out := map[string]string{}
	for _, l := range loads {
		f := strings.Fields(facts[l.topic])
		if len(f) != 3 {
			t.Fatalf("%s: Python said %q", l.topic, facts[l.topic])
		}
		out[l.topic] = f[0] + " " + f[2]
		if l.keyed {
			out[l.topic] = f[0] + " " + f[1]
		}
	}
	return out
}

// readAll reads a topic from its beginning up to where it ends when the call begins.
func readAll(t *testing.T, seeds []string, topic string) (out []*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	left := map[int32]int64{} // end offsets of what is not yet read
	for p, end := range ends(t, seeds, topic) {
		if end.start < end.end {
			left[p] = end.end
		}
	}
	c := newClient(t, seeds, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close()
	for len(left) > 0 {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %s, %d partitions left: %v", topic, len(left), err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			out = append(out, r)
			if end, ok := left[r.Partition]; ok && r.Offset+1 >= end {
				delete(left, r.Partition)
			}
		})
	}
	return out
}
