package wire

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// api is one API key as it is served. Exactly one of handle and start is set.
type api struct {
	key      kmsg.Key
	min, max int16
	handle   handler
	start    starter // two phases: requests of one connection overlap
}

// handler answers a request. An error closes the connection without an answer.
type handler func(ctx context.Context, c *caller, req kmsg.Request) (kmsg.Response, error)

// starter begins a request in the order of arrival; the finisher waits for the outcome. A nil
// response is no answer at all.
type starter func(ctx context.Context, c *caller, req kmsg.Request) (finisher, error)

type finisher func(ctx context.Context) (kmsg.Response, error)

func (a *api) name() string {
	if a == nil {
		return "unknown"
	}
	return a.key.Name()
}

// apiTable holds what is served, by key. ApiVersions is generated from it.
type apiTable map[int16]*api

// table lists what is served: a line here and a file with the handler is all that a key needs.
func (s *Server) table() apiTable {
	t := apiTable{}
	for _, a := range []api{
		{key: kmsg.Produce, min: 0, max: 13, start: s.produce}, // 0-2 are refused, see produce.go
		{key: kmsg.Fetch, min: 4, max: 18, handle: on(s.fetch)},
		{key: kmsg.ListOffsets, min: 0, max: 11, handle: on(s.listOffsets)},
		{key: kmsg.Metadata, min: 0, max: 13, handle: on(s.metadata)},
		{key: kmsg.ApiVersions, min: 0, max: 4, handle: on(s.apiVersions)},
		{key: kmsg.CreateTopics, min: 0, max: 7, handle: on(s.createTopics)},
		{key: kmsg.DeleteTopics, min: 0, max: 6, handle: on(s.deleteTopics)},
		{key: kmsg.DeleteRecords, min: 0, max: 2, handle: on(s.deleteRecords)},
		{key: kmsg.InitProducerID, min: 0, max: 5, handle: on(s.initProducerID)},
		{key: kmsg.OffsetForLeaderEpoch, min: 0, max: 4, handle: on(s.offsetForLeaderEpoch)},
		{key: kmsg.DescribeConfigs, min: 0, max: 4, handle: on(s.describeConfigs)},
		{key: kmsg.AlterConfigs, min: 0, max: 2, handle: on(s.alterConfigs)},
		{key: kmsg.CreatePartitions, min: 0, max: 3, handle: on(s.createPartitions)},
		{key: kmsg.IncrementalAlterConfigs, min: 0, max: 1, handle: on(s.incrementalAlterConfigs)},
		{key: kmsg.DescribeCluster, min: 0, max: 2, handle: on(s.describeCluster)},
		{key: kmsg.DescribeTopicPartitions, min: 0, max: 0, handle: on(s.describeTopicPartitions)},
	} {
		t[a.key.Int16()] = &a
	}
	return t
}

// on makes a handler of a function on one type of request.
func on[R kmsg.Request](f func(context.Context, *caller, R) (kmsg.Response, error)) handler {
	return func(ctx context.Context, c *caller, req kmsg.Request) (kmsg.Response, error) {
		r, ok := req.(R)
		if !ok {
			return nil, fmt.Errorf("%w: %T", errFrame, req)
		}
		return f(ctx, c, r)
	}
}

// skipTags passes over tagged fields. A count that the bytes cannot hold ends it at once.
func skipTags(b *kbin.Reader) {
	for n := b.Uvarint(); n > 0 && b.Ok(); n-- {
		b.Uvarint()
		b.Span(int(b.Uvarint()))
	}
}
