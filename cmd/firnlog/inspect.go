package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

type inspectCommand struct{ config.Inspect }

// sheet is something in readable form. Raw is what JSON shows.
type sheet struct {
	title  string
	fields [][2]string
	tables []table
	raw    any
	wrong  error // it was shown as far as it can be read
}

type table struct {
	columns []string
	rows    [][]string
}

func (s *sheet) field(name, format string, args ...any) {
	s.fields = append(s.fields, [2]string{name, fmt.Sprintf(format, args...)})
}

// source is where inspect looks: a file alone, or an open cluster.
type source struct {
	*place
	keys   coordination.Keys
	file   []byte // not nil: this is it
	name   string
	topics map[record.TopicID]*ledger.Topic
}

// Run shows it. Exit codes: 0 shown; 1 shown, and it is damaged; 2 it cannot be read.
func (c *inspectCommand) Run(ctx context.Context) error {
	src, err := c.open(ctx)
	if err != nil {
		return exitError{err, exitUnchecked}
	}
	if src.place != nil {
		defer src.Close()
	}
	show := map[string]func(context.Context, *source) (*sheet, error){
		"segment": showSegment, "settled": showSettled, "manifest": showManifest, "commit": showCommit, "head": showHead,
		"topic": showTopic, "backup": showBackup, "journal": showJournal,
	}[c.What]
	s, err := show(ctx, src)
	if err != nil {
		return exitError{err, exitUnchecked}
	}
	if c.JSON {
		err = json.NewEncoder(os.Stdout).Encode(s.raw)
	} else {
		err = s.print(os.Stdout)
	}
	if err == nil && s.wrong != nil {
		err = exitError{fmt.Errorf("damaged: %w", s.wrong), exitHarm}
	}
	return err
}

// open reads a file where the name is one, and else opens the cluster.
func (c *inspectCommand) open(ctx context.Context) (*source, error) {
	src := &source{keys: coordination.NewKeys(c.Cluster), name: c.Name, topics: map[record.TopicID]*ledger.Topic{}}
	if info, err := os.Stat(c.Name); c.Name != "" && err == nil && info.Mode().IsRegular() {
		src.file, err = os.ReadFile(c.Name)
		return src, err
	}
	p, err := openPlace(ctx, &c.Place)
	if err != nil {
		if c.Name != "" && c.Data == "" && c.Store == "" {
			err = fmt.Errorf("%s is no file: %w", c.Name, err)
		}
		return nil, err
	}
	src.place = p
	err = src.list(ctx, src.keys.Topics(), func(it coordination.Item) {
		if t, err := ledger.DecodeTopic(src.keys.ParseLog(it.Key).Name, it.Value, it.Mod); err == nil {
			src.topics[t.ID] = t
		}
	})
	if err != nil {
		p.Close()
	}
	return src, err
}

// list calls fn for each key below a prefix.
func (s *source) list(ctx context.Context, prefix string, fn func(coordination.Item)) error {
	r := coordination.Range{Prefix: prefix, Limit: 1000}
	for {
		page, err := s.KV.List(ctx, r)
		if err != nil {
			return err
		}
		for _, it := range page.Items {
			fn(it)
		}
		if !page.More {
			return nil
		}
		r.At, r.After = page.Revision, page.Items[len(page.Items)-1].Key
	}
}

// object reads an object: the file, or what the name says, with or without one of the prefixes before it.
func (s *source) object(ctx context.Context, prefixes ...string) (key string, body []byte, err error) {
	if s.file != nil {
		return s.name, s.file, nil
	}
	if s.name == "" {
		return "", nil, errors.New("name a file, a key or an id")
	}
	for _, prefix := range append([]string{""}, prefixes...) {
		if body, err = s.Get(ctx, prefix+s.name, 0, -1); err == nil {
			return prefix + s.name, body, nil
		}
	}
	return "", nil, err
}

// value reads a key of etcd, or the file.
func (s *source) value(ctx context.Context, key string) (coordination.Item, error) {
	if s.file != nil {
		return coordination.Item{Key: s.name, Value: s.file}, nil
	}
	snap, err := s.KV.Get(ctx, key)
	if err != nil {
		return coordination.Item{}, err
	}
	if snap.Items[0].Create == 0 {
		return coordination.Item{}, fmt.Errorf("etcd has no key %s", key)
	}
	it := snap.Items[0]
	it.Key = key
	return it, nil
}

// partition is how people know one.
func (s *source) partition(tp record.TopicPartition) string {
	if t := s.topics[tp.Topic]; t != nil {
		return fmt.Sprintf("%s/%d", t.Name, tp.Partition)
	}
	return fmt.Sprintf("%v/%d", tp.Topic, tp.Partition)
}

func (s *sheet) print(w io.Writer) error {
	fmt.Fprintln(w, s.title)
	out := tabwriter.NewWriter(w, 2, 4, 2, ' ', 0)
	for _, f := range s.fields {
		fmt.Fprintf(out, "  %s\t%s\n", f[0], f[1])
	}
	for _, t := range s.tables {
		if err := out.Flush(); err != nil { // columns are each table's own
			return err
		}
		if len(t.rows) > 0 {
			fmt.Fprintf(out, "  %s\n", strings.Join(t.columns, "\t"))
		}
		for _, row := range t.rows {
			fmt.Fprintf(out, "  %s\n", strings.Join(row, "\t"))
		}
	}
	return out.Flush()
}

// when is a timestamp as people read it.
func when(ms int64) string {
	if ms <= 0 {
		return fmt.Sprint(ms)
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

// row makes the cells of a table.
func row(cells ...any) (out []string) {
	for _, c := range cells {
		out = append(out, fmt.Sprint(c))
	}
	return out
}
