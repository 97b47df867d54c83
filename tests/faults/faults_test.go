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
	onlyFlag      = flag.String("only", "", "only faults whose name contains this")
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
	run(t, slices.DeleteFunc(faults(), func(f fault) bool { return !strings.Contains(f.name, *onlyFlag) }), *episodesFlag)
}

func run(t *testing.T, list []fault, episodes int) {
	r := rand.New(rand.NewPCG(*seedFlag, 0))
	t.Logf("seed %d", *seedFlag)
	s := newStage(t)
	n := &nemesis{stage: s, crowd: newCrowd(t, s.seeds(), strings.Split(*librariesFlag, ","))}
	stop, end := n.begin()
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
	report := n.judge(t, end)
	if !report.Good() {
		path := filepath.Join(os.TempDir(), fmt.Sprint("faults-", *seedFlag, ".jsonl"))
		t.Logf("the history is in %s: %v", path, n.keep(path))
	}
	run := judged{When: time.Now().UTC().Format(time.RFC3339), Commit: *commitFlag, Seed: *seedFlag, Seconds: int(n.Now().Seconds()), Libraries: n.libraries, Episodes: n.episodes}
	run.count(report)
	all, err := tally(*resultsFlag, run)
	if err != nil {
		t.Error(err)
	}
	t.Logf("%v: %v\n%s", n.Now().Round(time.Second), report, tables(all))
}

// judge waits until transactions that clients left behind have timed out and the transformers have come to the end, reads
// everything through brokers that have nothing in memory, and checks the history.
func (n *nemesis) judge(t *testing.T, end func()) *queues.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	lasts(time.Second) // what plain producers gave up comes to its end
	harness.Await(t, time.Minute, "no transaction is open", func() error { return n.closed(ctx) })
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
	report := queues.Check(&queues.History{Ops: n.Ops(), Drained: n.inputKeys()})
	for _, f := range report.Findings {
		t.Error(f)
	}
	n.stage.fsck()
	return report
}
