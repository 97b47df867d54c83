package otlp

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	kvmemory "github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/broker"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/tracing"
	"github.com/firnlog/firnlog/objectstore/memory"
)

// gathered is a collector of spans.
type gathered struct {
	collector.UnimplementedTraceServiceServer
	mu    sync.Mutex
	spans []*trace.Span
}

func (g *gathered) Export(_ context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, from := range r.ResourceSpans {
		for _, scope := range from.ScopeSpans {
			g.spans = append(g.spans, scope.Spans...)
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// named gives the spans of a name.
func (g *gathered) named(name string) (out []*trace.Span) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.spans {
		if s.Name == name {
			out = append(out, s)
		}
	}
	return out
}

// below gives the one span of a name below another, waiting for it.
func (g *gathered) below(t *testing.T, name string, parent *trace.Span) *trace.Span {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, s := range g.named(name) {
			if parent == nil || string(s.ParentSpanId) == string(parent.SpanId) && string(s.TraceId) == string(parent.TraceId) {
				return s
			}
		}
	}
	t.Fatalf("no span %q below %v; there are %s", name, parent.GetName(), g.tree())
	return nil
}

func (g *gathered) tree() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var b strings.Builder
	for _, s := range g.spans {
		fmt.Fprintf(&b, "\n%x %x < %x %s links %d", s.TraceId, s.SpanId, s.ParentSpanId, s.Name, len(s.Links))
	}
	return b.String()
}

func collect(t *testing.T) *gathered {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g, s := &gathered{}, grpc.NewServer()
	collector.RegisterTraceServiceServer(s, g)
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(s.Stop)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+ln.Addr().String())
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	return g
}

func startBroker(t *testing.T) (kafka, web string) {
	t.Helper()
	tracer, err := New(t.Context(), "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.New(broker.Settings{
		Serving: config.Serving{Kafka: []string{"127.0.0.1:0"}, HTTP: "127.0.0.1:0", Cluster: "test", NodeID: -1, AutoCreate: true, Partitions: 1,
			SegmentBytes: 8 << 20, IngestMemory: 64 << 20, HotCache: 0, ColdCache: 0, Uploads: 4, GroupConsumerSession: 6 * time.Second, GroupConsumerHeartbeat: time.Second},
		Linger: 100 * time.Millisecond, Store: memory.New(), KV: kvmemory.New(kvmemory.Settings{}), Version: "test", Log: slog.New(slog.DiscardHandler), Trace: tracing.New(tracer),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan [2]string, 1), make(chan error, 1)
	go func() { ended <- b.Run(ctx, func(kafka, web string) { ready <- [2]string{kafka, web} }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = tracer.Close(context.Background())
	})
	at := <-ready
	return at[0], at[1]
}

func TestSpans_LeadFromTheRequestToPutAndCommitAndFromFetchToGet(t *testing.T) {
	g := collect(t)
	kafka, web := startBroker(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka), kgo.AllowAutoTopicCreation(), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("a")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	produce := g.below(t, "kafka Produce", nil)
	flush := g.below(t, "flush", produce)
	g.below(t, "store put", flush)
	commit := g.below(t, "commit", flush)
	g.below(t, "etcd commit", commit)
	g.below(t, "learn", flush)
	if r := client.PollFetches(t.Context()); r.Err() != nil {
		t.Fatal(r.Err())
	}
	get := g.below(t, "store get", nil) // nothing is cached here
	if !slices.ContainsFunc(g.named("kafka Fetch"), func(s *trace.Span) bool { return string(s.SpanId) == string(get.ParentSpanId) }) {
		t.Errorf("the GET is below no Fetch: %s", g.tree())
	}
	r, _ := http.NewRequest(http.MethodPost, web+"/topics/t", strings.NewReader(`{"records":[{"value":"b"}]}`))
	r.Header.Set("Content-Type", "application/vnd.kafka.text.v2+json")
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	request := g.below(t, "POST /topics/{topic}", nil)
	if fmt.Sprintf("%x %x", request.TraceId, request.ParentSpanId) != "0af7651916cd43dd8448eb211c80319c b7ad6b7169203331" {
		t.Errorf("the client's trace is not gone on with: %x below %x", request.TraceId, request.ParentSpanId)
	}
	g.below(t, "store put", g.below(t, "flush", request))
}

func TestFlush_LinksToEveryRequestInIt(t *testing.T) {
	g := collect(t)
	kafka, web := startBroker(t)
	produceOne(t, kafka)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { postOne(t, web) })
	}
	all.Wait()
	flushes, linked := 0, 0
	for deadline := time.Now().Add(30 * time.Second); linked != 9; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d flushes name %d of 9 requests: %s", flushes, linked, g.tree())
		}
		all := g.named("flush")
		flushes, linked = len(all), len(all) // each stands below one
		for _, f := range all {
			linked += len(f.Links)
		}
	}
	if flushes == 9 {
		t.Error("no flush had two requests")
	}
}

func produceOne(t *testing.T, kafka string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka), kgo.AllowAutoTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("a")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func postOne(t *testing.T, web string) {
	res, err := http.Post(web+"/topics/t", "application/vnd.kafka.text.v2+json", strings.NewReader(`{"records":[{"value":"b"}]}`))
	if err != nil {
		t.Error(err)
		return
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestSampling_OffLeavesNothingBelow(t *testing.T) {
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	g := collect(t)
	kafka, web := startBroker(t)
	produceOne(t, kafka)
	postOne(t, web)
	if spans := g.tree(); spans != "" {
		t.Error(spans)
	}
}

func TestWanted_OnlyWhereTheEnvironmentAsksForIt(t *testing.T) {
	for _, c := range []struct {
		env    string
		want   bool
		failed bool
	}{
		{"", false, false},
		{"OTEL_TRACES_EXPORTER=otlp", true, false},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317", true, false},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c:4317 OTEL_EXPORTER_OTLP_PROTOCOL=grpc", true, false},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317 OTEL_SDK_DISABLED=true", false, false},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317 OTEL_TRACES_EXPORTER=none", false, false},
		{"OTEL_TRACES_EXPORTER=zipkin", false, true},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", false, true},
	} {
		env := map[string]string{}
		for part := range strings.FieldsSeq(c.env) {
			name, value, _ := strings.Cut(part, "=")
			env[name] = value
		}
		got, err := Wanted(func(name string) string { return env[name] })
		if got != c.want || (err != nil) != c.failed {
			t.Errorf("%q: %v, %v", c.env, got, err)
		}
	}
}
