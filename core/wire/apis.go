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
	needs    []need // who may send it
	handle   handler
	start    starter // two phases: requests of one connection overlap
	shape    string  // of the request's body, see shape.go
	outline  shape
	// noTags are tags at the top of the body that only brokers send. They hold structs, which are not walked.
	noTags []uint32
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

// table lists what is served: a line here, a row in needs and a file with the handler is all that a key needs.
func (s *Server) table() apiTable {
	t, rows := apiTable{}, needs()
	for _, a := range []api{
		{key: kmsg.Produce, min: 0, max: 13, start: s.produce, shape: "3+s h i [-12s 13+u [i B]]"}, // 0-2 are refused, see produce.go
		{key: kmsg.Fetch, min: 4, max: 18, handle: on(s.fetch), noTags: []uint32{1}, shape: "-14i i i i b 7+i 7+i [-12s 13+u [i 9+i l 12+i 5+l i]] 7+[-12s 13+u (i)] 11+s"},
		{key: kmsg.ListOffsets, min: 0, max: 11, handle: on(s.listOffsets), shape: "i 2+b [s [i 4+i l -0i]] 10+i"},
		{key: kmsg.Metadata, min: 0, max: 13, handle: on(s.metadata), shape: "[10+u s] 4+b 8-10b 8+b"},
		{key: kmsg.OffsetCommit, min: 0, max: 10, handle: on(s.offsetCommit), shape: "s 1+i 1+s 7+s 2-4l [-9s 10+u [i l 1-1l 6+i s]]"},
		{key: kmsg.OffsetFetch, min: 1, max: 10, handle: on(s.offsetFetch), shape: "-7s -7[s (i)] 8+[s 9+s 9+i [-9s 10+u (i)]] 7+b"},
		{key: kmsg.FindCoordinator, min: 0, max: 6, handle: on(s.findCoordinator), shape: "-3s 1+b 4+(s)"},
		{key: kmsg.JoinGroup, min: 0, max: 9, handle: on(s.joinGroup), shape: "s i 1+i s 5+s s [s B] 8+s"},
		{key: kmsg.Heartbeat, min: 0, max: 4, handle: on(s.heartbeat), shape: "s i s 3+s"},
		{key: kmsg.LeaveGroup, min: 0, max: 5, handle: on(s.leaveGroup), shape: "s -2s 3+[s s 5+s]"},
		{key: kmsg.SyncGroup, min: 0, max: 5, handle: on(s.syncGroup), shape: "s i s 3+s 5+s 5+s [s B]"},
		{key: kmsg.DescribeGroups, min: 0, max: 6, handle: on(s.describeGroups), shape: "(s) 3+b"},
		{key: kmsg.ListGroups, min: 0, max: 5, handle: on(s.listGroups), shape: "4+(s) 5+(s)"},
		{key: kmsg.SASLHandshake, min: 0, max: 1, handle: on(s.saslHandshake), shape: "s"},
		{key: kmsg.SASLAuthenticate, min: 0, max: 2, handle: on(s.saslAuthenticate), shape: "B"},
		{key: kmsg.DescribeUserSCRAMCredentials, min: 0, max: 0, handle: on(s.describeUserCredentials), shape: "[s]"},
		{key: kmsg.AlterUserSCRAMCredentials, min: 0, max: 0, handle: on(s.alterUserCredentials), shape: "[s b] [s b i B B]"},
		{key: kmsg.ApiVersions, min: 0, max: 4, handle: on(s.apiVersions), shape: "3+s 3+s"},
		{key: kmsg.CreateTopics, min: 0, max: 7, handle: on(s.createTopics), shape: "[s i h [i (i)] [s s]] i 1+b"},
		{key: kmsg.DeleteTopics, min: 0, max: 6, handle: on(s.deleteTopics), shape: "6+[s u] -5(s) i"},
		{key: kmsg.DeleteRecords, min: 0, max: 2, handle: on(s.deleteRecords), shape: "[s [i l]] i"},
		{key: kmsg.InitProducerID, min: 0, max: 5, handle: on(s.initProducerID), shape: "s i 3+l 3+h"},
		{key: kmsg.AddPartitionsToTxn, min: 0, max: 3, handle: on(s.addPartitionsToTxn), shape: "s l h [s (i)]"},
		{key: kmsg.AddOffsetsToTxn, min: 0, max: 4, handle: on(s.addOffsetsToTxn), shape: "s l h s"},
		{key: kmsg.EndTxn, min: 0, max: 5, handle: on(s.endTxn), shape: "s l h b"},
		{key: kmsg.WriteTxnMarkers, min: 1, max: 2, handle: on(s.writeTxnMarkers), shape: "[l h b [s (i)] i 2+b]"},
		{key: kmsg.TxnOffsetCommit, min: 0, max: 6, handle: on(s.txnOffsetCommit), shape: "s s l h 3+i 3+s 3+s [-5s 6+u [i l 2+i s]]"},
		{key: kmsg.DescribeTransactions, min: 0, max: 0, handle: on(s.describeTransactions), shape: "(s)"},
		{key: kmsg.ListTransactions, min: 0, max: 2, handle: on(s.listTransactions), shape: "(s) (l) 1+l 2+s"},
		{key: kmsg.OffsetForLeaderEpoch, min: 0, max: 4, handle: on(s.offsetForLeaderEpoch), shape: "3+i [s [i 2+i i]]"},
		{key: kmsg.DescribeConfigs, min: 0, max: 4, handle: on(s.describeConfigs), shape: "[b s (s)] 1+b 3+b"},
		{key: kmsg.AlterConfigs, min: 0, max: 2, handle: on(s.alterConfigs), shape: "[b s [s s]] b"},
		{key: kmsg.DescribeLogDirs, min: 1, max: 5, handle: on(s.describeLogDirs), shape: "[s (i)]"},
		{key: kmsg.CreatePartitions, min: 0, max: 3, handle: on(s.createPartitions), shape: "[s i [(i)]] i b"},
		{key: kmsg.DeleteGroups, min: 0, max: 3, handle: on(s.deleteGroups), shape: "(s)"},
		{key: kmsg.ElectLeaders, min: 0, max: 2, handle: on(s.electLeaders), shape: "1+b [s (i)] i"},
		{key: kmsg.OffsetDelete, min: 0, max: 0, handle: on(s.offsetDelete), shape: "s [s [i]]"},
		{key: kmsg.UpdateFeatures, min: 0, max: 2, handle: on(s.updateFeatures), shape: "i [s h -0b 1+b] 1+b"},
		{key: kmsg.IncrementalAlterConfigs, min: 0, max: 1, handle: on(s.incrementalAlterConfigs), shape: "[b s [s b s]] b"},
		{key: kmsg.AlterPartitionAssignments, min: 0, max: 1, handle: on(s.alterPartitionAssignments), shape: "i 1+b [s [i (i)]]"},
		{key: kmsg.ListPartitionReassignments, min: 0, max: 0, handle: on(s.listPartitionReassignments), shape: "i [s (i)]"},
		{key: kmsg.DescribeCluster, min: 0, max: 2, handle: on(s.describeCluster), shape: "b 1+b 2+b"},
		{key: kmsg.DescribeProducers, min: 0, max: 0, handle: on(s.describeProducers), shape: "[s (i)]"},
		{key: kmsg.UnregisterBroker, min: 0, max: 0, handle: on(s.unregisterBroker), shape: "i"},
		{key: kmsg.ConsumerGroupHeartbeat, min: 0, max: 1, handle: on(s.consumerGroupHeartbeat), shape: "s s i s s i (s) 1+s s [u (i)]"},
		{key: kmsg.ConsumerGroupDescribe, min: 0, max: 1, handle: on(s.consumerGroupDescribe), shape: "(s) b"},
		{key: kmsg.DescribeClientQuotas, min: 0, max: 1, handle: on(s.describeClientQuotas), shape: "[s b s] b"},
		{key: kmsg.AlterClientQuotas, min: 0, max: 1, handle: on(s.alterClientQuotas), shape: "[[s s] [s l b]] b"},
		{key: kmsg.DescribeACLs, min: 1, max: 3, handle: on(s.describeACLs), shape: "b s b s s b b"},
		{key: kmsg.CreateACLs, min: 1, max: 3, handle: on(s.createACLs), shape: "[b s b s s b b]"},
		{key: kmsg.DeleteACLs, min: 1, max: 3, handle: on(s.deleteACLs), shape: "[b s b s s b b]"},
		{key: kmsg.ListConfigResources, min: 0, max: 1, handle: on(s.listConfigResources), shape: "1+(b)"},
		{key: kmsg.DescribeTopicPartitions, min: 0, max: 0, handle: on(s.describeTopicPartitions), shape: "[s] i {s i}"},
	} {
		a.outline, a.needs = parseShape(a.shape), rows[a.key]
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
