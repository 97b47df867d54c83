package apachekafka

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// Classes of the programs behind Kafka's bin/*.sh.
const (
	Topics              = "org.apache.kafka.tools.TopicCommand"
	Configs             = "kafka.admin.ConfigCommand"
	GetOffsets          = "org.apache.kafka.tools.GetOffsetShell"
	DeleteRecords       = "org.apache.kafka.tools.DeleteRecordsCommand"
	LogDirs             = "org.apache.kafka.tools.LogDirsCommand"
	ConsumerGroups      = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
	Groups              = "org.apache.kafka.tools.GroupsCommand"
	ConsoleProducer     = "org.apache.kafka.tools.ConsoleProducer"
	ConsoleConsumer     = "org.apache.kafka.tools.consumer.ConsoleConsumer"
	ReassignPartitions  = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
	LeaderElection      = "org.apache.kafka.tools.LeaderElectionCommand"
	Transactions        = "org.apache.kafka.tools.TransactionsCommand"
	ACLs                = "org.apache.kafka.tools.AclCommand"
	Features            = "org.apache.kafka.tools.FeatureCommand"
	Cluster             = "org.apache.kafka.tools.ClusterTool"
	APIVersions         = "org.apache.kafka.tools.BrokerApiVersionsCommand"
	ProducerPerformance = "org.apache.kafka.tools.ProducerPerformance"
	ConsumerPerformance = "org.apache.kafka.tools.ConsumerPerformance"
	VerifiableProducer  = "org.apache.kafka.tools.VerifiableProducer"
	VerifiableConsumer  = "org.apache.kafka.tools.VerifiableConsumer"
	StreamsResetter     = "org.apache.kafka.tools.StreamsResetter"
	ConnectStandalone   = "org.apache.kafka.connect.cli.ConnectStandalone"
	ConnectDistributed  = "org.apache.kafka.connect.cli.ConnectDistributed"
	MirrorMaker         = "org.apache.kafka.connect.mirror.MirrorMaker"
)

// Run runs a program of Kafka to its end: most take --bootstrap-server HOST:PORT of any broker.
func Run(t testing.TB, input []byte, class string, args ...string) harness.Result {
	t.Helper()
	all := append(java(t, "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"), class)
	return harness.Run(t, input, "java", append(all, args...)...)
}

// Service prepares a program that runs until it is told to stop, as Connect and MirrorMaker do.
func Service(t testing.TB, name, class string, args ...string) *harness.Process {
	t.Helper()
	all := append(java(t, "-Xmx384m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"), class)
	return harness.NewProcess(t, name, "java", nil, append(all, args...)...)
}

// File writes a file of settings for a program, and gives its path.
func File(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
