package wire

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// DeleteTopics (key 20), versions 0-6.
//
//	v4  flexible
//	v5  error messages
//	v6  by name or by id
//
// When it is answered, the name is free.
func (s *Server) deleteTopics(ctx context.Context, _ *caller, req *kmsg.DeleteTopicsRequest) (kmsg.Response, error) {
	ctx, cancel := adminTimeout(ctx, req.TimeoutMillis)
	defer cancel()
	resp := kmsg.NewPtrDeleteTopicsResponse()
	resp.Version = req.Version
	for _, name := range req.TopicNames {
		resp.Topics = append(resp.Topics, s.remove(ctx, kmsg.DeleteTopicsRequestTopic{Topic: &name}))
	}
	for _, t := range req.Topics {
		resp.Topics = append(resp.Topics, s.remove(ctx, t))
	}
	return resp, nil
}

func (s *Server) remove(ctx context.Context, asked kmsg.DeleteTopicsRequestTopic) kmsg.DeleteTopicsResponseTopic {
	out := kmsg.NewDeleteTopicsResponseTopic()
	out.Topic, out.TopicID = asked.Topic, asked.TopicID
	id := record.TopicID(asked.TopicID)
	var gone *ledger.Topic
	var err error
	switch {
	case asked.Topic != nil && id != record.TopicID{}, asked.Topic == nil && id == record.TopicID{}:
		err = fmt.Errorf("%w: name either the topic or its id", errRequest)
	case asked.Topic != nil:
		gone, err = s.backend.Admin.Delete(ctx, *asked.Topic)
	default:
		gone, err = s.backend.Admin.DeleteID(ctx, id)
	}
	out.ErrorCode, out.ErrorMessage = s.code(err), message(err)
	if err == nil {
		out.Topic, out.TopicID = &gone.Name, gone.ID
	}
	return out
}
