//go:build stack

package stack_test

import (
	"cmp"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firnlog/localstack/lambda"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// startFunctionsOn is startFunctions on what these variables name, with all functions there are.
func startFunctionsOn(t *testing.T, env []string, concurrency int) *functions {
	t.Helper()
	f := &functions{T: t, Service: lambda.New()}
	t.Cleanup(f.Close)
	for name, program := range buildFunctions(t) {
		log := filepath.Join(t.TempDir(), name+".log")
		f.Add(lambda.Settings{Name: name, Bootstrap: program, Env: slices.Clone(env), Timeout: 30 * time.Second, Concurrency: concurrency, LogFile: log})
	}
	return f
}

// buildFunctions builds every function there is for this machine, and gives the programs by name.
func buildFunctions(t *testing.T) map[string]string {
	t.Helper()
	mains, err := filepath.Glob("../../functions/*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("functions: %v", err)
	}
	dir, programs := t.TempDir(), map[string]string{}
	args := []string{"build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", dir}
	for _, main := range mains {
		name := filepath.Base(filepath.Dir(main))
		programs[name] = filepath.Join(dir, name)
		args = append(args, "github.com/firnlog/firnlog/functions/"+name)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("build functions: %v\n%s", err, out)
	}
	return programs
}

// Init and memory of every function, each cold several times. The aims are below 60 ms and 40 MiB on a machine that is not busy; the limits here
// are what no busy machine explains.
func TestFunctions_EveryOneStartsFastAndSmall(t *testing.T) {
	const times, initMax, peakMax = 5, time.Second, 64 << 20
	c := harness.StartCluster(t, harness.Options{Brokers: 1})
	f := startFunctionsOn(t, append(functionsEnv(c), "FIRNLOG_DELIVER_FUNCTION=none", "FIRNLOG_DELIVER_TOPICS=t", "FIRNLOG_DELIVER_WAIT=1ms", "AWS_ENDPOINT_URL_LAMBDA=http://127.0.0.1:1"), 1)
	createTopic(t, c.Seeds(), 1, nil, "t")
	events := map[string]string{
		"producer": `{"topic":"t","format":"text","records":[{"value":"v"}]}`,
		"consumer": `{"version":"2.0","rawPath":"/topics/t/partitions/0/records","rawQueryString":"offset=0&timeout=0","requestContext":{"http":{"method":"GET"}}}`,
		"admin":    `{"version":"2.0","rawPath":"/v3/clusters","requestContext":{"http":{"method":"GET"}}}`,
	}
	var rows [][2]string
	for _, name := range slices.Sorted(maps.Keys(buildFunctions(t))) {
		var inits, firsts []time.Duration
		peak := int64(0)
		for range times {
			f.Recycle(name)
			r, err := f.Invoke(t.Context(), name, []byte(cmp.Or(events[name], "{}")))
			if err != nil || r.FunctionError != "" && name != "deliver" { // there is no function that it could deliver to
				t.Errorf("%s: %v %s", name, err, r.Payload)
			}
			inits, firsts, peak = append(inits, r.Init), append(firsts, r.Took), max(peak, r.PeakBytes)
		}
		slices.Sort(inits)
		slices.Sort(firsts)
		rows = append(rows, [2]string{name, fmt.Sprintf("init %s (most %s), first invocation %s, %.1f MiB", inMillis(inits[times/2]), inMillis(inits[times-1]), inMillis(firsts[times/2]), float64(peak)/(1<<20))})
		if inits[times/2] > initMax || inits[0] == 0 || peak > peakMax || peak == 0 {
			t.Errorf("%s: init %v, %d bytes of memory", name, inits, peak)
		}
	}
	harness.Table(t, fmt.Sprintf("cold starts, medians of %d (aims: init below 60 ms, below 40 MiB)", times), rows)
}

// functionsEnv names a cluster's store and etcd.
func functionsEnv(c *harness.Cluster) []string {
	return append(slices.Clone(c.MinIO.Environ()), "FIRNLOG_STORE=s3://firnlog/stack?create=false&endpoint=http://"+c.MinIO.Endpoint, "FIRNLOG_ETCD="+c.Etcd.Endpoint, "FIRNLOG_TOPIC=t")
}

// Frozen until every broker is dead and every lease gone, and then many at once: each acknowledged record is there, at an offset of its own, without
// a hole.
func TestFunctions_FrozenUntilNobodyLivesAndThenManyAtOnce(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 2})
	f := startFunctionsOn(t, functionsEnv(c), *atOnce)
	createTopic(t, c.Seeds(), 1, nil, "t")
	cold := f.write("0")
	warm := f.write("1")
	for _, b := range c.Brokers {
		b.Kill()
	}
	time.Sleep(*freezeFor) // frozen: that is what is tested
	if n, err := c.Etcd.Count(t.Context(), "/firnlog/default/instances/"); err != nil || n != 0 {
		t.Errorf("%d instances are left, %v", n, err)
	}
	thawed := f.write("2")
	if thawed.Cold {
		t.Error("not thawed but started anew")
	}
	var all sync.WaitGroup
	colds := make([]bool, *atOnce)
	begin := time.Now()
	for i := range *atOnce {
		all.Go(func() { colds[i] = f.write(fmt.Sprint(3 + i)).Cold })
	}
	all.Wait()
	took := time.Since(begin)
	f.readsAll(3 + *atOnce)
	started := 0
	for _, is := range colds {
		if is {
			started++
		}
	}
	harness.Table(t, "the function that produces, without any broker", [][2]string{
		{"cold, before", inMillis(cold.Took)}, {"warm, before", inMillis(warm.Took)},
		{fmt.Sprintf("after %v frozen, brokers killed, all leases gone", *freezeFor), inMillis(thawed.Took)},
		{fmt.Sprintf("%d at once, %d of them cold: all acknowledged, offsets dense", *atOnce, started), inMillis(took)},
	})
}
