// Package emf counts what an invocation of a function does, and writes it as one line of CloudWatch's embedded metric format, which
// becomes metrics without a request.
//
//	{"_aws":{"Timestamp":…,"CloudWatchMetrics":[{"Namespace":"firnlog","Dimensions":[["Cluster","Function"]],"Metrics":[{"Name":"Commits","Unit":"Count"},…]}]},
//	 "Cluster":"default","Function":"producer","RequestId":"…","Commits":1,"StoreGets":0,…}
//
// What is 0 stands in the line, and is no metric of it: a metric costs money for each hour that it has a value. Invocations and Errors
// always are.
//
// Owns: names, units, the shape. Does not own: what is counted beside requests (its users tell).
package emf

import (
	"context"
	"encoding/json"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/objectstore"
)

// Unit of a metric, as CloudWatch names them.
type Unit string

// The units that are used here.
const (
	Count        Unit = "Count"
	Bytes        Unit = "Bytes"
	Milliseconds Unit = "Milliseconds"
)

// Namespace of all metrics.
const Namespace = "firnlog"

// metricsMax is what CloudWatch takes in one line.
const metricsMax = 100

// Add takes one value of an invocation.
type Add func(name string, unit Unit, value float64)

// Settings of a Meter.
type Settings struct {
	Function, Cluster string
	Out               io.Writer // standard output; nil: nothing is written
	Now               func() time.Time
	Started           time.Time // of the environment
	// Store and KV count requests; nil: there are none.
	Store *objectstore.Meter
	KV    *coordination.Meter
}

// Meter counts for one environment, which serves one invocation at a time.
type Meter struct {
	Settings
	warm    atomic.Bool
	init    time.Duration
	records atomic.Int64
	mu      sync.Mutex // of Out
}

// New makes a Meter. It is made when everything else is: from Started until now is what an init takes.
func New(s Settings) *Meter { return &Meter{Settings: s, init: s.Now().Sub(s.Started)} }

// Written notes records that were committed.
func (m *Meter) Written(records int64) { m.records.Add(records) }

// value is one of a line.
type value struct {
	name string
	unit Unit
	v    float64
}

// Wrap counts what a handler does. describe tells what its answer says; nil: nothing.
func Wrap[Out any](m *Meter, handle func(context.Context, json.RawMessage) (Out, error), describe func(Out, Add)) func(context.Context, json.RawMessage) (Out, error) {
	return func(ctx context.Context, event json.RawMessage) (Out, error) {
		before, began := m.read(), m.Now()
		out, err := handle(ctx, event)
		l := &line{}
		l.add("Invocations", Count, 1)
		if err != nil {
			l.add("Errors", Count, 1)
		} else {
			if l.add("Errors", Count, 0); describe != nil {
				describe(out, l.set)
			}
		}
		if !m.warm.Swap(true) {
			l.add("ColdStarts", Count, 1)
			l.add("InitMilliseconds", Milliseconds, millis(m.init))
		}
		l.add("DurationMilliseconds", Milliseconds, millis(m.Now().Sub(began)))
		l.add("EventBytes", Bytes, float64(len(event)))
		m.read().since(before, l.add)
		m.write(ctx, l.values)
		return out, err
	}
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// line gathers values.
type line struct{ values []value }

func (l *line) add(name string, unit Unit, v float64) {
	l.values = append(l.values, value{name, unit, v})
}

// set adds a value, or takes the place of one.
func (l *line) set(name string, unit Unit, v float64) {
	for i := range l.values {
		if l.values[i].name == name {
			l.values[i] = value{name, unit, v}
			return
		}
	}
	l.add(name, unit, v)
}

// counts are the requests so far.
type counts struct {
	store   objectstore.Snapshot
	kv      coordination.MeterSnapshot
	records int64
}

func (m *Meter) read() (c counts) {
	if m.Store != nil {
		c.store = m.Store.Snapshot()
	}
	if m.KV != nil {
		c.kv = m.KV.Snapshot()
	}
	c.records = m.records.Load()
	return c
}

// since tells what came to the counts after others.
func (c counts) since(b counts, add Add) {
	s, t := c.store, b.store
	add("StorePuts", Count, float64(s.Put.Requests-t.Put.Requests))
	add("StoreGets", Count, float64(s.Get.Requests-t.Get.Requests))
	add("StoreLists", Count, float64(s.List.Requests-t.List.Requests))
	add("StoreErrors", Count, float64(s.Put.Errors+s.Get.Errors+s.List.Errors+s.Delete.Errors-t.Put.Errors-t.Get.Errors-t.List.Errors-t.Delete.Errors))
	add("StoreBytesOut", Bytes, float64(s.Put.BytesOut-t.Put.BytesOut))
	add("StoreBytesIn", Bytes, float64(s.Get.BytesIn-t.Get.BytesIn))
	k, l := c.kv, b.kv
	add("EtcdReads", Count, float64(k.Get.Requests+k.List.Requests+k.Read.Requests-l.Get.Requests-l.List.Requests-l.Read.Requests))
	add("Commits", Count, float64(k.Commit.Requests-k.Commit.Errors-k.Refused-(l.Commit.Requests-l.Commit.Errors-l.Refused)))
	add("CommitsRefused", Count, float64(k.Refused-l.Refused))
	add("EtcdErrors", Count, float64(k.Get.Errors+k.List.Errors+k.Read.Errors+k.Commit.Errors-l.Get.Errors-l.List.Errors-l.Read.Errors-l.Commit.Errors))
	add("RecordsWritten", Count, float64(c.records-b.records))
}

// directive and what is in it are CloudWatch's.
type directive struct {
	Timestamp int64       `json:"Timestamp"` // ms
	Metrics   []metricSet `json:"CloudWatchMetrics"`
}

type metricSet struct {
	Namespace  string       `json:"Namespace"`
	Dimensions [][]string   `json:"Dimensions"`
	Metrics    []definition `json:"Metrics"`
}

type definition struct {
	Name string `json:"Name"`
	Unit Unit   `json:"Unit"`
}

// write prints the line. That it cannot be printed is no reason to fail an invocation.
func (m *Meter) write(ctx context.Context, values []value) {
	if m.Out == nil {
		return
	}
	set := metricSet{Namespace: Namespace, Dimensions: [][]string{{"Cluster", "Function"}}}
	fields := map[string]any{"Cluster": m.Cluster, "Function": m.Function}
	if in, ok := lambdacontext.FromContext(ctx); ok {
		fields["RequestId"] = in.AwsRequestID
	}
	for _, v := range values {
		fields[v.name] = v.v
		if (v.v != 0 || v.name == "Errors") && len(set.Metrics) < metricsMax {
			set.Metrics = append(set.Metrics, definition{v.name, v.unit})
		}
	}
	fields["_aws"] = directive{m.Now().UnixMilli(), []metricSet{set}}
	text, err := json.Marshal(fields)
	if err != nil { // a number that is none
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, _ = m.Out.Write(append(text, '\n'))
}
