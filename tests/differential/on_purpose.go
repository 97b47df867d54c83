package differential

// onPurpose lists how firnlog differs from Apache Kafka, and why that is meant to be.
func onPurpose() []Row {
	var all []Row
	for _, part := range [][]Row{general(), onTopics(), onConfigs(), onProduce(), onFetch(), onGroups()} {
		all = append(all, part...)
	}
	return all
}

func general() []Row {
	return []Row{
		{"*", "*", "*ErrorMessage", "text", "*", "an error always says what is wrong"},
		{"ApiVersions", "*", "ApiKeys[*]", "-", "there", "not served: see the list of APIs"},
		{"ApiVersions", "*", "ApiKeys[*].MinVersion", "", "", "older clients than Kafka 4 takes are served too"},
		{"ApiVersions", "*", "ApiKeys[DeleteGroups].MaxVersion", "3", "2", "version 3 is that of Kafka 4.4"},
		{"ApiVersions", "*", "ApiKeys[TxnOffsetCommit].MaxVersion", "6", "5", "version 6 is that of Kafka 4.4"},
		{"ApiVersions", "*", "ApiKeys[AddPartitionsToTxn].MaxVersion", "3", "5", "versions 4 and 5 are for brokers among themselves"},
		{"ApiVersions", "*", "*Features*", "", "", "features of Kafka's own storage and of what is not served do not exist here"},
		{"ApiVersions", "*names*", "*", "", "", "the name that a client gives itself is not judged"},
		{"Metadata", "by id before there were ids", "*", "", "", "Kafka fails as a whole, and names no broker"},
		{"Metadata", "by neither name nor id", "*", "", "", "Kafka fails as a whole with UNKNOWN_SERVER_ERROR"},
		{"Metadata", "collision with another", "*.ErrorCode", "INVALID_TOPIC_EXCEPTION", "UNKNOWN_TOPIC_OR_PARTITION", "Kafka's broker does not know yet what its controller will say"},
		{"DescribeTopicPartitions", "unknown beside known", "*.AuthorizedOperations", "-2147483648", "3576", "what is not there cannot be operated on"},
		{"DescribeTopicPartitions", "invalid names", "*.ErrorCode", "INVALID_TOPIC_EXCEPTION", "UNKNOWN_SERVER_ERROR", "Kafka fails as a whole"},
	}
}

func onTopics() []Row {
	const anywhere = "any instance serves any partition, so that brokers named in assignments are counted and otherwise ignored"
	return []Row{
		{"CreatePartitions", "assignment to an unknown broker", "*", "", "", anywhere},
		{"CreateTopics", "assigned to an unknown broker", "*", "", "", anywhere},
		{"CreateTopics", "*", "*.TopicID", "no id", "id * of *", "what is only validated gets no id; Kafka shows one that it then throws away"},
		{"CreateTopics", "exists and invalid", "*.ErrorCode", "INVALID_REPLICATION_FACTOR", "TOPIC_ALREADY_EXISTS", "what is wrong with a request is told before what is there"},
	}
}

func onConfigs() []Row {
	const old = "configs that Kafka 4 removed are still taken, kept and shown, since older tools copy them"
	const kept = "the config has no effect here, and is kept as it comes"
	return []Row{
		{"*", "*", "*[message.downconversion.enable]", "there", "-", old},
		{"*", "*", "*[message.format.version]", "there", "-", old},
		{"*", "*", "*[message.timestamp.difference.max.ms]", "there", "-", old},
		{"*", "*", "*[firnlog.*]", "there", "-", "configs of firnlog alone"},
		{"CreateTopics", "config max.message.bytes= 100 ", "*.Value", "100", " 100 ", "values are shown without the spaces around them"},
		{"CreateTopics", "config message.*", "*", "", "", old},
		{"CreateTopics", "config remote.storage.enable=true", "*", "", "", kept},
		{"CreateTopics", "config segment.bytes=1048575", "*", "", "", kept},
		{"CreateTopics", "config leader.replication.throttled.replicas=x", "*", "", "", kept},
		{"*", "*", "*[min.insync.replicas].Source", "5", "3", "there are no cluster-wide dynamic defaults, which Kafka has for this config"},
		{"*", "*", "*[min.insync.replicas].Source", "DEFAULT_CONFIG", "DYNAMIC_DEFAULT_BROKER_CONFIG", "the same"},
		{"DescribeConfigs", "*synonyms", "*.ConfigSynonyms*", "", "", "the one broker-wide name of a default is shown, with one value"},
		{"DescribeConfigs", "of all brokers", "*.Configs", "null", "some", "there are no cluster-wide dynamic defaults"},
		{"DescribeConfigs", "of the broker*", "*.ReadOnly", "true", "false", "settings of an instance are flags, and do not change while it runs"},
		{"DescribeConfigs", "of the broker*", "*.Source", "", "", "the same"},
		{"DescribeConfigs", "of the broker*", "*[log.retention.ms].Value", "604800000", "null", "the value in force, which Kafka shows under another name"},
		{"IncrementalAlterConfigs", "unknown operation", "*.ErrorCode", "INVALID_CONFIG", "UNKNOWN_SERVER_ERROR", "Kafka's error says nothing"},
	}
}

func onProduce() []Row {
	const strict = "what is not exactly one whole batch is refused"
	const class = "bytes that do not make a batch are CORRUPT_MESSAGE, wrong content is INVALID_RECORD"
	return []Row{
		{"Produce", "message formats 0 and 1", "*", "", "", "Kafka closes the connection; here the answer says why"},
		{"Produce", "*", "*.LogStartOffset", "-1", "0", "with an error, the log start is told only where clients act on it"},
		{"Produce", "LogAppendTime bit*", "*", "", "", "only a broker may set it"},
		{"Produce", "producer -2*", "*", "", "", "no producer has this id"},
		{"Produce", "a batch and some bytes", "*", "", "", strict},
		{"Produce", "codec *", "*.ErrorCode", "UNSUPPORTED_COMPRESSION_TYPE", "UNKNOWN_SERVER_ERROR", "Kafka's error says nothing"},
		{"Produce", "cut off *", "*.ErrorCode", "CORRUPT_MESSAGE", "INVALID_RECORD", class},
		{"Produce", "three bytes", "*.ErrorCode", "CORRUPT_MESSAGE", "INVALID_RECORD", class},
		{"Produce", "length too large", "*.ErrorCode", "CORRUPT_MESSAGE", "INVALID_RECORD", class},
		{"Produce", "length too small", "*.ErrorCode", "INVALID_RECORD", "CORRUPT_MESSAGE", strict},
		{"Produce", "magic *", "*.ErrorCode", "UNSUPPORTED_FOR_MESSAGE_FORMAT", "INVALID_RECORD", "the message format is what is wrong"},
		{"Produce", "records that end too soon*", "*", "", "", "records are not unpacked: a CRC that is right is taken for the producer's word"},
		{"Produce", "gzip that is none*", "*", "", "", "the same"},
		{"Fetch", "records that end too soon, read", "*", "", "", "the same"},
		{"Fetch", "gzip that is none, read", "*", "", "", "the same"},
		{"Fetch", "LogAppendTime bit, read", "*", "", "", "it was refused"},
		{"Fetch", "producer -2, read", "*", "", "", "it was refused"},
		{"Fetch", "a batch and some bytes, read", "*", "", "", "it was refused"},
		{"Produce", "transactional bit without a producer", "*.ErrorCode", "INVALID_RECORD", "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "there is no authorizer; the batch contradicts itself"},
		{"Produce", "invalid topic name", "*.ErrorCode", "INVALID_TOPIC_EXCEPTION", "UNKNOWN_TOPIC_OR_PARTITION", "such a topic will never be there, so that asking again is of no use"},
		{"Produce", "*again*", "*.LogAppendTime", "-1", "*", "the timestamps of a duplicate's first copy are not remembered"},
		{"Produce", "overlap*", "*.ErrorCode", "DUPLICATE_SEQUENCE_NUMBER", "OUT_OF_ORDER_SEQUENCE_NUMBER", "no client sends other batches with the same sequences; both are refused"},
		{"Produce", "window: 0 again, before the window", "*.ErrorCode", "DUPLICATE_SEQUENCE_NUMBER", "OUT_OF_ORDER_SEQUENCE_NUMBER", "it was appended: to clients this is success without an offset, where Kafka's answer is fatal"},
		{"Produce", "unknown producer: * 7", "*", "", "", "a producer that a partition does not know must begin at 0, since a batch may have overtaken its predecessor through another instance"},
		{"Produce", "unknown producer: * 9", "*", "", "", "the same"},
		{"Produce", "*timestamp*", "*.ErrorRecords", "null", "some", "the batch is refused by its header; its records are not looked at one by one"},
		{"InitProducerID", "empty transactional id", "*", "", "", "taken for none, as the clients that send it mean it"},
	}
}

func onFetch() []Row {
	const ends = "an offset that is out of range is answered with the range"
	return []Row{
		{"Fetch", "*", "*.HighWatermark", "*", "-1", ends},
		{"Fetch", "*", "*.LastStableOffset", "*", "-1", ends},
		{"Fetch", "*", "*.LogStartOffset", "*", "-1", ends},
		{"Fetch", "*", "*.AbortedTransactions", "null", "empty", "with an error there are none either way"},
		{"Fetch", "last fetched epoch *", "*", "", "", "there is one leader epoch, so that no log can diverge"},
		{"Fetch", "negative limits", "*", "", "", "Kafka fails with UNKNOWN_SERVER_ERROR; here they are as 0"},
		{"Fetch", "from compression.type zstd", "*", "", "", "before version 10 such a topic is refused, as KIP-110 says; Kafka 4 sends it to clients that may not read it"},
		{"ListOffsets", "cut *, list -3", "*", "", "", "a record below the log start is not the one with the greatest timestamp"},
		{"ListOffsets", "special -5 *", "*", "", "", "all is in remote storage here, and nothing is in Kafka without tiered storage"},
		{"ListOffsets", "the same twice", "*", "", "", "each is answered"},
	}
}

func onGroups() []Row {
	const named = "a group has a name"
	return []Row{
		{"*", "*no group", "*", "", "", named},
		{"ListGroups", "*", "Groups[]", "-", "there", named},
		{"ListGroups", "*", "Groups[odd]", "-", "there", "a group begins with its first member or offset, not with one that was refused"},
		{"FindCoordinator", "*", "*ErrorMessage", "null", "*", "where there is no error there is no message; Kafka says NONE"},
		{"ConsumerGroupHeartbeat", "*", "MemberEpoch", "1", "2", "epochs only grow: which number they begin with is each broker's own"},
		{"ConsumerGroupDescribe", "described", "*Epoch", "1", "2", "the same"},
		{"ConsumerGroupDescribe", "described", "*.State", "Dead", "", "a group that is not there is Dead, as DescribeGroups says"},
		{"ConsumerGroupDescribe", "described", "*.SubscribedTopicRegex", "null", "", "nothing was subscribed to by pattern"},
	}
}
