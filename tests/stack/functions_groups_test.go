//go:build stack

package stack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// restMember is a consumer instance that is served by the function alone.
type restMember struct {
	*functions
	path string
	seen map[string]int // how often each value was in an answer
}

// makeTopic makes a topic through the function that administers.
func (f *functions) makeTopic(name string, partitions int) {
	f.Helper()
	text, _ := f.request("admin", "GET", "/v3/clusters", "application/json", "", 200)
	_, id, _ := strings.Cut(text, `"cluster_id":"`)
	id, _, _ = strings.Cut(id, `"`)
	f.request("admin", "POST", "/v3/clusters/"+id+"/topics", "application/json", fmt.Sprintf(`{"topic_name":%q,"partitions_count":%d}`, name, partitions), 201)
}

// fill writes a value with this number to each partition.
func (f *functions) fill(partitions int, numbers ...int) (values []string) {
	f.Helper()
	for _, n := range numbers {
		for p := range partitions {
			value := fmt.Sprintf("v%d-%d", n, p)
			f.request("producer", "POST", fmt.Sprintf("/topics/t/partitions/%d", p), kindText, `{"records":[{"value":"`+value+`"}]}`, 200)
			values = append(values, value)
		}
	}
	return values
}

const (
	kindText = "application/vnd.kafka.text.v2+json"
	kindV2   = "application/vnd.kafka.v2+json"
)

// join makes a consumer instance that lives so long, and subscribes it.
func (f *functions) join(group, name string, life time.Duration) *restMember {
	f.Helper()
	f.request("consumer", "POST", "/consumers/"+group, kindV2, fmt.Sprintf(`{"name":%q,"format":"text","auto.offset.reset":"earliest","auto.commit.enable":false,"consumer.instance.timeout.ms":%d}`, name, life.Milliseconds()), 200)
	m := &restMember{f, "/consumers/" + group + "/instances/" + name, map[string]int{}}
	m.request("consumer", "POST", m.path+"/subscription", kindV2, `{"topics":["t"]}`, 204)
	return m
}

// poll reads what there is and commits it.
func (m *restMember) poll() {
	m.Helper()
	text, _ := m.request("consumer", "GET", m.path+"/records?timeout=100", "", "", 200)
	var records []struct{ Value string }
	if err := json.Unmarshal([]byte(text), &records); err != nil {
		m.Fatalf("records: %v: %s", err, text)
	}
	for _, r := range records {
		m.seen[r.Value]++
	}
	m.request("consumer", "POST", m.path+"/offsets", kindV2, "", 204)
}

// pollUntil polls all members by turns until together they have seen these values.
func pollUntil(t *testing.T, limit time.Duration, values []string, members ...*restMember) {
	t.Helper()
	harness.Await(t, limit, "all values are read", func() error {
		for _, m := range members {
			m.poll()
		}
		for _, value := range values {
			if !slices.ContainsFunc(members, func(m *restMember) bool { return m.seen[value] > 0 }) {
				return fmt.Errorf("%s is not read", value)
			}
		}
		return nil
	})
}

// onceEach says that no value was given twice.
func onceEach(t *testing.T, values []string, members ...*restMember) {
	t.Helper()
	for _, value := range values {
		n := 0
		for _, m := range members {
			n += m.seen[value]
		}
		if n != 1 {
			t.Errorf("%s was read %d times", value, n)
		}
	}
}

// tcpMember is a franz-go client in the same group.
type tcpMember struct {
	client *kgo.Client
	mu     sync.Mutex
	seen   map[string]int
}

func startTCP(t *testing.T, group string, seeds []string) *tcpMember {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.ConsumerGroup(group), kgo.ConsumeTopics("t"), kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(time.Second),
		kgo.RebalanceTimeout(20*time.Second), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	if err != nil {
		t.Fatal(err)
	}
	m := &tcpMember{client: client, seen: map[string]int{}}
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		for ctx.Err() == nil {
			got := client.PollFetches(ctx)
			m.mu.Lock()
			got.EachRecord(func(r *kgo.Record) { m.seen[string(r.Value)]++ })
			m.mu.Unlock()
			_ = client.CommitUncommittedOffsets(ctx) // refused when the group has moved on
		}
	})
	t.Cleanup(func() { stop(); work.Wait(); client.Close() })
	return m
}

// has says which of these values it has read.
func (m *tcpMember) has(values []string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, value := range values {
		if m.seen[value] > 0 {
			n++
		}
	}
	return n
}

// share fills rounds of values until each of the members has read some of a round, and all of it is read.
func share(t *testing.T, f *functions, round *int, rest *restMember, tcp *tcpMember) {
	t.Helper()
	harness.Await(t, 2*time.Minute, "both members read", func() error {
		*round++
		values := f.fill(4, *round)
		harness.Await(t, time.Minute, "a round is read", func() error {
			rest.poll()
			mine := 0
			for _, value := range values {
				if rest.seen[value] > 0 {
					mine++
				}
			}
			if n := tcp.has(values) + mine; n < len(values) {
				return fmt.Errorf("%d of %d", n, len(values))
			}
			return nil
		})
		if n := tcp.has(values); n == 0 || n == len(values) {
			return fmt.Errorf("the member over TCP has read %d of %d", n, len(values))
		}
		return nil
	})
}

// One member over TCP and one through the function share a topic; the broker is killed, and after a session the other one has all of it;
// the broker comes back, and they share again.
func TestFunctions_AGroupOfAMemberOverTCPAndOneThroughTheFunction(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 1})
	f := startFunctions(t, c, 4)
	f.makeTopic("t", 4)
	tcp := startTCP(t, "g", c.Seeds())
	rest := f.join("g", "rest", 5*time.Minute)
	round := 0
	share(t, f, &round, rest, tcp)
	c.Brokers[0].Kill()
	values := f.fill(4, 1000)
	pollUntil(t, 2*time.Minute, values, rest) // fails as long as the member over TCP has its session
	c.Brokers[0].Up()
	round = 2000
	share(t, f, &round, rest, tcp)
	var committed int
	text, _ := f.request("consumer", "GET", rest.path+"/offsets?partitions=t:0,t:1,t:2,t:3", "", "", 200)
	if committed = strings.Count(text, `"partition"`); committed != 4 {
		t.Errorf("offsets after all: %s", text)
	}
}

// Two members, no broker: each step by whichever environment gets it, in a new process each time for a while; a freeze over which the
// seat of one of them ends; a process killed in the middle of a poll.
func TestFunctions_AGroupOfTwoWithoutAnyBroker(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 1})
	f := startFunctions(t, c, 4)
	f.makeTopic("t", 4)
	c.Brokers[0].Kill()
	harness.Await(t, time.Minute, "no instance is left", func() error {
		n, err := c.Etcd.Count(t.Context(), "/firnlog/default/instances/")
		if err == nil && n != 0 {
			err = fmt.Errorf("%d instances", n)
		}
		return err
	})
	one := f.join("g", "one", 5*time.Minute)
	two := f.join("g", "two", 20*time.Second)
	one.poll() // it learns that it has to give up two of four, and does
	two.poll()
	values := f.fill(4, 0, 1)
	pollUntil(t, time.Minute, values, one, two)
	onceEach(t, values, one, two)
	if len(one.seen) != 4 || len(two.seen) != 4 {
		t.Errorf("one has read %d values, the other %d: want the half each", len(one.seen), len(two.seen))
	}

	poll := make(chan struct{}) // killed while it waits for records, and between other steps
	go func() {
		defer close(poll)
		event := `{"version":"2.0","rawPath":"` + one.path + `/records","rawQueryString":"timeout=20000","requestContext":{"http":{"method":"GET"}}}`
		if r, err := f.Invoke(context.Background(), "consumer", []byte(event)); err == nil && r.FunctionError == "" {
			t.Errorf("a process that was killed has answered: %s", r.Payload)
		}
	}()
	time.Sleep(3 * time.Second) // it is waiting by now; if it is not, it is killed at another moment
	f.Recycle("consumer")
	<-poll
	values = append(values, f.fill(4, 2)...)
	pollUntil(t, time.Minute, values, one, two)
	onceEach(t, values, one, two)

	time.Sleep(30 * time.Second) // frozen: the seat of the second ends, whatever it was given is given to the first
	two.request("consumer", "GET", two.path+"/records", "", "", 404)
	last := f.fill(4, 3)
	pollUntil(t, time.Minute, last, one)
	values = append(values, last...)
	onceEach(t, values, one, two)
	text, _ := f.request("consumer", "GET", one.path+"/assignments", "", "", 200)
	if strings.Count(text, `"partition"`) != 4 {
		t.Errorf("the first has %s after the second has ended", text)
	}
}
