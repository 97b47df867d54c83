package wire

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/topic"
)

// CreatePartitions (key 37), versions 0-3.
//
//	v2  flexible
//
// A topic only grows. Assignments of replicas are accepted if there is one for each new partition, and ignored.
func (s *Server) createPartitions(ctx context.Context, c *caller, req *kmsg.CreatePartitionsRequest) (kmsg.Response, error) {
	ctx, cancel := adminTimeout(ctx, req.TimeoutMillis)
	defer cancel()
	resp := kmsg.NewPtrCreatePartitionsResponse()
	resp.Version = req.Version
	named := make([]string, len(req.Topics))
	for i := range req.Topics {
		named[i] = req.Topics[i].Topic
	}
	repeats := newRepeats(named)
	for i := range req.Topics {
		asked := &req.Topics[i]
		once, first := repeats.take(asked.Topic)
		if !once && !first {
			continue
		}
		err := fmt.Errorf("topic %q: %w", asked.Topic, errTwice)
		if once {
			err = s.grow(ctx, c, asked, req.ValidateOnly)
		}
		out := kmsg.NewCreatePartitionsResponseTopic()
		out.Topic, out.ErrorCode, out.ErrorMessage = asked.Topic, s.code(err), message(err)
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

func (s *Server) grow(ctx context.Context, c *caller, asked *kmsg.CreatePartitionsRequestTopic, validateOnly bool) error {
	if err := c.may(ctx, auth.ResourceTopic, asked.Topic); err != nil {
		return err
	}
	if n := int32(len(asked.Assignment)); n > 0 {
		t, err := s.names(c).byName(ctx, asked.Topic)
		if err != nil {
			return err
		}
		if asked.Count > t.Partitions && n != asked.Count-t.Partitions {
			return fmt.Errorf("%w: %d for %d new partitions", errAssignment, n, asked.Count-t.Partitions)
		}
	}
	before, known := s.backend.Topics.TopicByName(asked.Topic)
	_, err := s.backend.Admin.Grow(ctx, asked.Topic, asked.Count, validateOnly)
	if err == nil && known && !validateOnly {
		c.used.mutations += max(int(asked.Count-before.Partitions), 0)
	}
	if errors.Is(err, topic.ErrInvalidName) { // Kafka looks for it, and does not find it
		err = fmt.Errorf("%w: %v", errUnknownPartition, err) //nolint:errorlint // it is another error now
	}
	return err
}
