package wire

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// DeleteTopics (key 20), versions 0-6.
//
//	v4  flexible
//	v5  error messages
//	v6  by name or by id
//
// When it is answered, the name is free.
func (s *Server) deleteTopics(ctx context.Context, c *caller, req *kmsg.DeleteTopicsRequest) (kmsg.Response, error) {
	ctx, cancel := adminTimeout(ctx, req.TimeoutMillis)
	defer cancel()
	resp := kmsg.NewPtrDeleteTopicsResponse()
	resp.Version = req.Version
	asked := req.Topics
	for _, name := range req.TopicNames {
		asked = append(asked, kmsg.DeleteTopicsRequestTopic{Topic: &name})
	}
	named := make([]string, len(asked))
	for i, t := range asked {
		named[i] = record.TopicID(t.TopicID).String()
		if t.Topic != nil {
			named[i] += *t.Topic
		}
	}
	repeats := newRepeats(named)
	for i, t := range asked {
		switch once, first := repeats.take(named[i]); {
		case once:
			resp.Topics = append(resp.Topics, s.remove(ctx, c, t))
		case first:
			out := kmsg.NewDeleteTopicsResponseTopic()
			out.Topic, out.TopicID = t.Topic, t.TopicID
			out.ErrorCode, out.ErrorMessage = s.code(errTwice), message(errTwice)
			resp.Topics = append(resp.Topics, out)
		}
	}
	return resp, nil
}

func (s *Server) remove(ctx context.Context, c *caller, asked kmsg.DeleteTopicsRequestTopic) kmsg.DeleteTopicsResponseTopic {
	out := kmsg.NewDeleteTopicsResponseTopic()
	out.Topic, out.TopicID = asked.Topic, asked.TopicID
	id := record.TopicID(asked.TopicID)
	var gone *ledger.Topic
	var err error
	switch {
	case asked.Topic != nil && id != record.TopicID{}, asked.Topic == nil && id == record.TopicID{}:
		err = fmt.Errorf("%w: name either the topic or its id", errRequest)
	case asked.Topic != nil:
		if err = c.may(ctx, auth.ResourceTopic, *asked.Topic); err == nil {
			gone, err = s.backend.Admin.Delete(ctx, *asked.Topic)
		}
	default:
		if _, err = s.names(c).byID(ctx, id); err == nil {
			gone, err = s.backend.Admin.DeleteID(ctx, id)
		}
	}
	if errors.Is(err, topic.ErrInvalidName) { // Kafka looks for it, and does not find it
		err = fmt.Errorf("%w: %v", errUnknownPartition, err) //nolint:errorlint // it is another error now
	}
	out.ErrorCode, out.ErrorMessage = s.code(err), message(err)
	if err == nil {
		out.Topic, out.TopicID = &gone.Name, gone.ID
		c.used.mutations += int(gone.Partitions)
	}
	return out
}
