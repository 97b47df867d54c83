//go:build stack

package stack_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/firnlog/firnlog/functions/emf"
	"github.com/firnlog/firnlog/localstack/lambda"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// What functions print in the emulator is what CloudWatch makes metrics of: cold and warm, a write, a read, a failure.
func TestFunctions_PrintTheEmbeddedMetricFormat(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 1})
	createTopic(t, c.Seeds(), 1, nil, "t")
	s := lambda.New()
	t.Cleanup(s.Close)
	programs, logs := buildFunctions(t), t.TempDir()
	for name, program := range programs {
		env := append(functionsEnv(c), "FIRNLOG_DELIVER_FUNCTION=none", "FIRNLOG_DELIVER_TOPICS=t", "FIRNLOG_DELIVER_WAIT=1ms", "AWS_ENDPOINT_URL_LAMBDA=http://127.0.0.1:1")
		s.Add(lambda.Settings{Name: name, Bootstrap: program, Env: env, Timeout: 30 * time.Second, Concurrency: 1, LogFile: filepath.Join(logs, name)})
	}
	const read = `{"version":"2.0","rawPath":"/topics/t/partitions/0/records","rawQueryString":"offset=0&timeout=0","requestContext":{"http":{"method":"GET"}}}`
	for _, i := range []struct{ function, event string }{
		{"producer", `{"topic":"t","format":"text","records":[{"value":"v"},{"value":"w"}]}`}, {"producer", `{"topic":"t","format":"text","records":[{"value":"x"}]}`}, {"producer", `{"what":"is this"}`},
		{"consumer", read}, {"maintenance", `{}`}, {"deliver", `{}`},
	} {
		if _, err := s.Invoke(t.Context(), i.function, []byte(i.event)); err != nil {
			t.Fatal(i.function, err)
		}
	}
	s.Close()
	lines := map[string][]map[string]any{}
	for name := range programs {
		text, _ := os.ReadFile(filepath.Join(logs, name))
		for line := range bytes.Lines(text) {
			if !bytes.Contains(line, []byte(`"_aws"`)) {
				continue
			}
			if _, err := emf.Check(line); err != nil {
				t.Errorf("%s: %v: %s", name, err, line)
			}
			var fields map[string]any
			_ = json.Unmarshal(line, &fields)
			lines[name] = append(lines[name], fields)
		}
	}
	if len(lines["producer"]) != 3 || len(lines["consumer"]) != 1 || len(lines["maintenance"]) != 1 || len(lines["deliver"]) != 1 {
		t.Fatalf("lines: %v", lines)
	}
	for _, w := range []struct {
		line map[string]any
		want map[string]float64
	}{
		{lines["producer"][0], map[string]float64{"ColdStarts": 1, "Commits": 1, "StorePuts": 1, "RecordsWritten": 2, "Errors": 0}},
		{lines["producer"][1], map[string]float64{"ColdStarts": 0, "Commits": 1, "StorePuts": 1, "RecordsWritten": 1, "Errors": 0}},
		{lines["producer"][2], map[string]float64{"Commits": 0, "Errors": 1}},
		{lines["consumer"][0], map[string]float64{"ColdStarts": 1, "Requests": 1, "Errors": 0}},
	} {
		for name, v := range w.want {
			if got, _ := w.line[name].(float64); got != v {
				t.Errorf("%s of %v is %v, want %v", name, w.line["Function"], w.line[name], v)
			}
		}
	}
}
