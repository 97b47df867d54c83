package wire

import (
	"context"
	"fmt"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// names finds the topics of one request, by name or by id. That something is unknown is said behind
// a barrier only, one for the whole request: another instance may just have made it.
//
// A topic is checked before it is looked for, so that an answer tells nobody what is there who may not know.
type names struct {
	topics Topics
	who    *caller
	last   string // the name that was checked last, since partitions of one topic follow each other
	said   error  // of it
	any    bool   // one was
	fresh  bool   // the barrier is behind us
	failed error  // of the barrier
}

func (s *Server) names(c *caller) *names { return &names{topics: s.backend.Topics, who: c} }

// check says whether the caller may do to a topic what its request does.
func (n *names) check(ctx context.Context, name string) error {
	if !n.any || n.last != name {
		n.last, n.said, n.any = name, n.who.may(ctx, auth.ResourceTopic, name), true
	}
	return n.said
}

// byName finds a topic: errTopicDenied, errUnknownPartition, or errNotNow when nobody can say.
func (n *names) byName(ctx context.Context, name string) (*ledger.Topic, error) {
	if err := n.check(ctx, name); err != nil {
		return nil, err
	}
	return n.find(ctx, errUnknownPartition, func() (*ledger.Topic, bool) { return n.topics.TopicByName(name) })
}

// byID finds a topic: errUnknownID, also where the caller may not know that it is there; errTopicDenied, or errNotNow when nobody can say.
func (n *names) byID(ctx context.Context, id record.TopicID) (*ledger.Topic, error) {
	if id == (record.TopicID{}) {
		return nil, errUnknownID
	}
	t, err := n.find(ctx, errUnknownID, func() (*ledger.Topic, bool) { return n.topics.TopicByID(id) })
	if err != nil {
		return nil, err
	}
	if err := n.check(ctx, t.Name); err != nil {
		if !n.who.conn.s.may(auth.Aside(ctx), auth.OperationDescribe, auth.Resource{Type: auth.ResourceTopic, Name: t.Name}) {
			err = errUnknownID
		}
		return nil, err
	}
	return t, nil
}

// topic finds by id where the version has only ids, else by name.
func (n *names) topic(ctx context.Context, byID bool, name string, id record.TopicID) (*ledger.Topic, error) {
	if byID {
		return n.byID(ctx, id)
	}
	return n.byName(ctx, name)
}

// partition checks that a topic has a partition; it may have grown meanwhile.
func (n *names) partition(ctx context.Context, t *ledger.Topic, p int32) (record.TopicPartition, error) {
	tp := record.TopicPartition{Topic: t.ID, Partition: p}
	if p < 0 {
		return tp, errUnknownPartition
	}
	if p < t.Partitions {
		return tp, nil
	}
	_, err := n.find(ctx, errUnknownPartition, func() (*ledger.Topic, bool) {
		now, ok := n.topics.TopicByID(t.ID)
		return now, ok && p < now.Partitions
	})
	return tp, err
}

func (n *names) find(ctx context.Context, unknown error, look func() (*ledger.Topic, bool)) (*ledger.Topic, error) {
	if t, ok := look(); ok {
		return t, nil
	}
	if n.failed != nil {
		return nil, n.failed
	}
	if n.fresh {
		return nil, unknown
	}
	if err := n.topics.Barrier(ctx); err != nil {
		n.failed = fmt.Errorf("%w: %w", errNotNow, err)
		return nil, n.failed
	}
	n.fresh = true
	if t, ok := look(); ok {
		return t, nil
	}
	return nil, unknown
}
