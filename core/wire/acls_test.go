package wire

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/acl"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/txn"
)

// everyone is an ACL for all who come in.
func everyone(on auth.ResourceType, name string, op auth.Operation) acl.Binding {
	return acl.Binding{Type: on, Name: name, Pattern: acl.PatternLiteral, Principal: "User:*", Host: "*", Operation: op, Permission: acl.PermissionAllow}
}

func creation(on auth.ResourceType, name string, op auth.Operation) kmsg.CreateACLsRequestCreation {
	c := kmsg.NewCreateACLsRequestCreation()
	c.ResourceType, c.ResourceName, c.Principal, c.Host = kmsg.ACLResourceType(on), name, "User:alice", "*"
	c.Operation, c.PermissionType = kmsg.ACLOperation(op), kmsg.ACLPermissionTypeAllow
	return c
}

func everyACL() *kmsg.DescribeACLsRequest {
	req := kmsg.NewPtrDescribeACLsRequest()
	req.Version, req.ResourceType, req.ResourcePatternType, req.Operation, req.PermissionType = 3, 1, 1, 1, 1
	return req
}

func TestACLs_AreMadeListedAndDeletedByWhoMayAlterTheCluster(t *testing.T) {
	v := newVault(t)
	v.grant(t, everyone(auth.ResourceCluster, auth.ClusterName, auth.OperationAlter))
	c := v.dial(t)
	create := kmsg.NewPtrCreateACLsRequest()
	create.Version = 3
	wrong := creation(auth.ResourceTopic, "orders", auth.OperationRead)
	wrong.ResourcePatternType = kmsg.ACLResourcePatternTypeMatch
	create.Creations = append(create.Creations, creation(auth.ResourceTopic, "orders", auth.OperationRead), wrong, creation(auth.ResourceGroup, "g", auth.OperationWrite), creation(auth.ResourceCluster, "x", auth.OperationAlter))
	var codes []int16
	for _, r := range ask[*kmsg.CreateACLsResponse](c, create).Results {
		codes = append(codes, r.ErrorCode)
		if r.ErrorCode != 0 && r.ErrorMessage == nil {
			t.Error("nobody is told why")
		}
	}
	if want := kerr.InvalidRequest.Code; !slices.Equal(codes, []int16{0, want, want, want}) {
		t.Errorf("codes %v", codes)
	}
	list := ask[*kmsg.DescribeACLsResponse](c, everyACL())
	if len(list.Resources) != 3 || list.Resources[0].ResourceName != "orders" || len(list.Resources[0].ACLs) != 1 || list.Resources[0].ACLs[0].Principal != "User:alice" {
		t.Errorf("%+v", list)
	}
	remove := kmsg.NewPtrDeleteACLsRequest()
	remove.Version = 3
	f := kmsg.NewDeleteACLsRequestFilter()
	f.ResourceType, f.ResourceName, f.ResourcePatternType, f.Operation, f.PermissionType = 2, kmsg.StringPtr("orders"), kmsg.ACLResourcePatternTypeMatch, 1, 1
	bad := f
	bad.PermissionType = 0
	remove.Filters = append(remove.Filters, f, bad)
	gone := ask[*kmsg.DeleteACLsResponse](c, remove).Results
	if len(gone) != 2 || len(gone[0].MatchingACLs) != 1 || gone[0].MatchingACLs[0].ResourceName != "orders" || gone[1].ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("%+v", gone)
	}
}

func TestACLs_WithoutAnyThatIsSaid(t *testing.T) {
	c := newBench(t).dial(t)
	create, remove := kmsg.NewPtrCreateACLsRequest(), kmsg.NewPtrDeleteACLsRequest()
	create.Version, remove.Version = 3, 3
	create.Creations = append(create.Creations, creation(auth.ResourceTopic, "orders", auth.OperationRead))
	remove.Filters = append(remove.Filters, kmsg.NewDeleteACLsRequestFilter())
	want := kerr.SecurityDisabled.Code
	if a, b, d := ask[*kmsg.DescribeACLsResponse](c, everyACL()), ask[*kmsg.CreateACLsResponse](c, create), ask[*kmsg.DeleteACLsResponse](c, remove); a.ErrorCode != want || b.Results[0].ErrorCode != want || d.Results[0].ErrorCode != want {
		t.Errorf("%+v %+v %+v", a, b, d)
	}
}

func TestACLs_AFetchSessionIsCheckedEachTime(t *testing.T) {
	v := newVault(t)
	right := everyone(auth.ResourceTopic, secret, auth.OperationRead)
	v.grant(t, right)
	c := v.dial(t)
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxBytes, req.SessionEpoch = 12, 1<<20, 0
	topic, part := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	topic.Topic, part.PartitionMaxBytes = secret, 1<<20
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	first := ask[*kmsg.FetchResponse](c, req)
	if first.SessionID == 0 || !strings.Contains(string(first.Topics[0].Partitions[0].RecordBatches), secret) {
		t.Fatalf("%+v", first)
	}
	gone := v.acls.Delete(t.Context(), []acl.Filter{{Type: right.Type, Pattern: acl.PatternAny, Principal: &right.Principal, Operation: acl.OperationAny, Permission: acl.PermissionAny}})
	if len(gone[0].Bindings) != 1 {
		t.Fatalf("%+v", gone)
	}
	req.SessionID, req.SessionEpoch, req.Topics = first.SessionID, 1, nil
	next := ask[*kmsg.FetchResponse](c, req)
	if len(next.Topics) != 1 || next.Topics[0].Partitions[0].ErrorCode != kerr.TopicAuthorizationFailed.Code || len(next.Topics[0].Partitions[0].RecordBatches) > 0 {
		t.Errorf("%+v", next)
	}
}

func metadataWith(name string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Version, req.AllowAutoTopicCreation, req.IncludeClusterAuthorizedOperations, req.IncludeTopicAuthorizedOperations = 10, true, true, true
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &name
	req.Topics = append(req.Topics, t)
	return req
}

func TestMetadata_MakesATopicOnlyForWhoMayCreateIt(t *testing.T) {
	v := newVault(t)
	v.grant(t, everyone(auth.ResourceTopic, "new", auth.OperationDescribe))
	c := v.dial(t)
	if got := ask[*kmsg.MetadataResponse](c, metadataWith("new")); got.Topics[0].ErrorCode != kerr.TopicAuthorizationFailed.Code || got.AuthorizedOperations != 0 {
		t.Errorf("%+v", got)
	}
	v.grant(t, everyone(auth.ResourceTopic, "new", auth.OperationCreate), everyone(auth.ResourceCluster, auth.ClusterName, auth.OperationDescribe))
	got := ask[*kmsg.MetadataResponse](c, metadataWith("new"))
	if want := int32(1<<auth.OperationDescribe | 1<<auth.OperationCreate); got.Topics[0].ErrorCode != 0 || got.Topics[0].AuthorizedOperations != want {
		t.Errorf("%+v", got.Topics[0])
	}
	if got.AuthorizedOperations != 1<<auth.OperationDescribe {
		t.Errorf("cluster operations %b", got.AuthorizedOperations)
	}
}

func TestInitProducerID_ARightToWriteSomeTopicIsEnough(t *testing.T) {
	v := newVault(t)
	c := v.dial(t)
	if got := ask[*kmsg.InitProducerIDResponse](c, kmsg.NewPtrInitProducerIDRequest()); got.ErrorCode != kerr.ClusterAuthorizationFailed.Code || got.ProducerID >= 0 {
		t.Errorf("%+v", got)
	}
	prefix := everyone(auth.ResourceTopic, "any", auth.OperationWrite)
	prefix.Pattern = acl.PatternPrefixed
	v.grant(t, prefix)
	if got := ask[*kmsg.InitProducerIDResponse](c, kmsg.NewPtrInitProducerIDRequest()); got.ErrorCode != 0 || got.ProducerID < 0 {
		t.Errorf("%+v", got)
	}
}

func TestWalk_ListsShowWhatMayBeDescribed(t *testing.T) {
	v := newVault(t)
	for _, on := range []auth.ResourceType{auth.ResourceTopic, auth.ResourceGroup, auth.ResourceTransactionalID} {
		v.grant(t, everyone(on, secret, auth.OperationDescribe))
	}
	for _, key := range []kmsg.Key{kmsg.DescribeTopicPartitions, kmsg.ListGroups, kmsg.ListTransactions} {
		if _, all := v.answer(t, filling{all: true}, key.Int16(), v.apis[key.Int16()].max); !strings.Contains(all, secret) {
			t.Errorf("%s: %q", key.Name(), all)
		}
	}
}

func TestACLs_RightsToAGroupAndATransactionTellNoTopics(t *testing.T) {
	v := newVault(t)
	for _, on := range []auth.ResourceType{auth.ResourceGroup, auth.ResourceTransactionalID} {
		v.grant(t, everyone(on, acl.Wildcard, auth.OperationAll))
	}
	part := record.TopicPartition{Topic: v.topic.ID}
	err := v.groups.CommitOffsets(t.Context(), "watched", group.CommitRequest{CommitCheck: group.CommitCheck{Generation: -1}, Topics: []group.CommitTopic{
		{Name: secret, ID: v.topic.ID, Partitions: map[int32]group.Committed{0: {Offset: 1}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	who, err := v.backend.Transactions.Init(t.Context(), "traced", 10_000, txn.Identity{Producer: -1, Epoch: -1})
	if err == nil {
		err = v.backend.Transactions.AddPartitions(t.Context(), "traced", who, []record.TopicPartition{part})
	}
	if err != nil {
		t.Fatal(err)
	}
	offsets, traced := kmsg.NewPtrOffsetFetchRequest(), kmsg.NewPtrDescribeTransactionsRequest()
	offsets.Version, offsets.Group = 7, "watched"
	traced.TransactionalIDs = []string{"traced"}
	join := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	join.Version, join.Group, join.MemberID, join.RebalanceTimeoutMillis, join.SubscribedTopicRegex, join.Topics = 1, "hunt", "m", 1000, kmsg.StringPtr("s.*"), []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	look := kmsg.NewPtrConsumerGroupDescribeRequest()
	look.Groups = []string{"hunt"}
	c := v.dial(t)
	for pass, want := range []bool{false, true} {
		for _, req := range []kmsg.Request{offsets, traced, join, look} {
			resp := c.call(req)
			text := string(resp.AppendTo(nil))
			if got := strings.Contains(text, secret) || strings.Contains(text, string(v.topic.ID[:])); got != want {
				t.Errorf("%s: topics are told: %v, want %v: %q", kmsg.NameForKey(req.Key()), got, want, text)
			}
			if h, ok := resp.(*kmsg.ConsumerGroupHeartbeatResponse); ok && (h.ErrorCode != 0 || h.MemberEpoch < 1) {
				t.Errorf("pass %d: %+v", pass, h)
			}
		}
		v.grant(t, everyone(auth.ResourceTopic, acl.Wildcard, auth.OperationDescribe))
		join.Group, look.Groups = "hunt again", []string{"hunt again"}
	}
}
