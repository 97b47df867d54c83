package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/cost"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/objectstore"
)

type costCommand struct{ config.Cost }

// costResult is what firnlog cost prints.
type costResult struct {
	Cluster  string               `json:"cluster"`
	Prices   cost.Prices          `json:"prices"`
	Topics   []cost.Bill          `json:"topics"`
	All      cost.Bill            `json:"all"`
	Requests cost.Requests        `json:"requestsPerMonth"`
	Bucket   map[string]bucketSum `json:"bucket"`
	Formula  string               `json:"formula"`
}

// bucketSum is what lies below a prefix, whoever refers to it.
type bucketSum struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

const metricsTimeout = 10 * time.Second

// Run reckons.
func (c *costCommand) Run(ctx context.Context) error {
	table := cost.BuiltIn()
	if c.Show {
		_, err := os.Stdout.Write(table)
		return err
	}
	if c.Prices != "" {
		var err error
		if table, err = os.ReadFile(c.Prices); err != nil {
			return fmt.Errorf("--prices: %w", err)
		}
	}
	prices, err := cost.ReadPrices(table)
	if err != nil {
		return err
	}
	p, err := openPlace(ctx, &c.Place)
	if err != nil {
		return err
	}
	defer p.Close()
	r, err := c.reckon(ctx, p, prices)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	return r.print(os.Stdout)
}

func (c *costCommand) reckon(ctx context.Context, p *place, prices cost.Prices) (*costResult, error) {
	const archiveBytes = 16 << 20
	usage, err := cost.Measure(ctx, p.KV, coordination.NewKeys(c.Cluster), archive.New(p.Store, archiveBytes), time.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	r := &costResult{Cluster: c.Cluster, Prices: prices, Formula: cost.Formula(prices)}
	if r.Bucket, err = bucket(ctx, p.Store); err != nil {
		return nil, err
	}
	if len(c.Metrics) > 0 {
		r.Requests, err = cost.Count(ctx, &http.Client{Timeout: metricsTimeout}, c.Metrics, time.Now())
		if err != nil {
			return nil, err
		}
	} else {
		rate, objects := 0.0, int64(0)
		for i := range usage {
			rate += usage[i].BytesPerSecond()
		}
		for _, s := range r.Bucket {
			objects += s.Objects
		}
		segments := r.Bucket[ledger.SegmentPrefix]
		r.Requests = cost.Estimate(rate, float64(segments.Bytes)/float64(max(segments.Objects, 1)), objects)
	}
	r.Topics, r.All = cost.Bills(prices, usage, r.Requests)
	slices.SortStableFunc(r.Topics, func(a, b cost.Bill) int { return cmp.Compare(b.Total, a.Total) })
	return r, nil
}

// bucket lists everything, by prefix.
func bucket(ctx context.Context, store objectstore.Store) (map[string]bucketSum, error) {
	out, after := map[string]bucketSum{}, ""
	shown := newProgress()
	defer shown.done()
	for n := 0; ; {
		list, err := store.List(ctx, "", after, 1000)
		if err != nil {
			return nil, fmt.Errorf("list the bucket: %w", err)
		}
		for _, o := range list {
			prefix, _, _ := strings.Cut(o.Key, "/")
			if prefix += "/"; strings.HasPrefix(o.Key, ledger.SharedPrefix) {
				prefix = ledger.SharedPrefix
			}
			s := out[prefix]
			out[prefix] = bucketSum{s.Objects + 1, s.Bytes + o.Size}
		}
		if n += len(list); len(list) < 1000 {
			return out, nil
		}
		after = list[len(list)-1].Key
		shown.show("listing objects", n, 0)
	}
}

func (r *costResult) print(w io.Writer) error {
	fmt.Fprintf(w, "cluster %s, prices of %s, %s (%s)\n", r.Cluster, r.Prices.Region, r.Prices.Date, r.Prices.Source)
	out := tabwriter.NewWriter(w, 2, 4, 2, ' ', 0)
	fmt.Fprintln(out, "TOPIC\tCLASS\tSTORED (exact)\tOBJECTS\tIN A MONTH\tSTORAGE $\tREQUESTS $\tTOTAL $/MONTH\tREPLICATED DISKS $/MONTH")
	for _, b := range append(slices.Clone(r.Topics), r.All) {
		classes := slices.Sorted(maps.Keys(b.Classes))
		if len(classes) == 0 {
			classes = []string{"-"}
		}
		for i, class := range classes {
			s := b.Classes[class]
			line := []string{"", class, size(s.Bytes), fmt.Sprintf("%d own, %d shared", s.Objects, s.Shared)}
			if i == 0 {
				line[0] = b.Topic
				line = append(line, size(int64(b.BytesMonth)), dollars(b.Storage), dollars(b.Requests), dollars(b.Total), dollars(b.Replicated))
			}
			fmt.Fprintln(out, strings.Join(line, "\t"))
		}
		if len(b.Unpriced) > 0 && b.Topic != "all" {
			fmt.Fprintf(out, "\tno price for %s: reckoned as %s\n", joined(b.Unpriced), cost.BucketClass)
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	q := r.Requests
	fmt.Fprintf(w, "requests a month: %.0f PUT, %.0f GET, %.0f LIST, %.0f DELETE (free); %s\n", q.Put, q.Get, q.List, q.Delete, q.How)
	fmt.Fprintln(w, "in a month: what came in, by the records' timestamps; requests are divided among topics by it")
	fmt.Fprintf(w, "replicated disks: %s\n", r.Formula)
	fmt.Fprintln(w, "not in it: etcd, the brokers' machines, traffic out of the region, minimum storage times and sizes of cold classes")
	var all bucketSum
	for _, prefix := range slices.Sorted(maps.Keys(r.Bucket)) {
		s := r.Bucket[prefix]
		fmt.Fprintf(w, "bucket: %-16s %s of %s\n", prefix, plural(s.Objects, "object", "objects"), size(s.Bytes))
		all.Objects, all.Bytes = all.Objects+s.Objects, all.Bytes+s.Bytes
	}
	stored := r.All.Bytes()
	fmt.Fprintf(w, "bucket: %-16s %s of %s; %s of them are topics', the rest is indexes, backups, and what sweep will delete\n", "all", plural(all.Objects, "object", "objects"), size(all.Bytes), size(stored))
	return nil
}

// dollars with as many digits as say something.
func dollars(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.01:
		return fmt.Sprintf("%.6f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
