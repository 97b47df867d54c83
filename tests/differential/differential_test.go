package differential

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// compare runs the script against firnlog and another broker, and reports what no row explains.
func compare(t *testing.T, other string, tame bool, table []Row) (operations int) {
	t.Helper()
	firnlog := startFirnlog(t)
	ours, err := Served(firnlog)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := Served(other)
	if err != nil {
		t.Fatal(err)
	}
	now, both := time.Now(), Both(ours, theirs)
	answer := func(who, address string) []Answer {
		s := NewSession(address, both, now)
		s.Tame = tame
		return run(t, who, s)
	}
	answers := answer("firnlog", firnlog)
	differences, err := Compare(answers, answer("the other broker", other))
	if err != nil {
		t.Fatal(err)
	}
	left, idle := Judge(differences, table)
	for _, d := range left {
		t.Errorf("%s", d)
	}
	for _, row := range idle {
		t.Errorf("row of the table that explains nothing: %s %s %s", row.API, row.Op, row.Field)
	}
	t.Logf("%d operations compared, %d fields differ, %d of them unexplained", len(answers), len(differences), len(left))
	return len(answers)
}

func run(t *testing.T, who string, s *Session) []Answer {
	t.Helper()
	start := time.Now()
	answers, err := s.Run()
	for _, a := range answers {
		if a.Took > time.Second {
			t.Logf("%s took %v for %s v%d, %s", who, a.Took, a.API, a.Version, a.Op)
		}
	}
	if err != nil {
		t.Fatalf("%s, after %d operations: %v", who, len(answers), err)
	}
	t.Logf("%s: %d operations in %v", who, len(answers), time.Since(start))
	return answers
}

func TestDifferential_KfakeAnswersAlikeWhereItIsKafka(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	compare(t, c.ListenAddrs()[0], true, kfakeDeviations())
}
