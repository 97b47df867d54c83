//go:build stack

package clients

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/firnlog/firnlog/tests/apachekafka"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// client is one script and how it is run.
type client struct {
	name    string
	command []string // before the verb
	quick   bool     // of the few that stand for all
	kip848  bool     // member takes a protocol: consumer
	// transactions is the version of transactions that it speaks (KIP-890), empty where it has none.
	transactions string
}

// slug is its name as a part of the names of topics and tests.
func (c client) slug() string {
	return strings.NewReplacer("/", "-", " ", "-", "@", "", "(", "", ")", "").Replace(c.name)
}

func (c client) run(t *testing.T, verb ...string) harness.Result {
	t.Helper()
	args := append(slices.Clone(c.command[1:]), verb...)
	return harness.Run(t, nil, c.command[0], args...)
}

func (c client) process(t *testing.T, name string, verb ...string) *harness.Process {
	t.Helper()
	args := append(slices.Clone(c.command[1:]), verb...)
	return harness.NewProcess(t, name, c.command[0], nil, args...)
}

// roster lists all clients.
func roster(t *testing.T) []client {
	t.Helper()
	cache := filepath.Join(harness.Cache(t), "clients")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	python := func(script string) []string {
		return []string{filepath.Join(cache, "python", "bin", "python"), filepath.Join(here, "python", script)}
	}
	node := func(script string) []string {
		return []string{"env", "NODE_PATH=" + filepath.Join(cache, "node", "node_modules"), "node", filepath.Join(here, "node", script)}
	}
	built := func(name string) []string { return []string{filepath.Join(cache, "bin", name)} }
	java := func(jars string) []string {
		return []string{"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
			"-cp", filepath.Join(cache, "java", "classes") + ":" + filepath.Join(jars, "*"), "Client"}
	}
	return []client{
		{name: "franz-go", command: built("franz"), quick: true, kip848: true, transactions: "version 2"},
		{name: "sarama", command: built("sarama"), transactions: "version 1"},
		{name: "segmentio/kafka-go", command: built("segmentio")},
		{name: "confluent-kafka-go", command: built("confluent"), transactions: "version 1"},
		{name: "librdkafka (C)", command: built("librdkafka"), transactions: "version 1"},
		{name: "kcat", command: []string{"bash", filepath.Join(here, "kcat", "kcat.sh")}, quick: true},
		{name: "confluent-kafka (Python)", command: python("confluent.py"), quick: true, kip848: true, transactions: "version 1"},
		{name: "kafka-python", command: python("kafka_python.py"), quick: true, transactions: "version 1"},
		{name: "aiokafka", command: python("aio.py"), quick: true, transactions: "version 1"},
		{name: "kafka-clients 3 (Java)", command: java(filepath.Join(cache, "java", "kafka3")), transactions: "version 1"},
		{name: "kafka-clients 4 (Java)", command: java(filepath.Join(harness.Cache(t), "kafka-"+apachekafka.Version())), quick: true, kip848: true, transactions: "version 2"},
		{name: "kafkajs", command: node("kafkajs.js"), transactions: "version 1"},
		{name: "@platformatic/kafka", command: node("platformatic.js"), transactions: "version 1"},
		{name: "@confluentinc/kafka-javascript", command: node("confluent.js"), transactions: "version 1"},
		{name: "rskafka", command: built("rskafka")},
		{name: "rust-rdkafka", command: built("rdkafka")},
	}
}
