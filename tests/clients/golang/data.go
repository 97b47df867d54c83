// Package golang is what the scripts of Go's clients share: the records that every client writes,
// and how a step is told. See ../doc.go for the steps and their order.
package golang

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

const (
	PerCodec   = 200
	Partitions = 6
)

// Codecs are those that every client of Go has.
var Codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// Total is the number of records of all codecs.
var Total = PerCodec * len(Codecs)

// Record is record n of the data, or one that was read.
type Record struct {
	Key, Value string
	Partition  int32
	Time       time.Time
	Codec      string // header codec; the header empty has no bytes
	Empty      bool   // whether that header is there
}

// At is the time of record n.
func At(n int) time.Time { return time.UnixMilli(1_700_000_000_000 + int64(n)*1000) }

// Batch gives the records of one codec.
func Batch(codec string) (out []Record) {
	first := slices.Index(Codecs, codec) * PerCodec
	for n := first; n < first+PerCodec; n++ {
		out = append(out, Record{fmt.Sprint("key-", n), fmt.Sprint("value-", n), int32(n % Partitions), At(n), codec, true})
	}
	return out
}

// Check wants all records from number first on, each once, as they were written.
func Check(got []Record, first int) error {
	want := map[Record]bool{}
	for i, codec := range Codecs {
		for j, r := range Batch(codec) {
			if i*PerCodec+j >= first {
				want[r] = true
			}
		}
	}
	for _, r := range got {
		r.Time = time.UnixMilli(r.Time.UnixMilli())
		if !want[r] {
			return fmt.Errorf("not written, or read twice: %+v", r)
		}
		delete(want, r)
	}
	if len(want) > 0 {
		return fmt.Errorf("%d records are missing", len(want))
	}
	return nil
}

// Client is one script: each function is a step, or a part of one.
type Client interface {
	Create(topic string) error
	Produce(topic, codec string, batch []Record) error
	// Read reads count records as a member of a group, commits what was read, and leaves.
	Read(topic, group string, count int) ([]Record, error)
	// Seek reads count records from a time on.
	Seek(topic string, from time.Time, count int) ([]Record, error)
	// Delete deletes the topic.
	Delete(topic string) error
	// Listed says whether there is such a topic.
	Listed(topic string) (bool, error)
	// Member prints each record's value and commits it, until it is killed. The protocol is empty, or consumer (KIP-848).
	Member(topic, group, protocol string) error
}

// Run runs the steps of a verb. module is where the client's version is looked up, a suffix may follow it.
func Run(connect func(servers []string) Client, module, suffix string) {
	verb, servers, topic := os.Args[1], strings.Split(os.Args[2], ","), os.Args[3]
	c := connect(servers)
	switch verb {
	case "write":
		fmt.Println("version", version(module)+suffix)
		step("create", c.Create(topic))
		for _, codec := range Codecs {
			step("produce "+codec, c.Produce(topic, codec, Batch(codec)))
		}
	case "member":
		step("member", c.Member(topic, os.Args[4], strings.Join(os.Args[5:], "")))
	case "read":
		read(c, topic, os.Args[4])
	case "transact":
		transact(c, topic)
	}
}

func read(c Client, topic, group string) {
	got, err := c.Read(topic, group+"-all", Total)
	step("consume", firstOf(err, func() error { return Check(got, 0) }))
	got, err = c.Read(topic, group, Total/3)
	step("resume", firstOf(err, func() error {
		rest, err := c.Read(topic, group, Total-len(got))
		return firstOf(err, func() error { return Check(append(got, rest...), 0) })
	}))
	got, err = c.Seek(topic, At(Total/2), Total-Total/2)
	step("seek", firstOf(err, func() error { return Check(got, Total/2) }))
	step("delete", firstOf(c.Delete(topic), func() error { return gone(c, topic) }))
}

// gone waits until a topic is no longer listed: brokers hear of it one after the other.
func gone(c Client, topic string) error {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		listed, err := c.Listed(topic)
		if err != nil || !listed {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("the topic is still listed")
		}
	}
}

func firstOf(err error, next func() error) error {
	if err != nil {
		return err
	}
	return next()
}

// step tells how a step ended. The first that fails ends the script.
func step(name string, err error) {
	if err != nil {
		fmt.Printf("FAIL %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		os.Exit(1)
	}
	fmt.Println("ok", name)
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, d := range info.Deps {
		if d.Path == module {
			return strings.TrimPrefix(d.Version, "v")
		}
	}
	return "unknown"
}
