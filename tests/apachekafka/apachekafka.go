// Package apachekafka runs a real Apache Kafka as a process of a test, and its command-line
// tools against any broker: the truth that firnlog is compared with, and the programs that users have.
//
// pom.xml names the version; make apache-kafka copies the jars into the cache, once per machine.
//
// Owns: one node in KRaft's combined mode, its ports and folder. Does not own: what is compared.
package apachekafka

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

//go:embed pom.xml
var pom string

var versionInPom = regexp.MustCompile(`<kafka\.version>([^<]+)</kafka\.version>`)

// Version is that of the Kafka started here.
func Version() string { return versionInPom.FindStringSubmatch(pom)[1] }

// Kafka is one node, broker and controller together.
type Kafka struct {
	*harness.Process
	Bootstrap string // HOST:PORT
}

// readyMax is how long a start may take on a busy machine.
const readyMax = 90 * time.Second

// Start formats a folder, starts a node on free ports of the loopback interface and waits until
// clients are served. It ends with the test. Settings are added to server.properties, one NAME=VALUE each.
func Start(t testing.TB, settings ...string) *Kafka {
	t.Helper()
	// The heap is small, and the compiler's first tier is enough for what a test asks.
	return start(t, java(t, "-Xmx512m"), settings)
}

// StartForMeasuring does so with the heap, the collector and the compilers that Kafka's own start script chooses.
func StartForMeasuring(t testing.TB, settings ...string) *Kafka {
	t.Helper()
	options := []string{"-Xms1g", "-Xmx1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"}
	return start(t, append(options, "-cp", classpath(t)), settings)
}

func start(t testing.TB, options, settings []string) *Kafka {
	t.Helper()
	k := &Kafka{Bootstrap: harness.Address(harness.FreePort(t))}
	properties := k.configure(t, settings)
	Run(t, nil, "kafka.tools.StorageTool", "format", "--cluster-id", "ZmlybmxvZy10ZXN0cy0xMQ", "--config", properties).Must(t)
	k.Process = harness.NewProcess(t, "kafka", "java", nil, append(append(options, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"), "kafka.Kafka", properties)...)
	k.Process.Start()
	k.await(t)
	return k
}

// configure writes server.properties.
func (k *Kafka) configure(t testing.TB, settings []string) (path string) {
	t.Helper()
	dir := t.TempDir()
	controller := harness.Address(harness.FreePort(t))
	lines := append([]string{
		"process.roles=broker,controller",
		"node.id=1",
		"controller.quorum.voters=1@" + controller,
		"listeners=PLAINTEXT://" + k.Bootstrap + ",CONTROLLER://" + controller,
		"advertised.listeners=PLAINTEXT://" + k.Bootstrap,
		"controller.listener.names=CONTROLLER",
		"inter.broker.listener.name=PLAINTEXT",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs=" + filepath.Join(dir, "data"),
		"auto.create.topics.enable=true",
		"num.partitions=1",
		"offsets.topic.replication.factor=1",
		"offsets.topic.num.partitions=4",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"transaction.state.log.num.partitions=4",
		"share.coordinator.state.topic.replication.factor=1",
		"share.coordinator.state.topic.min.isr=1",
		"share.coordinator.state.topic.num.partitions=4",
		"group.initial.rebalance.delay.ms=0",
	}, settings...)
	path = filepath.Join(dir, "server.properties")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// await asks for metadata until the answer names the broker.
func (k *Kafka) await(t testing.TB) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Bootstrap), kgo.RequestRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	harness.Await(t, readyMax, "Kafka serves", func() error {
		if k.Ended() {
			t.Fatalf("Kafka ended at its start:\n%s", k.Output())
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		req := kmsg.NewPtrMetadataRequest()
		req.Topics = []kmsg.MetadataRequestTopic{}
		resp, err := req.RequestWith(ctx, client)
		if err == nil && len(resp.Brokers) == 0 {
			err = fmt.Errorf("no broker has registered yet")
		}
		return err
	})
}

// java gives the arguments that come before a class's name, of a program that starts soon and does little.
func java(t testing.TB, options ...string) []string {
	t.Helper()
	return append(options, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", classpath(t))
}

func classpath(t testing.TB) string {
	t.Helper()
	jars := filepath.Join(harness.Cache(t), "kafka-"+Version())
	if _, err := os.Stat(filepath.Join(jars, "pom.xml")); err != nil {
		t.Fatalf("%v: run make apache-kafka", err)
	}
	return filepath.Join(jars, "*")
}
