package differential

import "slices"

// kfakeDeviations lists where kfake differs from firnlog: where it is not Kafka, and where firnlog is not on purpose.
func kfakeDeviations() []Row {
	rows := []Row{
		{"*", "*", "*ErrorMessage", "", "", "kfake has other messages, and often none"},
		{"ApiVersions", "*", "*", "", "", "kfake serves other APIs"},
		{"CreateTopics", "*", "*.Configs*", "", "", "kfake shows no configs of a topic that it made"},
		{"CreateTopics", "*", "*.TopicID", "no id", "*", "kfake draws ids for what is only validated"},
		{"DescribeConfigs", "*", "*", "", "", "kfake's configs have no types, synonyms or documentation, and are fewer"},
		{"*", "*", "*.AuthorizedOperations", "", "", "kfake counts other operations"},
		{"*", "*", "*.Rack", "null", "rack", "kfake's broker has a rack"},
		{"Fetch", "*", "*.HighWatermark", "-1", "0", "kfake shows 0 with errors"},
		{"Produce", "*", "*.LogStartOffset", "-1", "0", "kfake shows 0 with errors"},
		{"Produce", "*", "*.BaseOffset", "-1", "0", "kfake shows 0 with errors"},
		{"OffsetFetch", "*", "*.Metadata", "", "null", "kfake shows null for metadata that is empty"},
		{"DescribeGroups", "*", "*.ClientHost", "", "", "kfake names a member's address with its port"},
		{"ListOffsets", "special -5 *", "*", "", "", "nothing is in remote storage there"},
		{"DescribeTopicPartitions", "*", "*.EligibleLeaderReplicas", "empty", "null", "null and empty are the same"},
		{"DescribeTopicPartitions", "*", "*.LastKnownELR", "empty", "null", "null and empty are the same"},
	}
	for _, of := range kfakeOperations() {
		for _, op := range of.ops {
			rows = append(rows, Row{of.api, op, "*", "", "", of.why})
		}
	}
	return rows
}

// kfakeOperation lists operations of one API that kfake answers differently.
type kfakeOperation struct {
	api, why string
	ops      []string
}

func kfakeOperations() []kfakeOperation {
	return slices.Concat(kfakeAdmin(), kfakeGroups(), kfakeData())
}

func kfakeAdmin() []kfakeOperation {
	return []kfakeOperation{
		{"AlterConfigs", "kfake hardly looks at values and names of configs", []string{
			"bad value", "config twice", "invalid topic name", "unknown config", "without a value",
		}},
		{"CreatePartitions", "kfake takes as many partitions as there are, and names that are invalid", []string{
			"as many", "assignment to an unknown broker", "invalid name",
		}},
		{"CreateTopics", "kfake makes topics of invalid names and configs, after which they are there", []string{
			"assigned to one broker twice", "config cleanup.policy=shred", "config compression.gzip.level=0", "config compression.gzip.level=10",
			"config compression.lz4.level=18", "config compression.type=GZIP", "config compression.type=brotli", "config compression.type=none",
			"config compression.zstd.level=23", "config delete.retention.ms=-1", "config file.delete.delay.ms=-1", "config flush.messages=0", "config flush.ms=-1",
			"config index.interval.bytes=-1", "config local.retention.ms=-3", "config max.compaction.lag.ms=0", "config max.message.bytes=-1",
			"config max.message.bytes=1e3", "config max.message.bytes=3000000000", "config message.timestamp.before.max.ms=-1",
			"config message.timestamp.type=logappendtime", "config min.cleanable.dirty.ratio=1.1", "config min.cleanable.dirty.ratio=x", "config min.compaction.lag.ms=-1",
			"config min.insync.replicas=0", "config preallocate=yes", "config retention.ms=-2", "config retention.ms=9223372036854775808", "config segment.bytes=13",
			"config segment.index.bytes=3", "config segment.jitter.ms=-1", "config segment.ms=0", "config twice", "config unclean.leader.election.enable=maybe",
			"config without a name", "config without a value", "contradicting lags", "exists and invalid", "good beside bad", "invalid name, *",
			"more replicas than brokers", "negative partitions", "negative replicas", "no replicas", "two bad configs", "two that collide in one request", "unknown config",
		}},
		{"DeleteRecords", "kfake shows 0 as low watermark with errors, refuses to go backwards, and deletes from compacted topics", []string{
			"a compacted topic", "backwards", "behind the end", "invalid topic name", "negative offset", "negative partition", "unknown partition", "unknown topic",
		}},
		{"DeleteTopics", "kfake refuses no name that is given twice or is invalid", []string{
			"by an id that was deleted", "by an id whose name has another topic now", "by neither name nor id", "by unknown id", "existing twice", "invalid name", "unknown twice",
		}},
		{"DescribeCluster", "kfake knows no endpoint types, and shows a rack", []string{
			"controllers", "unknown endpoints", "with authorized operations",
		}},
		{"DescribeTopicPartitions", "kfake closes the connection on a bad cursor, and has topics of invalid names", []string{
			"all", "from a cursor behind all", "from a cursor of a topic not asked for", "from a negative cursor", "invalid names",
		}},
		{"IncrementalAlterConfigs", "kfake hardly looks at values and names of configs", []string{
			"append a bad item", "append nothing", "append to no list", "config twice", "invalid topic name", "set to a bad value", "set to null", "subtract from no list",
			"unknown config", "unknown operation",
		}},
		{"InitProducerID", "kfake refuses an empty transactional id, as Kafka, and takes an epoch alone", []string{
			"empty transactional id", "with an epoch alone",
		}},
	}
}

func kfakeGroups() []kfakeOperation {
	return []kfakeOperation{
		{"ConsumerGroupDescribe", "kfake names a member's address with its port, and no assignor", []string{
			"described",
		}},
		{"ConsumerGroupHeartbeat", "kfake shows an interval with every error, and takes some that Kafka refuses", []string{
			"a bad epoch", "an unknown assignor", "epoch *", "leaves", "lives after it left", "without a group", "without topics",
		}},
		{"DeleteGroups", "kfake loses members that joined in version 0, and knows groups without a name", []string{
			"no group",
		}},
		{"DescribeGroups", "kfake names a member's address with its port", []string{
			"of the new protocol", "unknown",
		}},
		{"FindCoordinator", "kfake fills in the one coordinator's fields beside the list", []string{
			"of a group", "of an unknown kind", "of none", "of several groups", "of the group without a name",
		}},
		{"Heartbeat", "kfake loses members that joined in version 0", []string{}},
		{"JoinGroup", "kfake loses members that joined in version 0", []string{
			"unknown member",
		}},
		{"LeaveGroup", "kfake loses members that joined in version 0", []string{}},
		{"ListGroups", "kfake knows groups without a name, and compares names of states exactly", []string{
			"all", "in state*", "of type*",
		}},
		{"OffsetDelete", "kfake does not look whether a topic exists", []string{
			"unknown partition", "unknown topic",
		}},
		{"SyncGroup", "kfake loses members that joined in version 0, and answers unknown groups with GROUP_ID_NOT_FOUND", []string{}},
	}
}

func kfakeData() []kfakeOperation {
	return []kfakeOperation{
		{"Fetch", "kfake counts limits in its own way", []string{"limit of the answer: *", "read committed"}},
		{"Fetch", "kfake let other batches in", []string{
			"LogAppendTime*", "producer *, read", "timestamps, read", "everything in partition 0", "from compression.type*", "what the rule of epochs let in",
		}},
		{"ListOffsets", "kfake takes all specials in version 0, and refuses a partition that is given twice, as Kafka", []string{
			"cut *", "the same twice",
		}},
		{"Metadata", "kfake shows a rack, and makes topics of any name", []string{
			"all topics", "authorized operations", "by id before there were ids", "by neither name nor id", "collision with another", "invalid name, *",
		}},
		{"OffsetCommit", "kfake takes commits of what does not exist", []string{
			"generation of an unknown group", "long metadata", "member of a simple group", "no group",
		}},
		{"OffsetFetch", "kfake answers unknown groups with GROUP_ID_NOT_FOUND, and takes a group without a name", []string{
			"after the group was deleted", "unknown group*", "committed, no group", "committed, two groups", "committed, unknown topic",
		}},
		{"OffsetFetch", "kfake took metadata that is too long", []string{"committed", "committed, all topics"}},
		{"OffsetForLeaderEpoch", "kfake compares epochs in its own way", []string{
			"epoch *",
		}},
		{"Produce", "kfake keeps one epoch of a producer for all partitions", []string{
			"duplicate of an older epoch: *", "epoch: epoch 1 goes on", "first of a version", "fenced in a version", "two producers: *",
		}},
		{"Produce", "kfake has other errors for sequences", []string{"unknown producer: *", "overlap: *", "window: *", "duplicate: *"}},
		{"Produce", "kfake takes most of what is wrong with a batch for damage, and misses some", []string{
			"* by its header", "a batch and some bytes", "base offset 5", "codec *", "empty bytes", "last offset delta *", "length too small", "magic *",
			"negative records", "producer *", "transactional bit without a producer", "two batches",
		}},
		{"Produce", "kfake knows nothing of LogAppendTime, timestamps that are too far, and keys on compacted topics", []string{
			"LogAppendTime*", "*timestamp*", "*on a compacted topic",
		}},
		{"Produce", "kfake closes the connection for old versions, and leaves it open without acknowledgement", []string{
			"message formats 0 and 1", "no acknowledgement, unknown *", "invalid topic name",
		}},
	}
}
