package rest

import "github.com/firnlog/firnlog/core/auth"

// table is all that is served, and who may send it. docs/SUPPORTED.md and openapi.yaml list the same; tests compare them.
func (s *Server) table() []route {
	const topic, cluster = "/topics/{topic}", "/v3/clusters/{cluster}"
	const topicType, groupType, clusterType = auth.ResourceTopic, auth.ResourceGroup, auth.ResourceCluster
	const read, write, create, alter, describe, seeConfigs = auth.OperationRead, auth.OperationWrite, auth.OperationCreate, auth.OperationAlter, auth.OperationDescribe, auth.OperationDescribeConfigs
	of := func(on auth.ResourceType, op auth.Operation) []need { return []need{{on, op}} }
	member := []need{{groupType, read}, {topicType, read}}
	const seat, topic3, groups = "/consumers/{group}/instances/{instance}", cluster + "/topics/{topic}", cluster + "/consumer-groups"
	return compile([]route{
		{method: "GET", path: "/topics", speaks: v2, needs: of(topicType, describe), handle: s.listTopics, summary: "names of all topics"},
		{method: "GET", path: topic, speaks: v2, needs: []need{{topicType, describe}, {topicType, seeConfigs}}, handle: s.showTopic, summary: "a topic with its configs and partitions"},
		{method: "POST", path: topic, speaks: v2Write, needs: of(topicType, write), handle: s.produce, summary: "write records"},
		{method: "GET", path: topic + "/partitions", speaks: v2, needs: of(topicType, describe), handle: s.listPartitions, summary: "partitions of a topic"},
		{method: "GET", path: topic + "/partitions/{partition}", speaks: v2, needs: of(topicType, describe), handle: s.showPartition, summary: "one partition"},
		{method: "POST", path: topic + "/partitions/{partition}", speaks: v2Write, needs: of(topicType, write), handle: s.produce, summary: "write records to one partition"},
		{method: "GET", path: topic + "/partitions/{partition}/offsets", speaks: v2, needs: of(topicType, describe), handle: s.showEnds, summary: "first offset and end"},
		{method: "GET", path: topic + "/partitions/{partition}/records", speaks: v2Read, needs: of(topicType, read), handle: s.readPartition, summary: "read from an offset; nothing is kept"},
		{method: "GET", path: "/brokers", speaks: v2, needs: everybody(), handle: s.listBrokers, summary: "node ids of live instances"},
		{method: "POST", path: "/producers", speaks: v2, needs: of(clusterType, auth.OperationIdempotentWrite), handle: s.makeProducer, summary: "a producer id for the header Firnlog-Producer"},

		{method: "POST", path: "/consumers/{group}", speaks: v2, needs: of(groupType, read), handle: s.createInstance, summary: "make a consumer instance"},
		{method: "DELETE", path: seat, speaks: v2, needs: of(groupType, read), handle: s.deleteInstance, summary: "end it; it leaves the group"},
		{method: "POST", path: seat + "/subscription", speaks: v2, needs: member, handle: s.subscribe, summary: "subscribe to topics, or to a pattern"},
		{method: "GET", path: seat + "/subscription", speaks: v2, needs: member, handle: s.showSubscription, summary: "what it is subscribed to"},
		{method: "DELETE", path: seat + "/subscription", speaks: v2, needs: of(groupType, read), handle: s.unsubscribe, summary: "unsubscribe; it leaves the group"},
		{method: "POST", path: seat + "/assignments", speaks: v2, needs: member, handle: s.assign, summary: "choose partitions, without the group"},
		{method: "GET", path: seat + "/assignments", speaks: v2, needs: member, handle: s.showAssignments, summary: "partitions that it has"},
		{method: "GET", path: seat + "/records", speaks: v2Read, needs: member, handle: s.poll, summary: "the next records"},
		{method: "GET", path: seat + topic, speaks: v2Read, needs: member, handle: s.poll, summary: "the same, and subscribe first: version 1"},
		{method: "POST", path: seat + "/offsets", speaks: v2, needs: member, handle: s.commitOffsets, summary: "commit offsets, or all that was given"},
		{method: "GET", path: seat + "/offsets", speaks: v2, needs: member, handle: s.showOffsets, summary: "committed offsets"},
		{method: "POST", path: seat + "/positions", speaks: v2, needs: member, handle: s.seek, summary: "read on from these offsets"},
		{method: "POST", path: seat + "/positions/beginning", speaks: v2, needs: member, handle: s.seekToBeginning, summary: "read on from the beginning"},
		{method: "POST", path: seat + "/positions/end", speaks: v2, needs: member, handle: s.seekToEnd, summary: "read on from the end"},

		{method: "GET", path: "/v3/clusters", speaks: v3, needs: everybody(), handle: s.listClusters, summary: "the one cluster"},
		{method: "GET", path: cluster, speaks: v3, needs: everybody(), handle: s.showCluster, summary: "the cluster"},
		{method: "GET", path: cluster + "/topics", speaks: v3, needs: of(topicType, describe), handle: s.listTopics3, summary: "topics"},
		{method: "POST", path: cluster + "/topics", speaks: v3, needs: []need{{topicType, create}, {clusterType, create}}, handle: s.createTopic, summary: "make a topic"},
		{method: "GET", path: topic3, speaks: v3, needs: of(topicType, describe), handle: s.showTopic3, summary: "a topic"},
		{method: "PATCH", path: topic3, speaks: v3, needs: of(topicType, alter), handle: s.growTopic, summary: "give a topic more partitions"},
		{method: "DELETE", path: topic3, speaks: v3, needs: of(topicType, auth.OperationDelete), handle: s.deleteTopic, summary: "delete a topic"},
		{method: "GET", path: topic3 + "/configs", speaks: v3, needs: of(topicType, seeConfigs), handle: s.listConfigs, summary: "configs of a topic"},
		{method: "POST", path: topic3 + "/configs:alter", speaks: v3, needs: of(topicType, auth.OperationAlterConfigs), handle: s.alterConfigs, summary: "change several configs at once"},
		{method: "GET", path: topic3 + "/configs/{name}", speaks: v3, needs: of(topicType, seeConfigs), handle: s.showConfig, summary: "one config"},
		{method: "PUT", path: topic3 + "/configs/{name}", speaks: v3, needs: of(topicType, auth.OperationAlterConfigs), handle: s.setConfig, summary: "set one config"},
		{method: "DELETE", path: topic3 + "/configs/{name}", speaks: v3, needs: of(topicType, auth.OperationAlterConfigs), handle: s.unsetConfig, summary: "back to the default"},
		{method: "GET", path: topic3 + "/partitions", speaks: v3, needs: of(topicType, describe), handle: s.listPartitions3, summary: "partitions of a topic"},
		{method: "GET", path: topic3 + "/partitions/{partition}", speaks: v3, needs: of(topicType, describe), handle: s.showPartition3, summary: "one partition"},
		{method: "GET", path: topic3 + "/partitions/{partition}/offset", speaks: v3, needs: of(topicType, describe), handle: s.showEnds3, summary: "first offset and end"},
		{method: "POST", path: topic3 + "/records", speaks: v3Stream, needs: of(topicType, write), handle: s.produceStream, summary: "write records: JSON objects one after the other, as many reports"},
		{method: "POST", path: topic3 + "/records:batch", speaks: v3, needs: of(topicType, write), handle: s.produceBatch, carries: true, summary: "write a batch of records"},
		{method: "GET", path: groups, speaks: v3, needs: []need{{groupType, describe}, {clusterType, describe}}, handle: s.listGroups, summary: "consumer groups"},
		{method: "GET", path: groups + "/{group}", speaks: v3, needs: of(groupType, describe), handle: s.showGroup, summary: "a consumer group"},
		{method: "GET", path: groups + "/{group}/consumers", speaks: v3, needs: of(groupType, describe), handle: s.listConsumers, summary: "members of a group"},
		{method: "GET", path: groups + "/{group}/consumers/{consumer}", speaks: v3, needs: of(groupType, describe), handle: s.showConsumer, summary: "one member"},
		{method: "GET", path: groups + "/{group}/consumers/{consumer}/assignments", speaks: v3, needs: []need{{groupType, describe}, {topicType, describe}}, handle: s.listAssignments, summary: "partitions of a member"},
		{method: "GET", path: groups + "/{group}/lags", speaks: v3, needs: []need{{groupType, describe}, {topicType, describe}}, handle: s.listLags, summary: "how far a group is behind, by partition"},
		{method: "GET", path: groups + "/{group}/lags/{topic}/partitions/{partition}", speaks: v3, needs: []need{{groupType, describe}, {topicType, describe}}, handle: s.showLag, summary: "the same of one partition"},
		{method: "GET", path: groups + "/{group}/lag-summary", speaks: v3, needs: []need{{groupType, describe}, {topicType, describe}}, handle: s.summarizeLag, summary: "the same, in sum"},

		{method: "GET", path: cluster + "/acls", speaks: v3, needs: of(clusterType, describe), handle: s.listACLs, summary: "ACLs that the parameters mean"},
		{method: "POST", path: cluster + "/acls", speaks: v3, needs: of(clusterType, alter), handle: s.createACL, summary: "make an ACL"},
		{method: "DELETE", path: cluster + "/acls", speaks: v3, needs: of(clusterType, alter), handle: s.deleteACLs, summary: "delete the ACLs that the parameters mean"},
		{method: "POST", path: cluster + "/acls:batch", speaks: v3, needs: of(clusterType, alter), handle: s.createACLs, summary: "make several ACLs, all or none of which are as they should be"},

		{method: "POST", path: "/firnlog/v1/topics/{topic}/fork", speaks: v3, needs: []need{{topicType, read}, {topicType, create}, {clusterType, create}}, handle: s.forkTopic, summary: "make a topic out of this one, without copying its records"},

		{method: "GET", path: "/openapi.yaml", speaks: plain, needs: everybody(), handle: s.openAPI, summary: "description of all this"},
	})
}
