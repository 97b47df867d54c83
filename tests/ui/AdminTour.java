import java.lang.reflect.Method;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.serialization.*;

/**
 * Every method of Java's Admin once, at least: java AdminTour.java BOOTSTRAP NODE, for a cluster of one node. Prints NAME=VALUE, one line a step; a step that
 * fails prints the class of its exception. The last line names the methods that were not called.
 */
@SuppressWarnings("removal")
public class AdminTour {
    static Admin admin;
    static int node;
    static final Set<String> toured = new TreeSet<>();
    static final String T = "tour";
    static final TopicPartition P0 = new TopicPartition(T, 0);

    interface Step { Object run() throws Exception; }

    /** Runs a step. Its name is METHOD or METHOD:CASE. */
    static void step(String name, Step step) {
        toured.add(name.split(":")[0]);
        String value;
        try {
            value = String.valueOf(step.run());
        } catch (Throwable e) {
            Throwable cause = e instanceof ExecutionException && e.getCause() != null ? e.getCause() : e;
            value = cause.getClass().getSimpleName();
            if (System.getenv("TOUR_WHY") != null) value += ": " + cause.getMessage();
        }
        System.out.println(name + "=" + value.replace("\n", " "));
    }

    static <V> V get(KafkaFuture<V> f) throws Exception { return f.get(30, TimeUnit.SECONDS); }

    static <K, V> V only(Map<K, V> m) {
        if (m.size() != 1) throw new IllegalStateException("not one: " + m);
        return m.values().iterator().next();
    }

    static String sorted(Stream<?> s) { return s.map(String::valueOf).sorted().collect(Collectors.joining(",")); }

    public static void main(String[] args) throws Exception {
        String bootstrap = args[0];
        node = Integer.parseInt(args[1]);
        admin = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap, "request.timeout.ms", 10000, "default.api.timeout.ms", 20000));
        topics();
        records(bootstrap);
        cluster();
        configs();
        offsets();
        partitions();
        groups(bootstrap);
        otherGroups();
        rest();
        step("deleteTopics", () -> { get(admin.deleteTopics(TopicCollection.ofTopicNames(List.of(T))).all()); return "done"; });
        step("deleteTopics:again", () -> get(admin.deleteTopics(List.of(T)).all()));
        Set<String> missed = new TreeSet<>();
        for (Method m : Admin.class.getMethods()) {
            if (!toured.contains(m.getName()) && !Set.of("create", "close", "metrics", "registerMetricForSubscription", "unregisterMetricFromSubscription").contains(m.getName())) missed.add(m.getName());
        }
        System.out.println("not_called=" + missed);
        admin.close(Duration.ofSeconds(2));
    }

    static void topics() {
        step("createTopics", () -> {
            CreateTopicsResult r = admin.createTopics(List.of(new NewTopic(T, 3, (short) 1).configs(Map.of("retention.ms", "86400000"))));
            get(r.all());
            return get(r.numPartitions(T)) + " " + get(r.replicationFactor(T)) + " " + get(r.config(T)).get("retention.ms").value() + " id=" + !get(r.topicId(T)).equals(Uuid.ZERO_UUID);
        });
        step("createTopics:again", () -> get(admin.createTopics(List.of(new NewTopic(T, 3, (short) 1))).all()));
        step("createTopics:validate", () -> { get(admin.createTopics(List.of(new NewTopic("x", Optional.empty(), Optional.empty())), new CreateTopicsOptions().validateOnly(true)).all()); return "done"; });
        step("listTopics", () -> sorted(get(admin.listTopics().names()).stream()));
        step("listTopics:internal", () -> sorted(get(admin.listTopics(new ListTopicsOptions().listInternal(true)).listings()).stream().map(t -> t.name() + t.isInternal())));
        step("describeTopics", () -> {
            TopicDescription d = get(admin.describeTopics(List.of(T)).allTopicNames()).get(T);
            return d.partitions().size() + " leader=" + d.partitions().get(0).leader().id() + " replicas=" + d.partitions().get(0).replicas().size() + " isr=" + d.partitions().get(0).isr().size();
        });
        step("describeTopics:id", () -> {
            Uuid id = get(admin.describeTopics(List.of(T)).allTopicNames()).get(T).topicId();
            return get(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds()).get(id).name();
        });
        step("describeTopics:pages", () -> get(admin.describeTopics(TopicCollection.ofTopicNames(List.of(T)), new DescribeTopicsOptions().partitionSizeLimitPerResponse(1)).allTopicNames()).get(T).partitions().size());
        step("describeTopics:operations", () -> get(admin.describeTopics(List.of(T), new DescribeTopicsOptions().includeAuthorizedOperations(true)).allTopicNames()).get(T).authorizedOperations().stream().map(String::valueOf).sorted().toList());
        step("describeTopics:none", () -> get(admin.describeTopics(List.of("none")).allTopicNames()));
        step("describeTopics:no id", () -> get(admin.describeTopics(TopicCollection.ofTopicIds(List.of(Uuid.randomUuid()))).allTopicIds()));
        step("createPartitions", () -> { get(admin.createPartitions(Map.of(T, NewPartitions.increaseTo(4))).all()); return get(admin.describeTopics(List.of(T)).allTopicNames()).get(T).partitions().size(); });
        step("createPartitions:fewer", () -> get(admin.createPartitions(Map.of(T, NewPartitions.increaseTo(2))).all()));
    }

    static void records(String bootstrap) throws Exception {
        try (Producer<String, String> p = new KafkaProducer<>(Map.of("bootstrap.servers", bootstrap), new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < 100; i++) p.send(new ProducerRecord<>(T, i % 4, 1_700_000_000_000L + i * 1000L, "k", "v" + i)).get();
        }
    }

    static void cluster() {
        step("describeCluster", () -> {
            DescribeClusterResult r = admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
            return get(r.nodes()).size() + " node, rack " + get(r.nodes()).iterator().next().rack() + ", controller " + get(r.controller()).id() + ", id " + !get(r.clusterId()).isEmpty() + ", operations " + sorted(get(r.authorizedOperations()).stream());
        });
        step("describeCluster:fenced", () -> get(admin.describeCluster(new DescribeClusterOptions().includeFencedBrokers(true)).nodes()).size());
        step("describeLogDirs", () -> {
            LogDirDescription d = only(only(get(admin.describeLogDirs(List.of(node)).allDescriptions())));
            return d.error() + " partitions=" + d.replicaInfos().keySet().stream().filter(p -> p.topic().equals(T)).count() + " bytes=" + (d.replicaInfos().get(P0).size() > 0);
        });
        step("describeReplicaLogDirs", () -> {
            var r = only(get(admin.describeReplicaLogDirs(List.of(new TopicPartitionReplica(T, 0, node))).all()));
            return r.getCurrentReplicaLogDir() + " " + r.getFutureReplicaLogDir();
        });
        step("alterReplicaLogDirs", () -> get(admin.alterReplicaLogDirs(Map.of(new TopicPartitionReplica(T, 0, node), "/elsewhere")).all()));
        step("describeFeatures", () -> {
            FeatureMetadata f = get(admin.describeFeatures().featureMetadata());
            return f.finalizedFeatures().get("group.version");
        });
        step("updateFeatures", () -> { get(admin.updateFeatures(Map.of("group.version", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all()); return "done"; });
        step("updateFeatures:none", () -> get(admin.updateFeatures(Map.of("no.such", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all()));
        step("describeMetadataQuorum", () -> get(admin.describeMetadataQuorum().quorumInfo()).leaderId());
        step("addRaftVoter", () -> get(admin.addRaftVoter(9, Uuid.randomUuid(), Set.of(new RaftVoterEndpoint("C", "localhost", 1))).all()));
        step("removeRaftVoter", () -> get(admin.removeRaftVoter(9, Uuid.randomUuid()).all()));
        step("unregisterBroker", () -> get(admin.unregisterBroker(99).all()));
        step("describeProducers", () -> {
            ProducerState s = get(admin.describeProducers(List.of(P0)).partitionResult(P0)).activeProducers().get(0);
            return "epoch " + s.producerEpoch() + " sequence " + s.lastSequence() + " open " + s.currentTransactionStartOffset().isPresent();
        });
        step("describeProducers:none", () -> { TopicPartition none = new TopicPartition("none", 0); return get(admin.describeProducers(List.of(none), new DescribeProducersOptions().timeoutMs(3000)).partitionResult(none)); });
    }

    static String value(Config c, String name) { return c.get(name) == null ? "none" : c.get(name).value() + " " + c.get(name).source(); }

    static void configs() {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, T), broker = new ConfigResource(ConfigResource.Type.BROKER, "" + node), group = new ConfigResource(ConfigResource.Type.GROUP, "g");
        step("describeConfigs", () -> value(only(get(admin.describeConfigs(List.of(topic)).all())), "retention.ms"));
        step("describeConfigs:words", () -> {
            ConfigEntry e = only(get(admin.describeConfigs(List.of(topic), new DescribeConfigsOptions().includeDocumentation(true).includeSynonyms(true)).all())).get("retention.ms");
            return (e.documentation() != null && !e.documentation().isEmpty()) + " " + e.synonyms().get(0).source() + " " + e.type();
        });
        step("describeConfigs:broker", () -> value(only(get(admin.describeConfigs(List.of(broker)).all())), "broker.id"));
        step("describeConfigs:cluster", () -> only(get(admin.describeConfigs(List.of(new ConfigResource(ConfigResource.Type.BROKER, ""))).all())).entries().size());
        step("describeConfigs:group", () -> value(only(get(admin.describeConfigs(List.of(group)).all())), "consumer.session.timeout.ms"));
        step("describeConfigs:logger", () -> value(only(get(admin.describeConfigs(List.of(new ConfigResource(ConfigResource.Type.BROKER_LOGGER, "" + node))).all())), "root"));
        step("describeConfigs:metrics", () -> only(get(admin.describeConfigs(List.of(new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "m"))).all())).entries().size());
        step("describeConfigs:none", () -> get(admin.describeConfigs(List.of(new ConfigResource(ConfigResource.Type.TOPIC, "none"))).all()));
        step("incrementalAlterConfigs", () -> {
            get(admin.incrementalAlterConfigs(Map.of(topic, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "7200000"), AlterConfigOp.OpType.SET), new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND)))).all());
            Config c = only(get(admin.describeConfigs(List.of(topic)).all()));
            return c.get("retention.ms").value() + " " + c.get("cleanup.policy").value();
        });
        step("incrementalAlterConfigs:delete", () -> {
            get(admin.incrementalAlterConfigs(Map.of(topic, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", ""), AlterConfigOp.OpType.DELETE), new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.SUBTRACT)))).all());
            Config c = only(get(admin.describeConfigs(List.of(topic)).all()));
            return c.get("retention.ms").value() + " " + c.get("cleanup.policy").value();
        });
        step("incrementalAlterConfigs:validate", () -> { get(admin.incrementalAlterConfigs(Map.of(topic, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "1"), AlterConfigOp.OpType.SET))), new AlterConfigsOptions().validateOnly(true)).all()); return "done"; });
        step("incrementalAlterConfigs:invalid", () -> get(admin.incrementalAlterConfigs(Map.of(topic, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "x"), AlterConfigOp.OpType.SET)))).all()));
        step("incrementalAlterConfigs:broker", () -> get(admin.incrementalAlterConfigs(Map.of(broker, List.of(new AlterConfigOp(new ConfigEntry("log.cleaner.threads", "2"), AlterConfigOp.OpType.SET)))).all()));
        step("incrementalAlterConfigs:group", () -> get(admin.incrementalAlterConfigs(Map.of(group, List.of(new AlterConfigOp(new ConfigEntry("consumer.session.timeout.ms", "50000"), AlterConfigOp.OpType.SET)))).all()));
        step("listConfigResources", () -> sorted(get(admin.listConfigResources(Set.of(ConfigResource.Type.TOPIC, ConfigResource.Type.BROKER), new ListConfigResourcesOptions()).all()).stream().map(r -> r.type() + " " + r.name())));
        step("listClientMetricsResources", () -> get(admin.listClientMetricsResources().all()).size());
    }

    static void offsets() {
        Map<String, OffsetSpec> specs = new LinkedHashMap<>();
        specs.put("latest", OffsetSpec.latest());
        specs.put("earliest", OffsetSpec.earliest());
        specs.put("by time", OffsetSpec.forTimestamp(1_700_000_050_000L));
        specs.put("after all", OffsetSpec.forTimestamp(1_800_000_000_000L));
        specs.put("max timestamp", OffsetSpec.maxTimestamp());
        specs.put("earliest local", OffsetSpec.earliestLocal());
        specs.put("latest tiered", OffsetSpec.latestTiered());
        specs.put("earliest pending upload", OffsetSpec.earliestPendingUpload());
        specs.forEach((name, spec) -> step("listOffsets:" + name, () -> get(admin.listOffsets(Map.of(P0, spec)).partitionResult(P0)).offset()));
        step("listOffsets:committed", () -> get(admin.listOffsets(Map.of(P0, OffsetSpec.latest()), new ListOffsetsOptions(IsolationLevel.READ_COMMITTED)).partitionResult(P0)).offset());
        step("listOffsets:none", () -> { TopicPartition none = new TopicPartition("none", 0); return get(admin.listOffsets(Map.of(none, OffsetSpec.latest()), new ListOffsetsOptions().timeoutMs(3000)).partitionResult(none)); });
        step("deleteRecords", () -> get(admin.deleteRecords(Map.of(P0, RecordsToDelete.beforeOffset(10))).lowWatermarks().get(P0)).lowWatermark() + " " + get(admin.listOffsets(Map.of(P0, OffsetSpec.earliest())).partitionResult(P0)).offset());
        step("deleteRecords:beyond", () -> get(admin.deleteRecords(Map.of(P0, RecordsToDelete.beforeOffset(1000))).all()));
    }

    static void partitions() {
        step("electLeaders", () -> { get(admin.electLeaders(ElectionType.PREFERRED, Set.of(P0)).all()); return "done"; });
        step("electLeaders:unclean", () -> get(admin.electLeaders(ElectionType.UNCLEAN, Set.of(P0)).partitions()).get(P0).map(e -> e.getClass().getSimpleName()).orElse("done"));
        step("electLeaders:all", () -> { get(admin.electLeaders(ElectionType.PREFERRED, null).all()); return "done"; });
        step("listPartitionReassignments", () -> get(admin.listPartitionReassignments().reassignments()).size());
        step("alterPartitionReassignments", () -> { get(admin.alterPartitionReassignments(Map.of(P0, Optional.of(new NewPartitionReassignment(List.of(node))))).all()); return "done"; });
        step("alterPartitionReassignments:cancel", () -> get(admin.alterPartitionReassignments(Map.of(P0, Optional.empty())).all()));
        step("alterPartitionReassignments:nowhere", () -> get(admin.alterPartitionReassignments(Map.of(P0, Optional.of(new NewPartitionReassignment(List.of(99))))).all()));
    }

    static KafkaConsumer<String, String> consumer(String bootstrap, String group, String protocol, String instance) {
        Map<String, Object> c = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "group.id", group, "group.protocol", protocol, "auto.offset.reset", "earliest", "enable.auto.commit", false, "client.id", "c-" + group));
        if (instance != null) c.put("group.instance.id", instance);
        KafkaConsumer<String, String> k = new KafkaConsumer<>(c, new StringDeserializer(), new StringDeserializer());
        k.subscribe(List.of(T));
        for (int i = 0; i < 60 && k.assignment().size() < 4; i++) k.poll(Duration.ofMillis(250));
        k.commitSync(Map.of(P0, new OffsetAndMetadata(12, "note")));
        return k;
    }

    static void groups(String bootstrap) {
        KafkaConsumer<String, String> classic = consumer(bootstrap, "classic", "classic", "i1"), modern = consumer(bootstrap, "modern", "consumer", null);
        step("listGroups", () -> sorted(get(admin.listGroups().all()).stream().map(g -> g.groupId() + " " + g.type().orElse(null) + " " + g.protocol() + " " + g.groupState().orElse(null))));
        step("listGroups:consumers", () -> sorted(get(admin.listGroups(ListGroupsOptions.forConsumerGroups()).all()).stream().map(GroupListing::groupId)));
        step("listGroups:type", () -> sorted(get(admin.listGroups(new ListGroupsOptions().withTypes(Set.of(GroupType.CONSUMER))).all()).stream().map(GroupListing::groupId)));
        step("listGroups:empty", () -> get(admin.listGroups(new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY))).all()).size());
        step("listConsumerGroups", () -> sorted(get(admin.listConsumerGroups().all()).stream().map(g -> g.groupId() + " " + g.isSimpleConsumerGroup())));
        for (String g : List.of("classic", "modern")) {
            step("describeConsumerGroups:" + g, () -> {
                ConsumerGroupDescription d = get(admin.describeConsumerGroups(List.of(g)).all()).get(g);
                MemberDescription m = d.members().iterator().next();
                return d.groupState() + " " + d.type() + " " + d.partitionAssignor() + " members=" + d.members().size() + " " + m.clientId() + " instance=" + m.groupInstanceId().orElse(null) + " partitions=" + m.assignment().topicPartitions().size() + " coordinator=" + d.coordinator().id();
            });
        }
        step("describeConsumerGroups:none", () -> get(admin.describeConsumerGroups(List.of("none")).all()));
        step("describeClassicGroups", () -> { ClassicGroupDescription d = get(admin.describeClassicGroups(List.of("classic")).all()).get("classic"); return d.state() + " " + d.protocol() + " " + d.protocolData() + " members=" + d.members().size(); });
        step("describeClassicGroups:modern", () -> get(admin.describeClassicGroups(List.of("modern")).all()));
        for (String g : List.of("classic", "modern")) {
            step("listConsumerGroupOffsets:" + g, () -> { OffsetAndMetadata o = get(admin.listConsumerGroupOffsets(g).partitionsToOffsetAndMetadata()).get(P0); return o.offset() + " " + o.metadata(); });
        }
        step("listConsumerGroupOffsets:many", () -> get(admin.listConsumerGroupOffsets(Map.of("classic", new ListConsumerGroupOffsetsSpec(), "modern", new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(P0)))).all()).size());
        step("listConsumerGroupOffsets:none", () -> get(admin.listConsumerGroupOffsets("none").partitionsToOffsetAndMetadata()).size());
        step("alterConsumerGroupOffsets:in use", () -> get(admin.alterConsumerGroupOffsets("classic", Map.of(P0, new OffsetAndMetadata(3))).all()));
        step("deleteConsumerGroupOffsets:in use", () -> get(admin.deleteConsumerGroupOffsets("classic", Set.of(P0)).all()));
        step("deleteConsumerGroups:in use", () -> get(admin.deleteConsumerGroups(List.of("modern")).all()));
        step("removeMembersFromConsumerGroup", () -> { get(admin.removeMembersFromConsumerGroup("classic", new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("i1")))).all()); return get(admin.describeConsumerGroups(List.of("classic")).all()).get("classic").members().size(); });
        step("removeMembersFromConsumerGroup:none", () -> get(admin.removeMembersFromConsumerGroup("classic", new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("none")))).all()));
        step("removeMembersFromConsumerGroup:all", () -> { get(admin.removeMembersFromConsumerGroup("modern", new RemoveMembersFromConsumerGroupOptions()).all()); return get(admin.describeConsumerGroups(List.of("modern")).all()).get("modern").members().size(); });
        classic.close(CloseOptions.timeout(Duration.ofSeconds(2)));
        modern.close(CloseOptions.timeout(Duration.ofSeconds(2)));
        step("alterConsumerGroupOffsets", () -> { get(admin.alterConsumerGroupOffsets("classic", Map.of(P0, new OffsetAndMetadata(3, "by hand"))).all()); return get(admin.listConsumerGroupOffsets("classic").partitionsToOffsetAndMetadata()).get(P0).offset(); });
        step("alterConsumerGroupOffsets:new", () -> { get(admin.alterConsumerGroupOffsets("fresh", Map.of(P0, new OffsetAndMetadata(5))).all()); return get(admin.describeConsumerGroups(List.of("fresh")).all()).get("fresh").groupState(); });
        step("deleteConsumerGroupOffsets", () -> { get(admin.deleteConsumerGroupOffsets("classic", Set.of(P0)).all()); return get(admin.listConsumerGroupOffsets("classic").partitionsToOffsetAndMetadata()).size(); });
        step("deleteConsumerGroups", () -> { get(admin.deleteConsumerGroups(List.of("classic", "modern", "fresh")).all()); return get(admin.listGroups().all()).size(); });
        step("deleteConsumerGroups:none", () -> get(admin.deleteConsumerGroups(List.of("none")).all()));
    }

    static void otherGroups() {
        step("describeShareGroups", () -> get(admin.describeShareGroups(List.of("s")).all()));
        step("listShareGroupOffsets", () -> get(admin.listShareGroupOffsets(Map.of("s", new ListShareGroupOffsetsSpec())).all()));
        step("alterShareGroupOffsets", () -> get(admin.alterShareGroupOffsets("s", Map.of(P0, 1L)).all()));
        step("deleteShareGroupOffsets", () -> get(admin.deleteShareGroupOffsets("s", Set.of(T)).all()));
        step("deleteShareGroups", () -> get(admin.deleteShareGroups(List.of("s")).all()));
        step("describeStreamsGroups", () -> get(admin.describeStreamsGroups(List.of("s")).all()));
        step("listStreamsGroupOffsets", () -> get(admin.listStreamsGroupOffsets(Map.of("s", new ListStreamsGroupOffsetsSpec())).all()).get("s").size());
        step("alterStreamsGroupOffsets", () -> { get(admin.alterStreamsGroupOffsets("s", Map.of(P0, new OffsetAndMetadata(1))).all()); return "done"; });
        step("deleteStreamsGroupOffsets", () -> { get(admin.deleteStreamsGroupOffsets("s", Set.of(P0)).all()); return "done"; });
        step("deleteStreamsGroups", () -> { get(admin.deleteStreamsGroups(List.of("s")).all()); return "done"; });
    }

    static void rest() {
        step("listTransactions", () -> get(admin.listTransactions().all()).size());
        step("describeTransactions", () -> get(admin.describeTransactions(List.of("tx")).all()));
        step("fenceProducers", () -> get(admin.fenceProducers(List.of("tx")).all()));
        step("abortTransaction", () -> get(admin.abortTransaction(new AbortTransactionSpec(P0, 1, (short) 0, 0)).all()));
        step("forceTerminateTransaction", () -> get(admin.forceTerminateTransaction("tx").result()));
        AclBinding acl = new AclBinding(new ResourcePattern(ResourceType.TOPIC, T, PatternType.LITERAL), new AccessControlEntry("User:a", "*", AclOperation.READ, AclPermissionType.ALLOW));
        step("describeAcls", () -> get(admin.describeAcls(AclBindingFilter.ANY).values()).size());
        step("createAcls", () -> get(admin.createAcls(List.of(acl)).all()));
        step("deleteAcls", () -> get(admin.deleteAcls(List.of(acl.toFilter())).all()).size());
        step("describeClientQuotas", () -> get(admin.describeClientQuotas(ClientQuotaFilter.all()).entities()).size());
        step("alterClientQuotas", () -> get(admin.alterClientQuotas(List.of(new ClientQuotaAlteration(new ClientQuotaEntity(Map.of("user", "a")), List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1e6))))).all()));
        step("describeUserScramCredentials", () -> get(admin.describeUserScramCredentials().all()).size());
        step("alterUserScramCredentials", () -> get(admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion("a", ScramMechanism.SCRAM_SHA_256))).all()));
        step("createDelegationToken", () -> get(admin.createDelegationToken().delegationToken()));
        step("describeDelegationToken", () -> get(admin.describeDelegationToken().delegationTokens()));
        step("renewDelegationToken", () -> get(admin.renewDelegationToken(new byte[] {1}).expiryTimestamp()));
        step("expireDelegationToken", () -> get(admin.expireDelegationToken(new byte[] {1}).expiryTimestamp()));
        step("clientInstanceId", () -> admin.clientInstanceId(Duration.ofSeconds(3)));
    }
}
