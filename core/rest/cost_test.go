package rest

import (
	"strings"
	"testing"
)

// TestCost_OfEachRequestInEtcdAndTheObjectStore is reviewed like code: each line is a request.
func TestCost_OfEachRequestInEtcdAndTheObjectStore(t *testing.T) {
	a := newAPI(t)
	a.topic("t", 2)
	a.write("t", 0, "warm")
	path := a.consumer("g", "c", `"auto.commit.enable":"false"`)
	a.call("POST", path+"/subscription", mediaV2, `{"topics":["t"]}`).want(204)
	a.read(path, 1)
	a.instance.Barrier()
	for _, c := range []struct {
		name string
		run  func()
		want string
	}{
		{"produce", func() { a.write("t", 0, "a") }, `
a store put segments/<id>
a kv commit log/commits/<id>`},
		{"poll with records", func() { a.read(path, 1) }, `
a kv get groups/g/members/c
a kv get groups/g
a kv commit groups/g/members/c`},
		{"commit all", func() { a.call("POST", path+"/offsets", mediaV2, "").want(204) }, `
a kv get groups/g/members/c
a kv commit groups/g/offsets/t`},
		{"assignments", func() { a.call("GET", path+"/assignments", "", "").want(200) }, `
a kv get groups/g/members/c`},
		{"stateless read", func() { a.call("GET", "/topics/t/partitions/0/records?offset=0", "", "", "Accept", kindText).want(200) }, ``},
	} {
		a.world.Transcript()
		c.run()
		var got []string
		for _, line := range a.world.Transcript() {
			if !strings.Contains(line, "progress") {
				got = append(got, line)
			}
		}
		if text := strings.Join(got, "\n"); text != strings.TrimSpace(c.want) {
			t.Errorf("%s:\n%s\nwant:\n%s", c.name, text, strings.TrimSpace(c.want))
		}
	}
}
