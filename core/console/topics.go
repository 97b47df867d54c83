package console

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// freshIn is how long a page waits for news of other instances. Without them it shows what this one knows.
const freshIn = 2 * time.Second

// fresh makes the view include what was acknowledged before, where that is quickly known.
func (s *Server) fresh(c *call) {
	ctx, cancel := context.WithTimeout(c.ctx, freshIn)
	defer cancel()
	_ = s.backend.Stream.Barrier(ctx) // what this instance knows is better than nothing
}

func (s *Server) cluster(c *call) (any, error) {
	return struct {
		ID      string    `json:"id"`
		Name    string    `json:"name"`
		Version string    `json:"version"`
		Node    int32     `json:"node"`
		User    string    `json:"user"`
		Asked   bool      `json:"authenticated"`
		Now     time.Time `json:"now"`
	}{s.backend.Stream.ClusterID(), s.backend.Name, s.backend.Version, s.backend.Cluster.Self(), auth.IdentityOf(c.ctx).Principal.String(), s.backend.Authenticator != nil, s.backend.Now().UTC()}, nil
}

type topicJSON struct {
	Name       string `json:"name"`
	ID         string `json:"id"`
	Partitions int32  `json:"partitions"`
	Records    int64  `json:"records"` // offsets from start to end: compaction and markers leave gaps
	Bytes      int64  `json:"bytes"`
	Newest     int64  `json:"newest"` // timestamp, ms; 0: none
	Policy     string `json:"policy"`
	Retention  string `json:"retention"` // ms; -1: for ever
}

// topics lists the topics that one may know of, with what they hold.
func (s *Server) topics(c *call) (any, error) {
	s.fresh(c)
	known := slices.DeleteFunc(s.backend.Stream.AllTopics(), func(t *ledger.Topic) bool { return !s.showsTopic(c, t.Name) })
	out := make([]topicJSON, len(known))
	err := s.backend.Stream.View(func(l *ledger.Ledger) {
		for i, t := range known {
			one := topicJSON{Name: t.Name, ID: t.ID.String(), Partitions: t.Partitions}
			for n := range t.Partitions {
				p := l.Partition(partitionOf(t, n))
				one.Records += int64(p.Next() - p.LogStart())
				one.Bytes += p.Bytes()
				one.Newest = max(one.Newest, newest(p))
			}
			out[i] = one
		}
	})
	if err != nil {
		return nil, errNotNow
	}
	for i, t := range known {
		out[i].Policy, out[i].Retention = config(t, "cleanup.policy"), config(t, "retention.ms")
	}
	return map[string]any{"topics": out}, nil
}

// config is what a topic's config is in effect.
func config(t *ledger.Topic, name string) string {
	for _, def := range topic.Table() {
		if def.Name == name {
			value, _ := topic.Effective(t, def)
			return value
		}
	}
	return ""
}

// newest is the greatest timestamp of what the head's references hold.
func newest(p *ledger.Partition) (ms int64) {
	for _, spans := range [][]ledger.Span{p.Fresh(), p.Stored()} {
		for i := range spans {
			ms = max(ms, spans[i].MaxTimestamp)
		}
	}
	if m := p.Manifest(); m != nil {
		ms = max(ms, m.MaxTimestamp)
	}
	return ms
}

type partitionJSON struct {
	Partition int32         `json:"partition"`
	Leader    int32         `json:"leader"` // -1: no instance
	Start     record.Offset `json:"start"`
	End       record.Offset `json:"end"`
	Stable    record.Offset `json:"stable"` // less than the end while a transaction is open
	Bytes     int64         `json:"bytes"`
	Settled   int64         `json:"settled"` // of these bytes, listed in the manifest
	Objects   int64         `json:"settledObjects"`
	Spans     int           `json:"spans"` // not in the manifest yet
	Newest    int64         `json:"newest"`
}

// named is the topic of the path, for who may do to it what the route does. That it is not there is said behind a barrier only.
func (s *Server) named(c *call) (*ledger.Topic, error) {
	name := c.params["topic"]
	if err := s.mayTopic(c, name); err != nil {
		return nil, err
	}
	if t, ok := s.backend.Stream.TopicByName(name); ok {
		return t, nil
	}
	if err := s.backend.Stream.Barrier(c.ctx); err != nil {
		return nil, errNotNow
	}
	t, ok := s.backend.Stream.TopicByName(name)
	if !ok {
		return nil, errNoTopic
	}
	return t, nil
}

// topic shows a topic with its partitions.
func (s *Server) topic(c *call) (any, error) {
	t, err := s.named(c)
	if err != nil {
		return nil, err
	}
	s.fresh(c)
	partitions := []partitionJSON{}
	live := s.backend.Cluster.Live()
	err = s.backend.Stream.View(func(l *ledger.Ledger) {
		for n := range t.Partitions {
			partitions = append(partitions, show(l.Partition(partitionOf(t, n)), partitionOf(t, n), live))
		}
	})
	if err != nil {
		return nil, errNotNow
	}
	return map[string]any{"name": t.Name, "id": t.ID.String(), "partitions": partitions}, nil
}

func show(p *ledger.Partition, tp record.TopicPartition, live []instance.Info) partitionJSON {
	one := partitionJSON{
		Partition: tp.Partition, Leader: -1, Start: p.LogStart(), End: p.Next(), Stable: p.LastStable(), Bytes: p.Bytes(), Spans: len(p.Stored()) + len(p.Fresh()), Newest: newest(p),
	}
	if in, ok := instance.Preferred(live, tp, ""); ok {
		one.Leader = in.Node
	}
	if m := p.Manifest(); m != nil {
		one.Settled, one.Objects = m.Bytes, m.Objects
	}
	return one
}

// number reads a whole number of the path or query.
func number(text, what string, least, most int64) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, wrong(what+" is not a number from "+strconv.FormatInt(least, 10)+" to "+strconv.FormatInt(most, 10), "correct it and try again")
	}
	return n, nil
}
