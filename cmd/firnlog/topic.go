package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/record"
)

// topicCommands speak to a running cluster, as its clients do.
type topicCommands struct {
	List     topicListCommand     `cmd:"" help:"List topics."`
	Create   topicCreateCommand   `cmd:"" help:"Make a topic."`
	Describe topicDescribeCommand `cmd:"" help:"Show a topic: its partitions with their offsets, and the configs that were set."`
	Delete   topicDeleteCommand   `cmd:"" help:"Delete a topic with all its records."`
	Fork     topicForkCommand     `cmd:"" help:"Make a topic that begins with the records of another one, or with those before some time. Nothing is copied."`
}

type (
	topicListCommand     struct{ config.TopicList }
	topicCreateCommand   struct{ config.TopicCreate }
	topicDescribeCommand struct{ config.TopicName }
	topicDeleteCommand   struct{ config.TopicName }
)

// admin connects to any instance.
func admin(c *config.Client) (*kadm.Client, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Kafka), kgo.ClientID("firnlog-topic"))
	if err != nil {
		return nil, fmt.Errorf("--kafka %s: %w", c.Kafka, err)
	}
	return kadm.NewClient(client), nil
}

// printed writes v as JSON, or a table of rows.
func printed(c *config.Client, v any, rows ...[]string) error {
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(v)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

type topicRow struct {
	Topic      string `json:"topic"`
	ID         string `json:"topic_id"`
	Partitions int    `json:"partitions"`
}

// Run lists topics.
func (c *topicListCommand) Run(ctx context.Context) error {
	a, err := admin(&c.Client)
	if err != nil {
		return err
	}
	defer a.Close()
	all, err := a.ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	out, rows := []topicRow{}, [][]string{{"TOPIC", "PARTITIONS", "ID"}}
	for _, t := range all.Sorted() {
		out = append(out, topicRow{t.Topic, record.TopicID(t.ID).String(), len(t.Partitions)})
		rows = append(rows, []string{t.Topic, fmt.Sprint(len(t.Partitions)), record.TopicID(t.ID).String()})
	}
	return printed(&c.Client, out, rows...)
}

// Run makes a topic.
func (c *topicCreateCommand) Run(ctx context.Context) error {
	a, err := admin(&c.Client)
	if err != nil {
		return err
	}
	defer a.Close()
	configs := map[string]*string{}
	for name, value := range c.Configs {
		configs[name] = &value
	}
	made, err := a.CreateTopic(ctx, c.Partitions, -1, configs, c.Name)
	if err != nil {
		return fmt.Errorf("create topic %s: %w", c.Name, said(err, made.ErrMessage))
	}
	row := topicRow{made.Topic, record.TopicID(made.ID).String(), int(made.NumPartitions)}
	return printed(&c.Client, row, []string{fmt.Sprintf("topic %s made, with %s", row.Topic, plural(int64(row.Partitions), "partition", "partitions"))})
}

// Run deletes a topic.
func (c *topicDeleteCommand) Run(ctx context.Context) error {
	a, err := admin(&c.Client)
	if err != nil {
		return err
	}
	defer a.Close()
	gone, err := a.DeleteTopic(ctx, c.Name)
	if err != nil {
		return fmt.Errorf("delete topic %s: %w", c.Name, said(err, gone.ErrMessage))
	}
	return printed(&c.Client, topicRow{Topic: gone.Topic, ID: record.TopicID(gone.ID).String()}, []string{"topic " + c.Name + " deleted"})
}

// said adds what the instance had to say.
func said(err error, message string) error {
	if message == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, message)
}

type topicDescription struct {
	topicRow
	Offsets []topicOffsets    `json:"offsets"`
	Configs map[string]string `json:"configs"`
}

type topicOffsets struct {
	Partition int32 `json:"partition"`
	Start     int64 `json:"start"`
	End       int64 `json:"end"`
}

// Run shows a topic.
func (c *topicDescribeCommand) Run(ctx context.Context) error {
	a, err := admin(&c.Client)
	if err != nil {
		return err
	}
	defer a.Close()
	all, err := a.ListTopics(ctx, c.Name)
	if err == nil {
		err = all[c.Name].Err
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("there is no topic %s", c.Name)
	}
	if err != nil {
		return fmt.Errorf("describe topic %s: %w", c.Name, err)
	}
	starts, err := a.ListStartOffsets(ctx, c.Name)
	if err != nil {
		return fmt.Errorf("first offsets of topic %s: %w", c.Name, err)
	}
	ends, err := a.ListEndOffsets(ctx, c.Name)
	if err != nil {
		return fmt.Errorf("ends of topic %s: %w", c.Name, err)
	}
	configs, err := a.DescribeTopicConfigs(ctx, c.Name)
	if err != nil {
		return fmt.Errorf("configs of topic %s: %w", c.Name, err)
	}
	d := describedBy(all[c.Name], starts, ends, configs)
	rows := [][]string{{"PARTITION", "START", "END"}}
	for _, o := range d.Offsets {
		rows = append(rows, []string{fmt.Sprint(o.Partition), fmt.Sprint(o.Start), fmt.Sprint(o.End)})
	}
	rows = append(rows, []string{"CONFIG", "VALUE"})
	for name, value := range d.Configs {
		rows = append(rows, []string{name, value})
	}
	slices.SortFunc(rows[len(d.Offsets)+2:], func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return printed(&c.Client, d, rows...)
}

func describedBy(t kadm.TopicDetail, starts, ends kadm.ListedOffsets, configs kadm.ResourceConfigs) topicDescription {
	d := topicDescription{topicRow{t.Topic, record.TopicID(t.ID).String(), len(t.Partitions)}, []topicOffsets{}, map[string]string{}}
	for _, p := range t.Partitions.Sorted() {
		start, _ := starts.Lookup(t.Topic, p.Partition)
		end, _ := ends.Lookup(t.Topic, p.Partition)
		d.Offsets = append(d.Offsets, topicOffsets{p.Partition, start.Offset, end.Offset})
	}
	for _, r := range configs {
		for _, one := range r.Configs {
			if one.Source.String() == "DYNAMIC_TOPIC_CONFIG" {
				d.Configs[one.Key] = one.MaybeValue()
			}
		}
	}
	return d
}
