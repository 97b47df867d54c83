package bench

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

func TestRun_EveryWorkloadOnABrokerThatIsNotOurs(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := Work{Kafka: cluster.ListenAddrs(), Partitions: 3, Bytes: 1 << 20, ValueBytes: 1000, Clients: 2, Linger: -1}
	for _, workload := range []string{WorkProduce, WorkCatchUp, WorkTail, WorkLatency} {
		if workload != WorkCatchUp { // it reads what was produced
			w.Topic = "t-" + workload
			if err := w.MakeTopic(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if workload == WorkProduce {
			if err := Prime(ctx, &w); err != nil {
				t.Fatal(err)
			}
		}
		if workload == WorkLatency {
			w.Rate, w.Bytes = 1000, 500_000
		}
		r, err := Run(ctx, &w, workload, &Watched{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Records < w.Records() || workload != WorkCatchUp && r.Records > w.Records() || r.Bytes != int64(r.Records)*1000 || r.Seconds <= 0 { // catchup takes what else its last answer has
			t.Errorf("%s: %+v", workload, r)
		}
		if (r.Produce == nil) != (workload == WorkCatchUp) || (r.EndToEnd == nil) != (workload != WorkLatency) {
			t.Errorf("%s: produce %v, end to end %v", workload, r.Produce, r.EndToEnd)
		}
	}
	if err := w.RemoveTopic(ctx); err != nil {
		t.Error(err)
	}
}

func TestMakeTopic_SaysThatNobodyAnswers(t *testing.T) {
	w := Work{Kafka: []string{"127.0.0.1:1"}, Topic: "t", Partitions: 1}
	if err := w.MakeTopic(t.Context()); err == nil || !strings.Contains(err.Error(), "no broker answers at [127.0.0.1:1]") {
		t.Errorf("%v", err)
	}
	if err := w.RemoveTopic(t.Context()); err != nil {
		t.Errorf("there is nothing to remove: %v", err)
	}
}
