//go:build stack

package goals

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/bench"
	"github.com/firnlog/firnlog/core/cost"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// wholeLife reckons what the requests of a GiB cost that three consumers read, each through a broker of its own: writing and settling as
// docs/FIGURES.md has them, plus the GETs of these readers, as counted here.
func wholeLife(t *testing.T, table *Table, size int64) {
	t.Helper()
	prices, err := cost.ReadPrices(cost.BuiltIn())
	if err != nil {
		t.Fatal(err)
	}
	zones := []string{"a", "b", "c"}
	c := harness.StartCluster(t, harness.Options{Brokers: len(zones), Arguments: func(i int) []string {
		return []string{"--zone", zones[i], "--settle-age", "0", "--linger", "250ms"} // of settling there are figures
	}})
	for _, partitions := range []int{12, 1000} {
		w := load(c.Brokers[0].Kafka, name("life-", partitions), partitions, size)
		used := threeReaders(t, c, w, zones)
		written := float64(w.Records()) * valueBytes / gib
		reading := prices.Requests(&cost.Requests{Get: used.Get}) / written
		before := writtenAndSettled(t, partitions)
		what := fmt.Sprintf("dollars of requests a GiB, whole life, 3 consumers through 3 brokers, %d partitions", partitions)
		table.AtMost(what, 0.0015, before+reading, "$%.5f")
		table.Note("of these writing and settling (docs/FIGURES.md), reading at the tail (counted); GETs and PUTs a GiB here", "$%.5f, $%.5f; %.0f, %.0f",
			before, reading, used.Get/written, used.Put/written)
	}
}

// threeReaders gives the requests of all brokers while a topic is written and read at its tail in each zone.
func threeReaders(t *testing.T, c *harness.Cluster, w *bench.Work, zones []string) (used cost.Requests) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := w.MakeTopic(ctx); err != nil {
		t.Fatal(err)
	}
	var readers []*bench.Reader
	for _, zone := range zones {
		mine := *w
		mine.Kafka, mine.ClientID = c.Seeds(), "zone="+zone
		r, err := bench.NewReader(ctx, &mine, true)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		readers = append(readers, r)
	}
	before := requests(t, c)
	done := make(chan error, len(readers))
	for _, r := range readers {
		go func() {
			_, err := r.Read(ctx, w.Records())
			done <- err
		}()
	}
	if _, err := bench.Produce(ctx, w); err != nil {
		t.Fatal(err)
	}
	for range readers {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	after := requests(t, c)
	if err := w.RemoveTopic(ctx); err != nil {
		t.Fatal(err)
	}
	return cost.Requests{Put: after.Put - before.Put, Get: after.Get - before.Get, List: after.List - before.List}
}

func requests(t *testing.T, c *harness.Cluster) (sum cost.Requests) {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for _, b := range c.Brokers {
		one, err := cost.Counted(t.Context(), client, b.HTTP)
		if err != nil {
			t.Fatal(err)
		}
		sum.Put, sum.Get, sum.List = sum.Put+one.Put, sum.Get+one.Get, sum.List+one.List
	}
	return sum
}

// writtenAndSettled reads the dollars a GiB from the table of docs/FIGURES.md.
func writtenAndSettled(t *testing.T, partitions int) float64 {
	t.Helper()
	text, err := os.ReadFile("../../docs/FIGURES.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Requests a GiB through the whole life")
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "## ") {
			break
		}
		cells := strings.Split(line, "|")
		if len(cells) < 8 || strings.ReplaceAll(strings.TrimSpace(cells[1]), ",", "") != strconv.Itoa(partitions) {
			continue
		}
		if v, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(cells[6]), "$"), 64); err == nil {
			return v
		}
	}
	t.Fatalf("docs/FIGURES.md has no requests of %d partitions", partitions)
	return 0
}
