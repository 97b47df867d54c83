//go:build stack

package apachekafka

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// broker is firnlog dev with a topic "t" of three partitions and a few records, and Kafka's tools.
type broker struct {
	*testing.T
	*harness.Broker
}

func startDev(t *testing.T) *broker {
	t.Helper()
	b := &broker{t, harness.StartDev(t, t.TempDir(), "--node-id", "7", "--zone", "north")}
	b.run(Topics, "--create", "--topic", "t", "--partitions", "3", "--config", "retention.ms=3600000")
	input := strings.Repeat("a record\n", 10)
	Run(t, []byte(input), ConsoleProducer, "--bootstrap-server", b.Kafka, "--topic", "t").Must(t)
	return b
}

func (b *broker) tool(class string, args ...string) harness.Result {
	b.Helper()
	return Run(b.T, nil, class, append([]string{"--bootstrap-server", b.Kafka}, args...)...)
}

// run gives what a tool printed; it must end well.
func (b *broker) run(class string, args ...string) string {
	b.Helper()
	return b.tool(class, args...).Must(b.T)
}

// says runs a tool and wants these patterns in what it prints; "!" before one: it must not be there. How it ended does not count: many
// tools print an error and end with 0, or the other way round.
func (b *broker) says(class string, args []string, patterns ...string) string {
	b.Helper()
	r := b.tool(class, args...)
	b.matches(class+" "+strings.Join(args, " "), r.Output+r.Errors, patterns...)
	return r.Output
}

func (b *broker) matches(what, all string, patterns ...string) {
	b.Helper()
	for _, p := range patterns {
		p, not := strings.CutPrefix(p, "!")
		if regexp.MustCompile(p).MatchString(all) == not {
			b.Errorf("%s: pattern %q is there: %v\n%s", what, p, not, all)
		}
	}
}

const failed = `!Exception|Error`

func TestTools_TopicsAndConfigs(t *testing.T) {
	b := startDev(t)
	b.says(Topics, []string{"--describe"}, failed, `Topic: t\s.*PartitionCount: 3\s.*ReplicationFactor: 1\s.*Configs: retention.ms=3600000`, `Partition: 2\s+Leader: 7\s+Replicas: 7\s+Isr: 7`)
	b.says(Topics, []string{"--describe", "--under-replicated-partitions"}, failed, `!Topic: t`)
	b.says(Configs, []string{"--describe", "--topic", "t"}, failed, `(?m)^  retention.ms=3600000 .*DYNAMIC_TOPIC_CONFIG:retention.ms=3600000`, `!cleanup.policy`)
	b.says(Configs, []string{"--describe", "--topic", "t", "--all"}, failed, `cleanup.policy=delete .*DEFAULT_CONFIG:log.cleanup.policy=delete`, `retention.ms=3600000`)
	b.says(Configs, []string{"--describe", "--broker", "7"}, failed, `!=`)
	b.says(Configs, []string{"--describe", "--broker", "7", "--all"}, failed, `broker.id=7 `, `broker.rack=north `, `advertised.listeners=PLAINTEXT://`+b.Kafka, `log.retention.ms=604800000 `, `default.replication.factor=1 `, `min.insync.replicas=1 `, `offsets.retention.minutes=10080 `)
	b.says(Configs, []string{"--describe", "--entity-type", "brokers"}, failed, `broker 7 are`, `Default configs for brokers`)
	b.says(Configs, []string{"--describe", "--broker-logger", "7"}, failed, `root=INFO`)
	b.says(Configs, []string{"--describe", "--entity-type", "groups", "--entity-name", "g", "--all"}, failed, `consumer.session.timeout.ms=45000`)
	b.says(Configs, []string{"--alter", "--broker", "7", "--add-config", "log.cleaner.threads=2"}, `cannot change log.cleaner.threads: settings of an instance are flags`)
	b.says(Configs, []string{"--alter", "--broker-logger", "7", "--add-config", "root=DEBUG"}, `--log-level`)
	b.says(Configs, []string{"--alter", "--topic", "t", "--add-config", "retention.ms=7200000", "--delete-config", "flush.ms"}, failed, `Completed updating config`)
	b.says(Configs, []string{"--describe", "--topic", "t"}, failed, `retention.ms=7200000`)
}

func TestTools_LogDirsAndOffsets(t *testing.T) {
	b := startDev(t)
	out := b.says(LogDirs, []string{"--describe"}, failed, `"broker":7`, `"logDir":"/objectstore"`, `"partition":"t-0"`, `"partition":"t-1"`, `"partition":"t-2"`)
	total := 0
	for _, m := range regexp.MustCompile(`"partition":"t-\d","size":(\d+),"offsetLag":0`).FindAllStringSubmatch(out, -1) {
		n, _ := strconv.Atoi(m[1])
		total += n
	}
	if total < 10*len("a record") {
		t.Errorf("%d bytes of ten records:\n%s", total, out)
	}
	for spec, want := range map[string]int64{
		"latest": 10, "-1": 10, "earliest": 0, "-2": 0, "earliest-local": 0, "0": 0,
	} {
		sum := int64(0)
		for _, m := range regexp.MustCompile(`(?m)^t:\d:(\d+)$`).FindAllStringSubmatch(b.says(GetOffsets, []string{"--topic", "t", "--time", spec}, failed, `t:\d:\d`), -1) {
			n, _ := strconv.ParseInt(m[1], 10, 64)
			sum += n
		}
		if sum != want {
			t.Errorf("offsets of time %s: %d together, want %d", spec, sum, want)
		}
	}
	b.says(GetOffsets, []string{"--topic", "t", "--time", "max-timestamp"}, failed, `t:\d:\d`)
	b.says(GetOffsets, []string{"--topic", "t", "--time", "latest-tiered"}, failed, `t:\d:\d`)
	b.says(GetOffsets, []string{"--topic", "t", "--time", "earliest-pending-upload"}, failed, `!t:`)
	b.says(GetOffsets, []string{"--topic", "t", "--time", "99999999999999"}, failed, `!t:`)
}

func TestTools_ReassignmentsAndElections(t *testing.T) {
	b := startDev(t)
	topics := File(t, "topics.json", `{"version":1,"topics":[{"topic":"t"}]}`)
	out := b.says(ReassignPartitions, []string{"--generate", "--topics-to-move-json-file", topics, "--broker-list", "7"}, failed, `Current partition replica assignment`)
	_, proposed, _ := strings.Cut(out, "Proposed partition reassignment configuration")
	plan := File(t, "plan.json", strings.TrimSpace(proposed))
	b.says(ReassignPartitions, []string{"--execute", "--reassignment-json-file", plan}, failed, `Successfully started partition reassignments for t-0,t-1,t-2`)
	b.says(ReassignPartitions, []string{"--verify", "--reassignment-json-file", plan}, failed, `Reassignment of partition t-2 is completed`, `Clearing broker-level throttles on broker 7`)
	b.says(ReassignPartitions, []string{"--cancel", "--reassignment-json-file", plan}, failed, `None of the specified partition reassignments are active`)
	b.says(ReassignPartitions, []string{"--list"}, failed, `No partition reassignments found`)
	b.says(LeaderElection, []string{"--election-type", "preferred", "--all-topic-partitions"}, failed)
	b.says(LeaderElection, []string{"--election-type", "unclean", "--topic", "t", "--partition", "1"}, failed, `Valid replica already elected for partitions t-1`)
	b.says(LeaderElection, []string{"--election-type", "preferred", "--topic", "none", "--partition", "0"}, `UnknownTopicOrPartition`)
}

func TestTools_FeaturesProducersAndTheCluster(t *testing.T) {
	b := startDev(t)
	b.says(Features, []string{"describe"}, failed, `group.version\s.*FinalizedVersionLevel: 1`)
	b.says(Features, []string{"upgrade", "--feature", "group.version=1"}, `group.version was upgraded to 1`)
	b.says(Features, []string{"upgrade", "--feature", "no.such=1"}, `Could not upgrade no.such`)
	b.says(Features, []string{"downgrade", "--feature", "group.version=0"}, `Could not downgrade group.version to 0`, `comes with this version`)
	b.says(APIVersions, nil, failed, `DescribeLogDirs\(35\): 1 to 5`)
	all := ""
	for _, partition := range []string{"0", "1", "2"} {
		all += b.says(Transactions, []string{"describe-producers", "--topic", "t", "--partition", partition}, failed, `ProducerId`)
	}
	b.matches("producers", all, `(?m)^\d+\s+0\s+-1\s+\d+\s+-1\s+None`)
	b.says(Transactions, []string{"find-hanging", "--topic", "t"}, failed, `ProducerId`)
	for _, one := range []struct {
		args    []string
		pattern string
	}{
		{[]string{"cluster-id"}, `Cluster ID: \w+`},
		{[]string{"list-endpoints"}, `(?m)^7\s+127.0.0.1\s+\d+\s+north\s+unfenced\s+broker`},
		{[]string{"unregister", "--id", "7"}, `broker 7 is alive`},
		{[]string{"unregister", "--id", "9"}, `BrokerIdNotRegistered`},
	} {
		r := Run(t, nil, Cluster, append(one.args, "--bootstrap-server", b.Kafka)...)
		b.matches("cluster "+strings.Join(one.args, " "), r.Output+r.Errors, one.pattern)
	}
}
