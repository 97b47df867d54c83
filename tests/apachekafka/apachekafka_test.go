//go:build stack

package apachekafka

import (
	"strings"
	"testing"
)

func TestKafka_StartsServesItsToolsAndEndsWithTheTest(t *testing.T) {
	k := Start(t)
	Run(t, nil, Topics, "--bootstrap-server", k.Bootstrap, "--create", "--topic", "t", "--partitions", "3").Must(t)
	Run(t, []byte("one\ntwo\n"), ConsoleProducer, "--bootstrap-server", k.Bootstrap, "--topic", "t").Must(t)
	out := Run(t, nil, ConsoleConsumer, "--bootstrap-server", k.Bootstrap, "--topic", "t", "--from-beginning", "--max-messages", "2", "--timeout-ms", "20000").Must(t)
	if !strings.Contains(out, "one") || !strings.Contains(out, "two") {
		t.Errorf("consumed %q", out)
	}
	configs := Run(t, nil, Configs, "--bootstrap-server", k.Bootstrap, "--describe", "--topic", "t", "--all").Must(t)
	if !strings.Contains(configs, "retention.ms=604800000") {
		t.Errorf("configs %q", configs)
	}
	t.Cleanup(func() { // runs before the cleanup of Start: nothing of ours is left afterwards either way
		k.Kill()
		if !k.Ended() {
			t.Error("Kafka still runs")
		}
	})
}

func TestTools_ClassesExist(t *testing.T) {
	for _, class := range []string{
		GetOffsets, DeleteRecords, LogDirs, ConsumerGroups, Groups, ReassignPartitions, LeaderElection, Transactions, ACLs, Features,
		APIVersions, ProducerPerformance, ConsumerPerformance, VerifiableProducer, VerifiableConsumer, StreamsResetter,
		ConnectStandalone, ConnectDistributed, MirrorMaker,
	} {
		r := Run(t, nil, class, "--help")
		if all := r.Output + r.Errors; strings.Contains(all, "ClassNotFound") || strings.Contains(all, "NoClassDefFound") {
			t.Errorf("%s: %s", class, all)
		}
	}
}
