//go:build stack

package faults

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/sim/queues"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

var (
	episodesFlag  = flag.Int("episodes", 0, "how many episodes of TestFaults; 0: it is left to make test-faults")
	resultsFlag   = flag.String("results", "", "file to which judged runs are added, and whose totals are printed")
	commitFlag    = flag.String("commit", "?", "what is under test, for that file")
	onlyFlag      = flag.String("only", "", "only faults whose names contain this, or one of several with | between them")
	librariesFlag = flag.String("libraries", franz+","+librdkafka+","+java, "whose clients there are")
	seedFlag      = flag.Uint64("seed", uint64(time.Now().UnixNano()), "which faults, of which processes, in which order")
)

// TestFaults_InShort is the slice of every change: a broker is killed and one is frozen, etcd loses its leader, and a broker etcd.
func TestFaults_InShort(t *testing.T) {
	run(t, faults()[:4], 4)
}

// TestFaults runs any number of episodes (-args -episodes=N), every fault as often as the others.
func TestFaults(t *testing.T) {
	if *episodesFlag == 0 {
		return
	}
	run(t, slices.DeleteFunc(faults(), func(f fault) bool { return !named(f.name, *onlyFlag) }), *episodesFlag)
}

// named says that a name contains one of some texts with | between them.
func named(name, texts string) bool {
	return slices.ContainsFunc(strings.Split(texts, "|"), func(text string) bool { return strings.Contains(name, text) })
}

func run(t *testing.T, list []fault, episodes int) {
	libraries := strings.Split(*librariesFlag, ",")
	impossible := func(f fault) bool { return !f.possible(libraries) }
	list = slices.DeleteFunc(list, impossible)
	r := rand.New(rand.NewPCG(*seedFlag, 0))
	t.Logf("seed %d", *seedFlag)
	s := newStage(t, slices.ContainsFunc(list, fault.needsClocks))
	n := &nemesis{stage: s, crowd: newCrowd(t, s.seeds(), libraries), list: slices.DeleteFunc(faults(), impossible)}
	stop, end := n.begin()
	s.clients = n.foreign
	defer end()
	defer stop()
	n.awaitGetsOn(t, 0)
	var round []fault
	for range episodes {
		if len(round) == 0 {
			round = append(round, list...)
			if episodes > len(list) {
				r.Shuffle(len(round), func(i, k int) { round[i], round[k] = round[k], round[i] })
			}
		}
		n.episode(t, round[0], r)
		round = round[1:]
		lasts(rand.N(time.Second))
	}
	stop()
	report, logs := n.judge(t, end)
	if !report.Good() || len(logs.Wrong) > 0 {
		path := filepath.Join(os.TempDir(), fmt.Sprint("faults-", *seedFlag, ".jsonl"))
		t.Logf("the history is in %s: %v", path, n.keep(path))
	}
	run := judged{When: time.Now().UTC().Format(time.RFC3339), Commit: *commitFlag, Seed: *seedFlag, Seconds: int(n.Now().Seconds()), Libraries: n.libraries, Episodes: n.episodes, Linear: logs, Load: n.loads}
	run.count(report)
	all, err := tally(*resultsFlag, run)
	if err != nil {
		t.Error(err)
	}
	t.Logf("%v: %v; linearizable: %v\n%s\n%s", n.Now().Round(time.Second), report, logs, runsTable(all), recoveryTable(all))
}

// judge waits until transactions that clients left behind have timed out and the transformers have come to the end, reads
// everything through brokers that have nothing in memory, and checks the history, with two checkers that have nothing in common.
func (n *nemesis) judge(t *testing.T, end func()) (*queues.Report, linearity) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	lasts(time.Second) // what plain producers gave up comes to its end
	harness.Await(t, 3*time.Minute, "no transaction is open", func() error { return n.closed(ctx) })
	if err := n.last(ctx); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, 2*time.Minute, "transformers come to the end", func() error { return n.drained(ctx) })
	end()
	for _, b := range n.stage.brokers {
		b.Kill()
		b.Up()
	}
	for _, uncommitted := range []bool{false, true} {
		if err := n.finish(ctx, uncommitted); err != nil {
			t.Fatal(err)
		}
	}
	history := &queues.History{Ops: n.Ops(), Drained: n.inputKeys()}
	report, logs := queues.Check(history), shared(history, linearMax)
	for _, wrong := range logs.Wrong {
		t.Error(wrong)
	}
	for _, f := range report.Findings {
		t.Error(f)
	}
	n.stage.fsck()
	return report, logs
}
