package rest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/record"
)

type lagJSON struct {
	Kind      string        `json:"kind"`
	Metadata  metadataJSON  `json:"metadata"`
	Cluster   string        `json:"cluster_id"`
	Group     string        `json:"consumer_group_id"`
	Topic     string        `json:"topic_name"`
	Partition int32         `json:"partition_id"`
	Current   record.Offset `json:"current_offset"`
	End       record.Offset `json:"log_end_offset"`
	Lag       record.Offset `json:"lag"`
	Consumer  string        `json:"consumer_id"`
	Instance  *string       `json:"instance_id"`
	Client    string        `json:"client_id"`
}

// lags says for each partition with a committed offset how far the group is behind.
func (s *Server) lags(c *call) (link, []lagJSON, error) {
	l, d, err := s.group3(c)
	if err != nil {
		return l, nil, err
	}
	offsets, err := s.backend.Groups.OffsetsStored(c.ctx, d.Group, false)
	if err != nil {
		return l, nil, err
	}
	offsets = slices.DeleteFunc(offsets, func(t group.FetchedTopic) bool { return !s.showsTopic(c, t.Name) })
	who := map[string]*group.MemberDescription{}
	for i := range d.Members {
		for _, t := range has(&d.Members[i]) {
			for _, n := range t.Partitions {
				who[t.Name+"/"+strconv.Itoa(int(n))] = &d.Members[i]
			}
		}
	}
	ends, err := s.ends(c.ctx, offsets)
	if err != nil {
		return l, nil, err
	}
	l = l.to("consumer-groups", "consumer-group", d.Group)
	var out []lagJSON
	for _, t := range offsets {
		for _, n := range slices.Sorted(maps.Keys(t.Partitions)) {
			end, there := ends[record.TopicPartition{Topic: t.ID, Partition: n}]
			if !there {
				continue // deleted meanwhile
			}
			one := l
			one.path += fmt.Sprintf("/lags/%s/partitions/%d", t.Name, n)
			one.name += fmt.Sprintf("/lag=%s/partition=%d", t.Name, n)
			current := t.Partitions[n].Offset
			lag := lagJSON{
				Kind: "KafkaConsumerLag", Metadata: one.metadata(), Cluster: s.backend.Topics.ClusterID(), Group: d.Group, Topic: t.Name, Partition: n,
				Current: current, End: end, Lag: max(end-current, 0),
			}
			if m := who[t.Name+"/"+strconv.Itoa(int(n))]; m != nil {
				lag.Consumer, lag.Instance, lag.Client = m.ID, notEmpty(m.Instance), m.Client
			}
			out = append(out, lag)
		}
	}
	return l, out, nil
}

// endsAtOnce is how many partitions are asked for at a time: one barrier serves them all.
const endsAtOnce = 64

// ends gives the ends of the partitions that have offsets and are there.
func (s *Server) ends(ctx context.Context, offsets []group.FetchedTopic) (map[record.TopicPartition]record.Offset, error) {
	out := map[record.TopicPartition]record.Offset{}
	var mu sync.Mutex
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(endsAtOnce)
	for _, t := range offsets {
		for n := range t.Partitions {
			work.Go(func() error {
				tp := record.TopicPartition{Topic: t.ID, Partition: n}
				b, err := s.backend.Reader.Bounds(ctx, tp)
				if errors.Is(err, fetch.ErrUnknownPartition) {
					return nil
				}
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				out[tp] = b.HighWatermark
				return nil
			})
		}
	}
	return out, work.Wait()
}

func (s *Server) listLags(c *call) (*answer, error) {
	l, all, err := s.lags(c)
	if err != nil {
		return nil, err
	}
	return listOf("KafkaConsumerLagList", l.to("lags", "", ""), all)
}

func (s *Server) showLag(c *call) (*answer, error) {
	if err := s.mayGroup(c, c.params["group"]); err != nil {
		return nil, err
	}
	_, tp, err := s.named(c)
	if err != nil {
		return nil, err
	}
	_, all, err := s.lags(c)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(l lagJSON) bool { return l.Topic == c.params["topic"] && l.Partition == tp.Partition })
	if i < 0 {
		return nil, fmt.Errorf("%w: the group has committed nothing there", errNoPartition)
	}
	return ok(all[i])
}

type lagSummaryJSON struct {
	Kind         string        `json:"kind"`
	Metadata     metadataJSON  `json:"metadata"`
	Cluster      string        `json:"cluster_id"`
	Group        string        `json:"consumer_group_id"`
	MaxConsumer  string        `json:"max_lag_consumer_id"`
	MaxInstance  *string       `json:"max_lag_instance_id"`
	MaxClient    string        `json:"max_lag_client_id"`
	MaxTopic     string        `json:"max_lag_topic_name"`
	MaxPartition int32         `json:"max_lag_partition_id"`
	Max          record.Offset `json:"max_lag"`
	Total        record.Offset `json:"total_lag"`
}

func (s *Server) summarizeLag(c *call) (*answer, error) {
	l, all, err := s.lags(c)
	if err != nil {
		return nil, err
	}
	out := lagSummaryJSON{Kind: "KafkaConsumerGroupLagSummary", Metadata: l.to("lag-summary", "", "").metadata(), Cluster: s.backend.Topics.ClusterID(), Group: c.params["group"]}
	for i, one := range all {
		out.Total += one.Lag
		if i == 0 || one.Lag > out.Max {
			out.MaxConsumer, out.MaxInstance, out.MaxClient = one.Consumer, one.Instance, one.Client
			out.MaxTopic, out.MaxPartition, out.Max = one.Topic, one.Partition, one.Lag
		}
	}
	return ok(out)
}
