package wire

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/acl"
	"github.com/firnlog/firnlog/core/auth"
)

// need is a resource that a request names, with what is done to it.
type need struct {
	on auth.ResourceType
	op auth.Operation
}

// checked marks topics that are looked up by requests which another need has let through.
const checked auth.Operation = 0

// needs is the one table of who may send what: for each key the resources that a request may name, with the operations that Kafka asks
// for. What is not in it is refused: a key without a row, and a resource that its row does not have.
//
//   - Of two needs of one type the first is that of caller.may; the others are asked for by name (mayAlso).
//   - Topics are checked where they are looked up (names.go), so no handler can forget it.
//   - A name that somebody may not describe is TOPIC_AUTHORIZATION_FAILED, whether or not there is such a topic; a topic id
//     is UNKNOWN_TOPIC_ID. Lists leave out what may not be described.
func needs() map[kmsg.Key][]need {
	const (
		topic, group, cluster, txn, user = auth.ResourceTopic, auth.ResourceGroup, auth.ResourceCluster, auth.ResourceTransactionalID, auth.ResourceUser
		read, write, create, remove      = auth.OperationRead, auth.OperationWrite, auth.OperationCreate, auth.OperationDelete
		alter, describe, action          = auth.OperationAlter, auth.OperationDescribe, auth.OperationClusterAction
		seeConfigs, setConfigs           = auth.OperationDescribeConfigs, auth.OperationAlterConfigs
	)
	return map[kmsg.Key][]need{
		kmsg.ApiVersions: {}, kmsg.SASLHandshake: {}, kmsg.SASLAuthenticate: {},

		kmsg.Produce:                 {{topic, write}, {txn, write}},
		kmsg.Fetch:                   {{topic, read}},
		kmsg.ListOffsets:             {{topic, describe}},
		kmsg.Metadata:                {{topic, describe}, {topic, create}, {cluster, create}, {cluster, describe}},
		kmsg.DescribeTopicPartitions: {{topic, describe}},
		kmsg.OffsetForLeaderEpoch:    {{topic, describe}},
		kmsg.DescribeProducers:       {{topic, read}},
		kmsg.DescribeCluster:         {{cluster, describe}}, // to see operations; brokers are shown to all

		kmsg.FindCoordinator:        {{group, describe}, {txn, describe}},
		kmsg.JoinGroup:              {{group, read}},
		kmsg.Heartbeat:              {{group, read}},
		kmsg.LeaveGroup:             {{group, read}},
		kmsg.SyncGroup:              {{group, read}},
		kmsg.ConsumerGroupHeartbeat: {{group, read}, {topic, describe}},
		kmsg.OffsetCommit:           {{group, read}, {topic, read}},
		kmsg.OffsetFetch:            {{group, describe}, {topic, describe}},
		kmsg.OffsetDelete:           {{group, remove}, {topic, read}},
		kmsg.DescribeGroups:         {{group, describe}},
		kmsg.ConsumerGroupDescribe:  {{group, describe}, {topic, describe}},
		kmsg.ListGroups:             {{group, describe}, {cluster, describe}},
		kmsg.DeleteGroups:           {{group, remove}},

		kmsg.InitProducerID:       {{txn, write}, {cluster, auth.OperationIdempotentWrite}, {topic, write}},
		kmsg.AddPartitionsToTxn:   {{txn, write}, {topic, write}},
		kmsg.AddOffsetsToTxn:      {{txn, write}, {group, read}},
		kmsg.TxnOffsetCommit:      {{txn, write}, {group, read}, {topic, read}},
		kmsg.EndTxn:               {{txn, write}},
		kmsg.WriteTxnMarkers:      {{cluster, action}, {cluster, alter}},
		kmsg.DescribeTransactions: {{txn, describe}, {topic, describe}},
		kmsg.ListTransactions:     {{txn, describe}},

		kmsg.CreateTopics:            {{topic, create}, {cluster, create}, {topic, seeConfigs}},
		kmsg.DeleteTopics:            {{topic, remove}},
		kmsg.DeleteRecords:           {{topic, remove}},
		kmsg.CreatePartitions:        {{topic, alter}},
		kmsg.DescribeConfigs:         {{topic, seeConfigs}, {group, seeConfigs}, {cluster, seeConfigs}},
		kmsg.AlterConfigs:            {{topic, setConfigs}, {group, setConfigs}, {cluster, setConfigs}},
		kmsg.IncrementalAlterConfigs: {{topic, setConfigs}, {group, setConfigs}, {cluster, setConfigs}},
		kmsg.ListConfigResources:     {{cluster, seeConfigs}},

		kmsg.DescribeLogDirs:              {{cluster, describe}},
		kmsg.ElectLeaders:                 {{cluster, alter}, {topic, checked}},
		kmsg.AlterPartitionAssignments:    {{cluster, alter}, {topic, checked}},
		kmsg.ListPartitionReassignments:   {{cluster, describe}},
		kmsg.UpdateFeatures:               {{cluster, alter}},
		kmsg.UnregisterBroker:             {{cluster, alter}},
		kmsg.DescribeUserSCRAMCredentials: {{user, describe}},
		kmsg.AlterUserSCRAMCredentials:    {{user, alter}},
		kmsg.DescribeClientQuotas:         {{cluster, seeConfigs}},
		kmsg.AlterClientQuotas:            {{cluster, setConfigs}},
		kmsg.DescribeACLs:                 {{cluster, describe}},
		kmsg.CreateACLs:                   {{cluster, alter}},
		kmsg.DeleteACLs:                   {{cluster, alter}},
	}
}

// Errors of who is not allowed.
var (
	errTopicDenied   = errors.New("not authorized to access the topic")
	errGroupDenied   = errors.New("not authorized to access the group")
	errClusterDenied = errors.New("not authorized to do this to the cluster")
	errTxnDenied     = errors.New("not authorized to use the transactional id")
)

func denialCodes() []errorCode {
	return []errorCode{
		{errTopicDenied, kerr.TopicAuthorizationFailed},
		{errGroupDenied, kerr.GroupAuthorizationFailed},
		{errClusterDenied, kerr.ClusterAuthorizationFailed},
		{errTxnDenied, kerr.TransactionalIDAuthorizationFailed},
	}
}

func denied(on auth.ResourceType) error {
	switch on {
	case auth.ResourceTopic:
		return errTopicDenied
	case auth.ResourceGroup:
		return errGroupDenied
	case auth.ResourceTransactionalID:
		return errTxnDenied
	case auth.ResourceUser:
		return errNotForUsers
	}
	return errClusterDenied
}

// may asks for what the request's row says of resources of a type.
func (c *caller) may(ctx context.Context, on auth.ResourceType, name string) error {
	if c.api != nil {
		for _, n := range c.api.needs {
			if n.on == on {
				return c.ask(ctx, n, name)
			}
		}
	}
	return denied(on)
}

// shows is may where a list leaves out what may not be seen.
func (c *caller) shows(ctx context.Context, on auth.ResourceType, name string) bool {
	return c.may(auth.Aside(ctx), on, name) == nil
}

// mayAlso asks for a need that is not the first of its type.
func (c *caller) mayAlso(ctx context.Context, op auth.Operation, on auth.ResourceType, name string) error {
	if c.api != nil {
		for _, n := range c.api.needs {
			if n == (need{on, op}) {
				return c.ask(ctx, n, name)
			}
		}
	}
	return denied(on)
}

// mayCluster is may of the one resource of its type.
func (c *caller) mayCluster(ctx context.Context) error {
	return c.may(ctx, auth.ResourceCluster, auth.ClusterName)
}

func (c *caller) ask(ctx context.Context, n need, name string) error {
	if n.op == checked || c.conn.s.may(ctx, n.op, auth.Resource{Type: n.on, Name: name}) {
		return nil
	}
	return denied(n.on)
}

// mayCreate says whether a topic of this name may be made.
func (c *caller) mayCreate(ctx context.Context, name string) error {
	if c.mayAlso(auth.Aside(ctx), auth.OperationCreate, auth.ResourceCluster, auth.ClusterName) == nil {
		return nil
	}
	return c.mayAlso(ctx, auth.OperationCreate, auth.ResourceTopic, name)
}

// operations are the bits of what the caller may do to a resource, as answers show them.
func (c *caller) operations(ctx context.Context, on auth.ResourceType, name string) (bits int32) {
	ctx = auth.Aside(ctx)
	for _, op := range acl.Operations(on) {
		if c.conn.s.may(ctx, op, auth.Resource{Type: on, Name: name}) {
			bits |= 1 << op
		}
	}
	return bits
}

// clusterOperations are those on the cluster, for who may describe it.
func (c *caller) clusterOperations(ctx context.Context) int32 {
	if c.mayAlso(auth.Aside(ctx), auth.OperationDescribe, auth.ResourceCluster, auth.ClusterName) != nil {
		return 0
	}
	return c.operations(ctx, auth.ResourceCluster, auth.ClusterName)
}
