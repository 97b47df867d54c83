package api_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/functions/api"
)

// crowd is a group that is served by environments alone: each step by the next one, and after a freeze.
type crowd struct {
	*testing.T
	c      *coretest.Cluster
	topic  record.TopicID
	all    []*api.API
	next   int
	freeze time.Duration
}

func newCrowd(t *testing.T, environments int, partitions int32) *crowd {
	t.Helper()
	c := coretest.NewCluster(t)
	c.Instance("broker", coretest.Options{}).Ready().Stop()
	w := &crowd{T: t, c: c, topic: c.CreateTopic("t", partitions)}
	for i := range environments {
		w.all = append(w.all, newAPI(c, fmt.Sprint("f", i), api.Consumes))
	}
	return w
}

// wants sends a request to the next environment.
func (w *crowd) wants(method, path, body string, status int, parts ...string) string {
	w.Helper()
	time.Sleep(w.freeze)
	w.next++
	return wants(w.T, w.all[w.next%len(w.all)], method, path, body, status, parts...)
}

// write writes a value to each of these partitions.
func (w *crowd) write(value string, partitions ...int32) {
	w.Helper()
	writer := newAPI(w.c, "writer", api.Writes)
	for _, n := range partitions {
		wants(w.T, writer, "POST", fmt.Sprintf("/topics/t/partitions/%d", n), fmt.Sprintf(`{"records":[{"value":"%s%d"}]}`, value, n), 200)
	}
}

const create = `{"name":"%s","format":"text","auto.offset.reset":"earliest","auto.commit.enable":"false","consumer.instance.timeout.ms":"900000"}`

func TestConsumer_EachStepIsServedByAnotherEnvironmentAfterAMinuteOfFreezing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t, 3, 2)
		w.freeze = time.Minute
		w.write("a", 0, 1)
		const c1, c2 = "/consumers/g/instances/c1", "/consumers/g/instances/c2"
		w.wants("POST", "/consumers/g", fmt.Sprintf(create, "c1"), 200, `"instance_id":"c1"`)
		w.wants("POST", "/consumers/g", fmt.Sprintf(create, "c1"), 409, "40902")
		w.wants("POST", c1+"/subscription", `{"topics":["t"]}`, 204)
		w.wants("GET", c1+"/assignments", "", 200, `"partition":0`, `"partition":1`)
		w.wants("GET", c1+"/records", "", 200, "a0", "a1")
		w.wants("POST", c1+"/offsets", "", 204)
		w.wants("GET", c1+"/offsets?partitions=t:0,t:1", "", 200, `"offset":1`)
		w.wants("POST", "/consumers/g", fmt.Sprintf(create, "c2"), 200)
		w.wants("POST", c2+"/subscription", `{"topics":["t"]}`, 204)
		w.write("b", 0, 1)
		w.wants("GET", c2+"/records?timeout=100", "", 200, `[]`)
		one := w.wants("GET", c1+"/records", "", 200)
		two := w.wants("GET", c2+"/records", "", 200)
		for _, value := range []string{`"b0"`, `"b1"`} {
			if strings.Count(one+two, value) != 1 {
				t.Errorf("%s is not in one of %s and %s", value, one, two)
			}
		}
		w.wants("POST", c1+"/positions/beginning", `{"partitions":[{"topic":"t","partition":7}]}`, 404, "40402")
		w.wants("DELETE", c2, "", 204)
		w.wants("GET", c2+"/records", "", 404, "40403")
		w.wants("GET", c1+"/records?timeout=100", "", 200, "b") // c2 has committed nothing of what it read
		w.wants("DELETE", c1+"/subscription", "", 204)
		w.wants("POST", c1+"/assignments", `{"partitions":[{"topic":"t","partition":0}]}`, 204)
		w.wants("POST", c1+"/positions", `{"offsets":[{"topic":"t","partition":0,"offset":0}]}`, 204)
		w.wants("GET", c1+"/records", "", 200, "a0", "b0")
		time.Sleep(15 * time.Minute)
		w.wants("GET", c1+"/records", "", 404, "40403")
	})
}

func TestConsumer_GroupsAndTheirLagAreShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t, 2, 3)
		w.write("a", 0, 1, 2)
		w.wants("POST", "/consumers/g", fmt.Sprintf(create, "c1"), 200)
		w.wants("POST", "/consumers/g/instances/c1/subscription", `{"topic_pattern":"t.*"}`, 204)
		w.wants("GET", "/consumers/g/instances/c1/records", "", 200, "a0", "a1", "a2")
		w.wants("POST", "/consumers/g/instances/c1/offsets", "", 204)
		w.write("b", 1)
		_, id, _ := strings.Cut(w.wants("GET", "/v3/clusters", "", 200), `"cluster_id":"`)
		id, _, _ = strings.Cut(id, `"`)
		groups := "/v3/clusters/" + id + "/consumer-groups"
		w.wants("GET", groups, "", 200, `"consumer_group_id":"g"`, `"state":"STABLE"`)
		w.wants("GET", groups+"/g/consumers", "", 200, `"consumer_id":"c1"`)
		w.wants("GET", groups+"/g/consumers/c1/assignments", "", 200, `"partition_id":2`)
		w.c.Transcript()
		w.wants("GET", groups+"/g/lag-summary", "", 200, `"total_lag":1`, `"max_lag_partition_id":1`)
		if reads := len(w.c.Transcript()); reads > 6 {
			t.Errorf("the lag of three partitions took %d requests", reads)
		}
		w.wants("GET", groups+"/g/lags/t/partitions/1", "", 200, `"current_offset":1`, `"log_end_offset":2`)
		w.wants("GET", groups+"/none", "", 404)
	})
}

// Requests to etcd and the store, one a line: reviewed like code.
func TestCost_OfAConsumerInAStableGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t, 1, 2)
		const c1, c2 = "/consumers/g/instances/c1", "/consumers/g/instances/c2"
		for _, name := range []string{"c1", "c2", "c1", "c2"} {
			if w.next < 2 {
				w.wants("POST", "/consumers/g", fmt.Sprintf(create, name), 200)
				continue
			}
			w.wants("POST", "/consumers/g/instances/"+name+"/subscription", `{"topics":["t"]}`, 204)
		}
		w.wants("GET", c1+"/records?timeout=0", "", 200)
		w.wants("GET", c2+"/records?timeout=0", "", 200)
		w.write("a", 0, 1)
		for _, c := range []struct{ name, method, path, want string }{
			{"poll with records", "GET", c1 + "/records", `
f0 kv read log/format
f0 kv read log/format
f0 store get segments/<id>
f0 kv commit groups/g/members/c1`},
			{"poll without waiting, nothing there", "GET", c1 + "/records?timeout=0", `
f0 kv read log/format
f0 kv read log/format
f0 kv read log/format`},
			{"commit of all", "POST", c1 + "/offsets", `
f0 kv read log/format
f0 kv read log/format
f0 kv get groups/g/offsets/t
f0 kv commit groups/g/offsets/t`},
			{"assignments", "GET", c1 + "/assignments", `
f0 kv read log/format
f0 kv read log/format`},
		} {
			w.c.Transcript()
			status := 200
			if c.method == "POST" {
				status = 204
			}
			w.wants(c.method, c.path, "", status)
			if got := strings.Join(w.c.Transcript(), "\n"); got != strings.TrimSpace(c.want) {
				t.Errorf("%s:\n%s\nwant:\n%s", c.name, got, strings.TrimSpace(c.want))
			}
		}
		cold := newAPI(w.c, "cold", api.Consumes)
		w.write("b", 0, 1)
		w.c.Transcript()
		wants(t, cold, "GET", c2+"/records", "", 200, "b")
		if got := strings.Count(strings.Join(w.c.Transcript(), "\n"), "cold kv"); got != 4 { // one of them spares it reading what heads cover
			t.Errorf("a cold poll took %d requests to etcd, want 4", got)
		}
	})
}
