//go:build stack

package clients

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/tests/apachekafka"
)

// use is one program and what is done with it.
type use struct {
	program, what string
	run           func(tools) error
}

// used is what came of it.
type used struct {
	use
	version string
	err     error
}

// errNotSupported is what firnlog refuses on purpose, in words that say so.
var errNotSupported = errors.New("not supported")

// tools runs Kafka's programs against a cluster.
type tools struct {
	t         *testing.T
	bootstrap string
}

// run runs a program and wants each of these texts in what it prints.
func (k tools) run(class, input string, args []string, want ...string) error {
	k.t.Helper()
	r := apachekafka.Run(k.t, []byte(input), class, args...)
	said := r.Output + r.Errors
	if r.Err != nil {
		return fmt.Errorf("%s: %w: %s", brief(strings.Join(args[2:], " ")), r.Err, brief(cause(said)))
	}
	for _, w := range want {
		if !regexp.MustCompile(w).MatchString(said) {
			return fmt.Errorf("%s: no %q in: %s", brief(strings.Join(args[2:], " ")), w, brief(said))
		}
	}
	return nil
}

// server is run with --bootstrap-server and words for the rest.
func (k tools) server(class, words string, want ...string) error {
	k.t.Helper()
	return k.run(class, "", append([]string{"--bootstrap-server", k.bootstrap}, strings.Fields(words)...), want...)
}

// shows is server for what was changed before: the broker that the program asks may not have followed yet.
func (k tools) shows(class, words string, want ...string) error {
	k.t.Helper()
	return within(settleMax, func() error { return k.server(class, words, want...) })
}

var exception = regexp.MustCompile(`\w+Exception: [^\n]+`)

// cause gives the innermost exception that was told.
func cause(said string) string {
	if all := exception.FindAllString(said, -1); len(all) > 0 {
		return all[len(all)-1]
	}
	return said
}

// brief is what a person needs of an error in a line.
func brief(said string) string {
	said = strings.Join(strings.Fields(said), " ")
	return said[:min(len(said), 300)]
}

// all runs steps up to the first that fails.
func all(steps ...func() error) error {
	for _, s := range steps {
		if err := s(); err != nil {
			return err
		}
	}
	return nil
}

// TestTools uses Kafka's command-line tools in an order in which each finds what the ones before it made.
func TestTools(t *testing.T) {
	title, servers, start := heading(t), bootstrap(t), time.Now()
	var results []used
	for _, u := range toolUses() {
		t.Run(u.program, func(t *testing.T) {
			err := u.run(tools{t, servers})
			if err != nil && !errors.Is(err, errNotSupported) {
				t.Error(err)
			}
			results = append(results, used{u, apachekafka.Version(), err})
		})
	}
	t.Logf("%d tools in %v\n%s", len(results), time.Since(start).Round(time.Second), usesTable(results))
	if *updateDocs {
		writeBetween(t, "tools", title+usesTable(results))
	}
}

func toolUses() []use {
	return []use{
		{"kafka-broker-api-versions", "all versions", func(k tools) error {
			return k.server(apachekafka.APIVersions, "", `Produce\(0\): .* \[usable`, `ConsumerGroupHeartbeat`)
		}},
		{"kafka-topics", "create, describe, more partitions, list, delete", topicsTool},
		{"kafka-configs", "of a topic: set, describe, delete", configsTool},
		{"kafka-configs, of a group", "set, describe", groupConfigsTool},
		{"kafka-console-producer", "keys, headers, zstd", func(k tools) error {
			return k.run(apachekafka.ConsoleProducer, "a:1\tkey\tone\na:2\tkey\ttwo\nNULL\tkey\tthree\n", []string{"--bootstrap-server", k.bootstrap, "--topic", "tools",
				"--compression-codec", "zstd", "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true", "--reader-property", "null.marker=NULL"})
		}},
		{"kafka-console-consumer", "as a member of a group, keys and headers", func(k tools) error {
			return k.server(apachekafka.ConsoleConsumer, "--topic tools --from-beginning --group console --max-messages 3 --timeout-ms 30000 "+
				"--formatter-property print.key=true --formatter-property print.headers=true", `a:1\tkey\tone`, `a:2\tkey\ttwo`, `key\tthree`)
		}},
		{"kafka-get-offsets", "latest, earliest, greatest timestamp", func(k tools) error {
			return all(
				func() error { return k.server(apachekafka.GetOffsets, "--topic tools", `tools:\d:3`, `tools:5:`) },
				func() error { return k.server(apachekafka.GetOffsets, "--topic tools --time earliest", `tools:0:0`) },
				func() error {
					return k.server(apachekafka.GetOffsets, "--topic tools --time max-timestamp", `tools:\d:[0-2]`)
				},
			)
		}},
		{"kafka-consumer-groups", "list, describe, state, members, reset, delete offsets, delete", groupsTool},
		{"kafka-groups", "list", func(k tools) error {
			return k.server(apachekafka.Groups, "--list", `GROUP +TYPE`)
		}},
		{"kafka-log-dirs", "describe", func(k tools) error {
			return k.server(apachekafka.LogDirs, "--describe --topic-list tools", `"partition":"tools-0"`)
		}},
		{"kafka-delete-records", "up to an offset", deleteRecordsTool},
		{"kafka-leader-election", "preferred, of all", func(k tools) error {
			return k.server(apachekafka.LeaderElection, "--election-type preferred --all-topic-partitions")
		}},
		{"kafka-reassign-partitions", "list, execute, verify", reassignTool},
		{"kafka-producer-perf-test", "20,000 records", func(k tools) error {
			return k.run(apachekafka.ProducerPerformance, "", []string{"--topic", "perf", "--num-records", "20000", "--record-size", "200", "--throughput", "-1",
				"--producer-props", "bootstrap.servers=" + k.bootstrap}, `20000 records sent`)
		}},
		{"kafka-consumer-perf-test", "all of them", func(k tools) error {
			return k.server(apachekafka.ConsumerPerformance, "--topic perf --num-records 20000 --timeout 30000", `, 20000, `)
		}},
		{"kafka-verifiable-producer", "1,000 records, acks=all", func(k tools) error {
			return k.server(apachekafka.VerifiableProducer, "--topic verifiable --max-messages 1000 --acks -1", `"acked":1000`)
		}},
		{"kafka-verifiable-consumer", "all of them", func(k tools) error {
			return k.server(apachekafka.VerifiableConsumer, "--topic verifiable --group-id verifiable --max-messages 1000", `"partitions_assigned"`, `"success":true`)
		}},
	}
}

func topicsTool(k tools) error {
	do := func(words string, want ...string) func() error {
		return func() error { return k.server(apachekafka.Topics, words, want...) }
	}
	shows := func(words string, want ...string) func() error {
		return func() error { return k.shows(apachekafka.Topics, words, want...) }
	}
	return all(
		do("--create --topic tools --partitions 3 --config retention.ms=1000000000", "Created topic tools"),
		shows("--describe --topic tools", "PartitionCount: 3", "retention.ms=1000000000", "Partition: 2\tLeader: \\d"),
		do("--alter --topic tools --partitions 6"),
		shows("--describe --topic tools", "PartitionCount: 6"),
		do("--create --topic short-lived"),
		shows("--list", "(?m)^short-lived$", "(?m)^tools$"),
		do("--delete --topic short-lived"),
	)
}

func configsTool(k tools) error {
	do := func(words string, want ...string) func() error {
		return func() error { return k.server(apachekafka.Configs, words, want...) }
	}
	shows := func(words string, want ...string) func() error {
		return func() error { return k.shows(apachekafka.Configs, words, want...) }
	}
	return all(
		do("--alter --topic tools --add-config max.message.bytes=200000,cleanup.policy=[compact,delete]", "Completed updating"),
		shows("--describe --topic tools", "max.message.bytes=200000", "cleanup.policy=compact,delete"),
		do("--alter --topic tools --delete-config max.message.bytes,cleanup.policy", "Completed updating"),
		shows("--describe --topic tools --all", "max.message.bytes=1048588"),
	)
}

func groupConfigsTool(k tools) error {
	do := func(words string, want ...string) func() error {
		return func() error { return k.server(apachekafka.Configs, words, want...) }
	}
	err := all(
		do("--alter --group tuned --add-config consumer.session.timeout.ms=50000", "Completed updating"),
		do("--describe --group tuned", "consumer.session.timeout.ms=50000"),
	)
	if why := "groups have no configs of their own"; err != nil && strings.Contains(err.Error(), why) {
		return fmt.Errorf("%w: %s", errNotSupported, why)
	}
	return err
}

func groupsTool(k tools) error {
	do := func(words string, want ...string) func() error {
		return func() error { return k.server(apachekafka.ConsumerGroups, words, want...) }
	}
	return all(
		do("--list", "(?m)^console$"),
		do("--describe --group console", `console +tools +\d +3 +3 +0`),
		do("--describe --group console --state", "Empty"),
		do("--describe --group console --members"),
		do("--reset-offsets --group console --topic tools --to-earliest --execute", `console +tools +\d +0`),
		do("--describe --group console", `console +tools +\d +0 +3 +3`),
		do("--delete-offsets --group console --topic tools", "Successful"),
		do("--delete --group console", "successfully deleted|Deletion of requested"),
	)
}

func deleteRecordsTool(k tools) error {
	var partitions []string
	for p := range 6 {
		partitions = append(partitions, fmt.Sprintf(`{"topic":"tools","partition":%d,"offset":-1}`, p))
	}
	file := apachekafka.File(k.t, "delete.json", `{"version":1,"partitions":[`+strings.Join(partitions, ",")+`]}`)
	return all(
		func() error {
			return k.server(apachekafka.DeleteRecords, "--offset-json-file "+file, `low_watermark: 3`)
		},
		func() error { return k.server(apachekafka.GetOffsets, "--topic tools --time earliest", `tools:\d:3`) },
	)
}

// reassignTool asks for what is already so: where each instance serves each partition, nothing can be moved.
func reassignTool(k tools) error {
	nodes := apachekafka.Run(k.t, nil, apachekafka.Topics, "--bootstrap-server", k.bootstrap, "--describe", "--topic", "tools")
	m := regexp.MustCompile(`Partition: 0\tLeader: (\d+)`).FindStringSubmatch(nodes.Output)
	if m == nil {
		return fmt.Errorf("no leader of tools-0: %s", brief(nodes.Output+nodes.Errors))
	}
	file := apachekafka.File(k.t, "plan.json", `{"version":1,"partitions":[{"topic":"tools","partition":0,"replicas":[`+m[1]+`]}]}`)
	return all(
		func() error {
			return k.server(apachekafka.ReassignPartitions, "--list", "(?i)no partition reassignments")
		},
		func() error {
			return k.server(apachekafka.ReassignPartitions, "--execute --reassignment-json-file "+file, "Successfully started")
		},
		func() error {
			return k.server(apachekafka.ReassignPartitions, "--verify --reassignment-json-file "+file, "is completed")
		},
	)
}
