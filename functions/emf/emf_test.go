package emf

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/firnlog/firnlog/coordination"
	kvmemory "github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
)

type invocation struct {
	t     *testing.T
	out   bytes.Buffer
	store *objectstore.Meter
	kv    *coordination.Meter
	meter *Meter
}

func newInvocation(t *testing.T) *invocation {
	i := &invocation{t: t, store: objectstore.NewMeter(memory.New(), time.Now, nil), kv: coordination.NewMeter(kvmemory.New(kvmemory.Settings{}), time.Now, nil)}
	i.meter = New(Settings{Function: "producer", Cluster: "c", Out: &i.out, Now: time.Now, Started: time.Now().Add(-40 * time.Millisecond), Store: i.store, KV: i.kv})
	return i
}

// run invokes, and gives the line with the names of its metrics.
func (i *invocation) run(f func(context.Context) error) (fields map[string]any, metrics []string) {
	i.t.Helper()
	i.out.Reset()
	ctx := lambdacontext.NewContext(i.t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "r-1"})
	handle := Wrap(i.meter, func(ctx context.Context, _ json.RawMessage) (int, error) { return 7, f(ctx) },
		func(out int, add Add) { add("RecordsDelivered", Count, float64(out)) })
	_, _ = handle(ctx, json.RawMessage(`{"a":1}`))
	if strings.Count(i.out.String(), "\n") != 1 {
		i.t.Fatalf("want one line: %s", i.out.String())
	}
	metrics, err := Check(i.out.Bytes())
	if err != nil {
		i.t.Fatalf("%v: %s", err, i.out.String())
	}
	if err := json.Unmarshal(i.out.Bytes(), &fields); err != nil {
		i.t.Fatal(err)
	}
	return fields, metrics
}

func TestWrap_CountsWhatTheInvocationDidAndNothingOfThoseBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newInvocation(t)
		work := func(ctx context.Context) error {
			_ = i.store.Put(ctx, "a", make([]byte, 100))
			_, _ = i.kv.Get(ctx, "k")
			_, _ = i.kv.Commit(ctx, nil, []coordination.Change{coordination.PutKey("k", []byte("v"))})
			_, _ = i.kv.Commit(ctx, []coordination.Guard{coordination.Missing("k")}, nil)
			i.meter.Written(3)
			time.Sleep(25 * time.Millisecond)
			return nil
		}
		for n, cold := range []bool{true, false} {
			fields, metrics := i.run(work)
			for name, want := range map[string]any{"Cluster": "c", "Function": "producer", "RequestId": "r-1", "Invocations": 1.0, "Errors": 0.0, "StorePuts": 1.0, "StoreBytesOut": 100.0,
				"EtcdReads": 1.0, "Commits": 1.0, "CommitsRefused": 1.0, "RecordsWritten": 3.0, "RecordsDelivered": 7.0, "DurationMilliseconds": 25.0, "EventBytes": 7.0, "StoreGets": 0.0} {
				if name == "StorePuts" && n == 1 { // it exists: that is one more request, and an error
					continue
				}
				if fields[name] != want {
					t.Errorf("invocation %d: %s is %v, want %v", n, name, fields[name], want)
				}
			}
			if (fields["InitMilliseconds"] == 40.0) != cold || (fields["ColdStarts"] == 1.0) != cold {
				t.Errorf("invocation %d: init %v, cold %v", n, fields["InitMilliseconds"], fields["ColdStarts"])
			}
			if slices.Contains(metrics, "StoreGets") || !slices.Contains(metrics, "Errors") || !slices.Contains(metrics, "Commits") {
				t.Errorf("metrics of the line: %v", metrics)
			}
		}
	})
}

func TestWrap_AnErrorIsCountedAndGivenOn(t *testing.T) {
	i := newInvocation(t)
	failed := errors.New("failed")
	fields, _ := i.run(func(context.Context) error { return failed })
	if fields["Errors"] != 1.0 || fields["RecordsDelivered"] != nil {
		t.Errorf("%v", fields)
	}
	_, err := Wrap(i.meter, func(context.Context, json.RawMessage) (int, error) { return 0, failed }, nil)(t.Context(), nil)
	if !errors.Is(err, failed) {
		t.Error(err)
	}
}

func TestCheck_RefusesWhatCloudWatchWouldNotTake(t *testing.T) {
	const well = `{"_aws":{"Timestamp":1790000000000,"CloudWatchMetrics":[{"Namespace":"firnlog","Dimensions":[["Cluster"]],"Metrics":[{"Name":"A","Unit":"Count"}]}]},"Cluster":"c","A":1}`
	if _, err := Check([]byte(well)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"Timestamp":1790000000000,`, ``}, {`"Namespace":"firnlog"`, `"Namespace":""`}, {`"Cluster":"c",`, ``}, {`"Cluster":"c"`, `"Cluster":1`},
		{`"A":1`, `"A":"1"`}, {`,"A":1`, ``}, {`"Unit":"Count"`, `"Unit":"Pieces"`}, {`[["Cluster"]]`, `[]`}, {`{"_aws"`, `x{"_aws"`},
	} {
		if _, err := Check([]byte(strings.Replace(well, change[0], change[1], 1))); err == nil {
			t.Errorf("%s instead of %s is taken", change[1], change[0])
		}
	}
}
