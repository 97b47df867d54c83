package rest

// table is all that is served. docs/SUPPORTED.md and openapi.yaml list the same; tests compare them.
func (s *Server) table() []route {
	const topic, cluster = "/topics/{topic}", "/v3/clusters/{cluster}"
	const seat, topic3, groups = "/consumers/{group}/instances/{instance}", cluster + "/topics/{topic}", cluster + "/consumer-groups"
	return compile([]route{
		{method: "GET", path: "/topics", speaks: v2, handle: s.listTopics, summary: "names of all topics"},
		{method: "GET", path: topic, speaks: v2, handle: s.showTopic, summary: "a topic with its configs and partitions"},
		{method: "POST", path: topic, speaks: v2Write, handle: s.produce, summary: "write records"},
		{method: "GET", path: topic + "/partitions", speaks: v2, handle: s.listPartitions, summary: "partitions of a topic"},
		{method: "GET", path: topic + "/partitions/{partition}", speaks: v2, handle: s.showPartition, summary: "one partition"},
		{method: "POST", path: topic + "/partitions/{partition}", speaks: v2Write, handle: s.produce, summary: "write records to one partition"},
		{method: "GET", path: topic + "/partitions/{partition}/offsets", speaks: v2, handle: s.showEnds, summary: "first offset and end"},
		{method: "GET", path: topic + "/partitions/{partition}/records", speaks: v2Read, handle: s.readPartition, summary: "read from an offset; nothing is kept"},
		{method: "GET", path: "/brokers", speaks: v2, handle: s.listBrokers, summary: "node ids of live instances"},
		{method: "POST", path: "/producers", speaks: v2, handle: s.makeProducer, summary: "a producer id for the header Firnlog-Producer"},

		{method: "POST", path: "/consumers/{group}", speaks: v2, handle: s.createInstance, summary: "make a consumer instance"},
		{method: "DELETE", path: seat, speaks: v2, handle: s.deleteInstance, summary: "end it; it leaves the group"},
		{method: "POST", path: seat + "/subscription", speaks: v2, handle: s.subscribe, summary: "subscribe to topics, or to a pattern"},
		{method: "GET", path: seat + "/subscription", speaks: v2, handle: s.showSubscription, summary: "what it is subscribed to"},
		{method: "DELETE", path: seat + "/subscription", speaks: v2, handle: s.unsubscribe, summary: "unsubscribe; it leaves the group"},
		{method: "POST", path: seat + "/assignments", speaks: v2, handle: s.assign, summary: "choose partitions, without the group"},
		{method: "GET", path: seat + "/assignments", speaks: v2, handle: s.showAssignments, summary: "partitions that it has"},
		{method: "GET", path: seat + "/records", speaks: v2Read, handle: s.poll, summary: "the next records"},
		{method: "GET", path: seat + topic, speaks: v2Read, handle: s.poll, summary: "the same, and subscribe first: version 1"},
		{method: "POST", path: seat + "/offsets", speaks: v2, handle: s.commitOffsets, summary: "commit offsets, or all that was given"},
		{method: "GET", path: seat + "/offsets", speaks: v2, handle: s.showOffsets, summary: "committed offsets"},
		{method: "POST", path: seat + "/positions", speaks: v2, handle: s.seek, summary: "read on from these offsets"},
		{method: "POST", path: seat + "/positions/beginning", speaks: v2, handle: s.seekToBeginning, summary: "read on from the beginning"},
		{method: "POST", path: seat + "/positions/end", speaks: v2, handle: s.seekToEnd, summary: "read on from the end"},

		{method: "GET", path: "/v3/clusters", speaks: v3, handle: s.listClusters, summary: "the one cluster"},
		{method: "GET", path: cluster, speaks: v3, handle: s.showCluster, summary: "the cluster"},
		{method: "GET", path: cluster + "/topics", speaks: v3, handle: s.listTopics3, summary: "topics"},
		{method: "POST", path: cluster + "/topics", speaks: v3, handle: s.createTopic, summary: "make a topic"},
		{method: "GET", path: topic3, speaks: v3, handle: s.showTopic3, summary: "a topic"},
		{method: "PATCH", path: topic3, speaks: v3, handle: s.growTopic, summary: "give a topic more partitions"},
		{method: "DELETE", path: topic3, speaks: v3, handle: s.deleteTopic, summary: "delete a topic"},
		{method: "GET", path: topic3 + "/configs", speaks: v3, handle: s.listConfigs, summary: "configs of a topic"},
		{method: "POST", path: topic3 + "/configs:alter", speaks: v3, handle: s.alterConfigs, summary: "change several configs at once"},
		{method: "GET", path: topic3 + "/configs/{name}", speaks: v3, handle: s.showConfig, summary: "one config"},
		{method: "PUT", path: topic3 + "/configs/{name}", speaks: v3, handle: s.setConfig, summary: "set one config"},
		{method: "DELETE", path: topic3 + "/configs/{name}", speaks: v3, handle: s.unsetConfig, summary: "back to the default"},
		{method: "GET", path: topic3 + "/partitions", speaks: v3, handle: s.listPartitions3, summary: "partitions of a topic"},
		{method: "GET", path: topic3 + "/partitions/{partition}", speaks: v3, handle: s.showPartition3, summary: "one partition"},
		{method: "GET", path: topic3 + "/partitions/{partition}/offset", speaks: v3, handle: s.showEnds3, summary: "first offset and end"},
		{method: "POST", path: topic3 + "/records", speaks: v3Stream, handle: s.produceStream, summary: "write records: JSON objects one after the other, as many reports"},
		{method: "POST", path: topic3 + "/records:batch", speaks: v3, handle: s.produceBatch, summary: "write a batch of records"},
		{method: "GET", path: groups, speaks: v3, handle: s.listGroups, summary: "consumer groups"},
		{method: "GET", path: groups + "/{group}", speaks: v3, handle: s.showGroup, summary: "a consumer group"},
		{method: "GET", path: groups + "/{group}/consumers", speaks: v3, handle: s.listConsumers, summary: "members of a group"},
		{method: "GET", path: groups + "/{group}/consumers/{consumer}", speaks: v3, handle: s.showConsumer, summary: "one member"},
		{method: "GET", path: groups + "/{group}/consumers/{consumer}/assignments", speaks: v3, handle: s.listAssignments, summary: "partitions of a member"},
		{method: "GET", path: groups + "/{group}/lags", speaks: v3, handle: s.listLags, summary: "how far a group is behind, by partition"},
		{method: "GET", path: groups + "/{group}/lags/{topic}/partitions/{partition}", speaks: v3, handle: s.showLag, summary: "the same of one partition"},
		{method: "GET", path: groups + "/{group}/lag-summary", speaks: v3, handle: s.summarizeLag, summary: "the same, in sum"},

		{method: "POST", path: "/firnlog/v1/topics/{topic}/fork", speaks: v3, handle: s.forkTopic, summary: "make a topic out of this one, without copying its records"},

		{method: "GET", path: "/openapi.yaml", speaks: plain, handle: s.openAPI, summary: "description of all this"},
	})
}
