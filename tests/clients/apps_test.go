//go:build stack

package clients

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/apachekafka"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// appMax is how long an application may take to get to where a check waits for it.
const appMax = 90 * time.Second

// TestApps runs applications that are built on Kafka's clients.
func TestApps(t *testing.T) {
	title, servers, start := heading(t), bootstrap(t), time.Now()
	var results []used
	for _, u := range []use{
		{"Kafka Streams", "word count, at least once: repartition, a store, its changelog; stopped, and restored from it", streams},
		{"Kafka Connect, standalone", "FileStream source and sink; stopped, and goes on where it was", connect},
		{"MirrorMaker 2", "from Apache Kafka: records, topic configs, a group with its offsets", mirror},
	} {
		t.Run(strings.ReplaceAll(u.program, " ", "-"), func(t *testing.T) {
			err := u.run(tools{t, servers})
			if err != nil {
				t.Error(err)
			}
			results = append(results, used{u, apachekafka.Version(), err})
		})
	}
	t.Logf("%d applications in %v\n%s", len(results), time.Since(start).Round(time.Second), usesTable(results))
	if *updateDocs {
		writeBetween(t, "applications", title+usesTable(results))
	}
}

// kafka is the test's own client.
func kafka(t *testing.T, bootstrap string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(strings.Split(bootstrap, ",")...)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// produce writes records of a key and a value each.
func produce(t *testing.T, bootstrap, topic string, pairs ...[2]string) error {
	t.Helper()
	var records []*kgo.Record
	for _, p := range pairs {
		records = append(records, &kgo.Record{Topic: topic, Key: []byte(p[0]), Value: []byte(p[1])})
	}
	ctx, cancel := context.WithTimeout(t.Context(), appMax)
	defer cancel()
	return kafka(t, bootstrap).ProduceSync(ctx, records...).FirstErr()
}

func createTopic(t *testing.T, bootstrap, topic string, configs map[string]*string) error {
	t.Helper()
	_, err := kadm.NewClient(kafka(t, bootstrap)).CreateTopic(t.Context(), 3, 1, configs, topic)
	return err
}

// readUntil reads a topic from its beginning until done says that it is enough.
func readUntil(t *testing.T, bootstrap, topic string, done func(*kgo.Record) bool) error {
	t.Helper()
	c := kafka(t, bootstrap, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), appMax)
	defer cancel()
	for enough := false; !enough; {
		fetches := c.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("read %s: what is waited for has not come in %v", topic, appMax)
		}
		fetches.EachRecord(func(r *kgo.Record) { enough = enough || done(r) })
	}
	return nil
}

// counts waits until the last count of each word is as wanted.
func counts(t *testing.T, bootstrap, topic string, want map[string]int) error {
	t.Helper()
	last := map[string]int{}
	err := readUntil(t, bootstrap, topic, func(r *kgo.Record) bool {
		last[string(r.Key)], _ = strconv.Atoi(string(r.Value))
		for word, n := range want {
			if last[word] != n {
				return false
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("%w: counts %v, want %v", err, last, want)
	}
	return nil
}

func start(p *harness.Process) error {
	p.Start()
	return nil
}

func streams(k tools) error {
	source, err := filepath.Abs("java/WordCount.java")
	if err != nil {
		return err
	}
	app := func(name string) *harness.Process {
		return apachekafka.Service(k.t, name, source, k.bootstrap, "lines", "word-counts", k.t.TempDir())
	}
	first, second := app("word-count-1"), app("word-count-2")
	return all(
		func() error { return createTopic(k.t, k.bootstrap, "lines", nil) },
		func() error { return createTopic(k.t, k.bootstrap, "word-counts", nil) },
		func() error {
			return produce(k.t, k.bootstrap, "lines", [2]string{"1", "firn is old snow"}, [2]string{"2", "snow is water"})
		},
		func() error { return start(first) },
		func() error {
			return counts(k.t, k.bootstrap, "word-counts", map[string]int{"snow": 2, "is": 2, "water": 1})
		},
		// What the store had is in its changelog alone: the second has an empty folder.
		func() error { return errors.Join(stop(first), start(second)) },
		func() error {
			return produce(k.t, k.bootstrap, "lines", [2]string{"1", "snow"}, [2]string{"3", "firn"})
		},
		func() error {
			return counts(k.t, k.bootstrap, "word-counts", map[string]int{"snow": 3, "is": 2, "firn": 2})
		},
	)
}

func connect(k tools) error {
	dir := k.t.TempDir()
	from, to := filepath.Join(dir, "from.txt"), filepath.Join(dir, "to.txt")
	worker := apachekafka.File(k.t, "worker.properties", strings.Join([]string{
		"bootstrap.servers=" + k.bootstrap,
		"key.converter=org.apache.kafka.connect.storage.StringConverter",
		"value.converter=org.apache.kafka.connect.storage.StringConverter",
		"offset.storage.file.filename=" + filepath.Join(dir, "offsets"),
		"offset.flush.interval.ms=200",
		"listeners=http://" + harness.Address(harness.FreePort(k.t)),
		"plugin.discovery=only_scan",
		"consumer.session.timeout.ms=6000",
		"consumer.auto.offset.reset=earliest",
	}, "\n"))
	source := apachekafka.File(k.t, "source.properties", "name=from\nconnector.class=FileStreamSource\ntasks.max=1\nfile="+from+"\ntopic=connect\n")
	sink := apachekafka.File(k.t, "sink.properties", "name=to\nconnector.class=FileStreamSink\ntasks.max=1\nfile="+to+"\ntopics=connect\n")
	first := apachekafka.Service(k.t, "connect-1", apachekafka.ConnectStandalone, worker, source, sink)
	second := apachekafka.Service(k.t, "connect-2", apachekafka.ConnectStandalone, worker, source, sink)
	arrived := func(words ...string) error {
		return within(appMax, func() error {
			b, err := os.ReadFile(to)
			for _, w := range words {
				if err == nil && !strings.Contains(string(b), w+"\n") {
					err = fmt.Errorf("no %q in the sink's %q", w, b)
				}
			}
			return err
		})
	}
	return all(
		func() error { return os.WriteFile(from, []byte("one\ntwo\n"), 0o644) },
		func() error { first.Start(); return arrived("one", "two") },
		func() error { return stop(first) },
		func() error { return os.WriteFile(from, []byte("one\ntwo\nthree\n"), 0o644) },
		func() error { second.Start(); return arrived("one", "two", "three") },
	)
}

// stop asks a Java program to end, which it does with the signal's number as its exit code.
func stop(p *harness.Process) error {
	p.Signal(syscall.SIGTERM)
	return within(appMax, func() error {
		if !p.Ended() {
			return fmt.Errorf("%s has not ended after SIGTERM", p.Name)
		}
		return nil
	})
}

// mirrored is what MirrorMaker is asked to keep alike: a topic of 500 records, and a group that has read 200 of them.
const mirrored, mirroredRecords, mirroredRead = "mirrored", 500, 200

func mirror(k tools) error {
	source := apachekafka.Start(k.t)
	retention := "123456789"
	var pairs [][2]string
	for n := range mirroredRecords {
		pairs = append(pairs, [2]string{fmt.Sprint("key-", n), fmt.Sprint("value-", n)})
	}
	maker := apachekafka.Service(k.t, "mirror-maker", apachekafka.MirrorMaker, apachekafka.File(k.t, "mm2.properties", mirrorSettings(source.Bootstrap, k.bootstrap)))
	return all(
		func() error {
			return createTopic(k.t, source.Bootstrap, mirrored, map[string]*string{"retention.ms": &retention})
		},
		func() error { return produce(k.t, source.Bootstrap, mirrored, pairs...) },
		func() error { return readAsGroup(k.t, source.Bootstrap) },
		func() error { maker.Start(); return mirroredAlike(k.t, source.Bootstrap, k.bootstrap) },
		func() error {
			return within(appMax, func() error { return configMirrored(k.t, k.bootstrap, retention) })
		},
		func() error { return groupMirrored(k.t, source.Bootstrap, k.bootstrap) },
	)
}

func configMirrored(t *testing.T, to, want string) error {
	configs, err := kadm.NewClient(kafka(t, to)).DescribeTopicConfigs(t.Context(), mirrored)
	if err != nil {
		return err
	}
	for _, c := range configs[0].Configs {
		if c.Key == "retention.ms" && c.MaybeValue() == want {
			return nil
		}
	}
	return errors.New("the topic's config was not mirrored")
}

func mirrorSettings(from, to string) string {
	return strings.Join([]string{
		"clusters=from,to", "from.bootstrap.servers=" + from, "to.bootstrap.servers=" + to,
		"from->to.enabled=true", "from->to.topics=" + mirrored, "from->to.groups=readers", "to->from.enabled=false",
		"replication.policy.class=org.apache.kafka.connect.mirror.IdentityReplicationPolicy",
		"replication.factor=1", "offset-syncs.topic.replication.factor=1", "checkpoints.topic.replication.factor=1", "heartbeats.topic.replication.factor=1",
		"config.storage.replication.factor=1", "offset.storage.replication.factor=1", "status.storage.replication.factor=1",
		"sync.topic.acls.enabled=false", "sync.topic.configs.interval.seconds=2", "refresh.topics.interval.seconds=2", "refresh.groups.interval.seconds=2",
		"emit.checkpoints.interval.seconds=1", "sync.group.offsets.enabled=true", "sync.group.offsets.interval.seconds=1", "offset.lag.max=0",
		"dedicated.mode.enable.internal.rest=false",
	}, "\n")
}

// readAsGroup reads some of the records as a member of the group, and commits.
func readAsGroup(t *testing.T, bootstrap string) error {
	c := kafka(t, bootstrap, kgo.ConsumeTopics(mirrored), kgo.ConsumerGroup("readers"), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), appMax)
	defer cancel()
	for n := 0; n < mirroredRead; {
		n += c.PollRecords(ctx, mirroredRead-n).NumRecords()
		if ctx.Err() != nil {
			return fmt.Errorf("read as group: %w", ctx.Err())
		}
	}
	return c.CommitUncommittedOffsets(ctx)
}

// mirroredAlike waits until the target has every record, in the same partition at the same offset.
func mirroredAlike(t *testing.T, from, to string) error {
	read := func(bootstrap string) (map[string]string, error) {
		got := map[string]string{}
		err := readUntil(t, bootstrap, mirrored, func(r *kgo.Record) bool {
			got[fmt.Sprint(r.Partition, "@", r.Offset)] = string(r.Key) + "=" + string(r.Value)
			return len(got) == mirroredRecords
		})
		return got, err
	}
	want, err := read(from)
	if err != nil {
		return err
	}
	got, err := read(to)
	if err != nil {
		return fmt.Errorf("%w: %d records", err, len(got))
	}
	for where, record := range want {
		if got[where] != record {
			return fmt.Errorf("%s is %q, want %q", where, got[where], record)
		}
	}
	return nil
}

// groupMirrored waits until the target's group has offsets: at most those of the source's (MirrorMaker
// knows the translation of some offsets only, and takes the one before), and not all from the beginning.
func groupMirrored(t *testing.T, from, to string) error {
	committed := func(bootstrap string) (kadm.OffsetResponses, error) {
		return kadm.NewClient(kafka(t, bootstrap)).FetchOffsets(t.Context(), "readers")
	}
	want, err := committed(from)
	if err != nil {
		return err
	}
	return within(appMax, func() error {
		got, err := committed(to)
		if err != nil {
			return err
		}
		var moved int64
		for p, w := range want[mirrored] {
			g := got[mirrored][p]
			if g.At > w.At {
				return fmt.Errorf("partition %d: group at %d, at the source at %d", p, g.At, w.At)
			}
			moved += max(g.At, 0)
		}
		if moved == 0 {
			return fmt.Errorf("the group's offsets have not come: %v", got)
		}
		return nil
	})
}
