package broker

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/core/telemetry"
	"github.com/firnlog/firnlog/objectstore/memory"
)

// scrape reads /metrics.
func scrape(t *testing.T, b *running) string {
	t.Helper()
	res, err := http.Get(b.http + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", res.StatusCode, body, err)
	}
	return string(body)
}

// sampleOf gives the value of one series, as it is written; -1: there is none.
func sampleOf(text, series string) float64 {
	for line := range strings.SplitSeq(text, "\n") {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			v, _ := strconv.ParseFloat(rest, 64)
			return v
		}
	}
	return -1
}

func TestMetrics_AreTheCatalogsAndCountWhatClientsDo(t *testing.T) {
	b := start(t, memory.New(), newKV(), func(s *Settings) { s.ScrubRate = 1 << 20 })
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka), kgo.AllowAutoTopicCreation(), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: make([]byte, 1000)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	client.PollFetches(t.Context())
	for sent, want := range map[string]string{"": "", "mine-1": "mine-1", "two words": "", strings.Repeat("x", 65): ""} {
		if got := requestID(t, b, sent); want != "" && got != want || got == "" || want == "" && got == sent {
			t.Errorf("id %q was answered with %q", sent, got)
		}
	}
	text := ""
	for _, c := range []struct {
		series string
		least  float64
	}{
		{`firnlog_kafka_requests_total{api="Produce",error="NONE"}`, 1}, {`firnlog_kafka_request_bytes_total{api="Produce"}`, 1000},
		{`firnlog_kafka_response_bytes_total{api="Fetch"}`, 1000}, {`firnlog_kafka_request_seconds_count{api="Produce"}`, 1}, {`firnlog_kafka_connections`, 1},
		{`firnlog_kafka_connections_total{outcome="accepted"}`, 1}, {`firnlog_http_requests_total{method="GET",route="/topics/{topic}",status="404"}`, 1},
		{`firnlog_flush_records_total`, 1}, {`firnlog_flush_size_bytes_count`, 1}, {`firnlog_segments_sealed_total{reason="linger"}`, 1}, {`firnlog_ingest_memory_bytes`, 0},
		{`firnlog_store_dollars_total{op="put"}`, 5e-6}, {`firnlog_barrier_seconds_count`, 1}, {`firnlog_log_reads_total`, 1}, {`firnlog_partitions`, 1}, {`firnlog_unsettled_bytes`, 1000},
		{`firnlog_upkeep_held`, 1}, {`firnlog_upkeep_steps_total{outcome="done",step="stamp"}`, 1}, {`firnlog_ready{part="store"}`, 1}, {`firnlog_cache_hits_total`, 0}, {`firnlog_build_info{version="test"}`, 1},
	} {
		got := -1.0
		for deadline := time.Now().Add(30 * time.Second); got < c.least && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			text = scrape(t, b)
			got = sampleOf(text, c.series)
		}
		if got < c.least {
			t.Errorf("%s is %v, want %v at least", c.series, got, c.least)
		}
	}
	families := map[string]telemetry.Kind{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (firnlog_\w+) (\w+)$`).FindAllStringSubmatch(text, -1) {
		families[m[1]] = telemetry.Kind(m[2])
	}
	for _, s := range telemetry.Catalog() {
		for _, m := range s.Metrics {
			kind, there := families[m.Name]
			if there && kind != m.Kind || !there && len(m.Labels) == 0 {
				t.Errorf("%s is a %q, the catalog says %s", m.Name, kind, m.Kind)
			}
			delete(families, m.Name)
		}
	}
	if len(families) > 0 {
		t.Errorf("not in the catalog: %v", families)
	}
}

// requestID asks for what is not there, and gives the id that the answer has.
func requestID(t *testing.T, b *running, sent string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.http+"/topics/no-such-topic", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Request-Id", sent)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.Header.Get("X-Request-Id")
}

func TestMetrics_TopicsOfStrangersDoNotMakeSeriesWithoutEnd(t *testing.T) {
	b := start(t, memory.New(), newKV(), func(s *Settings) { s.MetricsSeries = 5 })
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka), kgo.AllowAutoTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for i := range 30 {
		topic := fmt.Sprint("t", i)
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("a")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		var at kadm.Offsets
		at.Add(kadm.Offset{Topic: topic, At: 0, LeaderEpoch: -1})
		if err := admin.CommitAllOffsets(t.Context(), "g", at); err != nil {
			t.Fatal(err)
		}
	}
	text, shown := "", 0
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		text = scrape(t, b)
		if shown = strings.Count(text, "\nfirnlog_group_lag{"); sampleOf(text, `firnlog_metrics_folded_series{metric="firnlog_group_lag"}`) == 25 {
			break
		}
	}
	if shown != 6 || sampleOf(text, `firnlog_metrics_folded_series{metric="firnlog_group_lag"}`) != 25 {
		t.Errorf("%d series of lag", shown)
	}
}
