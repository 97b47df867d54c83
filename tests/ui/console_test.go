//go:build stack

package ui

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

var shots = flag.String("screenshots", "", "folder for pictures of the console; empty: a temporary one")

// Those of docs/console are webp, which are smaller.
var format = flag.String("format", "png", "of these pictures: png, jpeg, webp")

// hostile is what somebody might write to take over the browser of who looks at it.
const hostile = `<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>"'><svg onload=alert(1)>`

// stage is a broker with something to look at.
type stage struct {
	*testing.T
	broker *harness.Broker
	client *kgo.Client
	admin  *kadm.Client
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{T: t, broker: harness.StartDev(t, t.TempDir(), "--zone", "north")}
	var err error
	if s.client, err = kgo.NewClient(kgo.SeedBrokers(s.broker.Kafka), kgo.AllowAutoTopicCreation(), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	s.admin = kadm.NewClient(s.client)
	return s
}

// fill makes topics, records and groups, among them hostile ones.
func (s *stage) fill() {
	s.Helper()
	for name, partitions := range map[string]int32{"orders": 6, "payments": 3, "clickstream": 12, "hostile": 1} {
		if _, err := s.admin.CreateTopic(s.Context(), partitions, 1, nil, name); err != nil {
			s.Fatal(err)
		}
	}
	for i := range 600 {
		s.produce("orders", fmt.Sprintf("customer-%02d", i%20), fmt.Sprintf(`{"order":%d,"total":%d.50,"items":["snow","ice"],"id":12345678901234567890}`, i, i%90), kgo.RecordHeader{Key: "trace", Value: []byte(fmt.Sprint(i))})
		s.produce("clickstream", fmt.Sprint(i), fmt.Sprintf("GET /page/%d", i))
	}
	for i := range 90 {
		s.produce("payments", fmt.Sprint(i), fmt.Sprintf("payment %d", i))
	}
	s.produce("hostile", hostile, hostile, kgo.RecordHeader{Key: hostile, Value: []byte(hostile)})
	s.produce("hostile", "binary", "\x00\xff\xfe<b>")
	s.produce("hostile", "right-to-left", "abc\u202Etxt.exe")
	if err := s.client.Flush(s.Context()); err != nil {
		s.Fatal(err)
	}
	for _, group := range []string{"billing", hostile} {
		offsets := kadm.Offsets{}
		for p := range int32(6) {
			offsets.AddOffset("orders", p, 20, -1)
		}
		if _, err := s.admin.CommitOffsets(s.Context(), group, offsets); err != nil {
			s.Fatal(err)
		}
	}
}

func (s *stage) produce(topic, key, value string, headers ...kgo.RecordHeader) {
	s.client.Produce(s.Context(), &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value), Headers: headers}, func(_ *kgo.Record, err error) {
		if err != nil {
			s.Error(err)
		}
	})
}

// pages are all that there is to visit, with what must be seen there.
var pages = []struct {
	name, path string
	shows      []string
}{
	{"topics", "topics", []string{"orders", "clickstream", "12", "Stored"}},
	{"messages", "topic/orders", []string{"customer-", "messages; the last request looked at"}},
	{"hostile", "topic/hostile", []string{"<img src=x onerror=", `abc\u202etxt.exe`, "0x00fffe"}},
	{"partitions", "topic/orders/partitions", []string{"First offset", "Preferred instance"}},
	{"storage", "topic/orders/storage/1", []string{"segments/", "Not in the manifest yet", "Spans"}},
	{"settings", "topic/orders/settings", []string{"cleanup.policy", "retention.ms"}},
	{"groups", "groups", []string{"billing", "<img src=x", "empty"}},
	{"group", "group/billing", []string{"Committed", "orders", "Nobody is in the group."}},
	{"group-hostile", "group/" + strings.NewReplacer("/", "%2F", "<", "%3C", ">", "%3E", `"`, "%22", " ", "%20").Replace(hostile), []string{"<img src=x", "Committed"}},
	{"instances", "instances", []string{"Live", "north", "this one"}},
	{"cost", "cost", []string{"Replicated disks", "How this is reckoned", "$"}},
	{"absent", "topic/absent/partitions", []string{"There is no such topic", "Go back to the list"}},
}

func TestConsole_EveryPageWorksInABrowserAndIsAccessible(t *testing.T) {
	dir := *shots
	if dir == "" {
		dir = t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	axe, err := os.ReadFile(filepath.Join(harness.Cache(t), "axe", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v: run make test-ui", err)
	}
	s, b := newStage(t), newBrowser(t)
	root := "http://" + s.broker.HTTP
	b.look(1280, 860, "light")
	b.open(root + "/")
	b.shows("There are no topics")
	b.accessible(string(axe), "empty")
	b.shoot(dir, "empty")
	s.fill()
	groups := s.groups()
	for _, scheme := range []string{"light", "dark"} {
		for _, p := range pages {
			b.look(1280, 860, scheme)
			b.visit(root, p.path, p.shows)
			b.accessible(string(axe), scheme+" "+p.name)
			b.shoot(dir, p.name+"-"+scheme)
			if scheme == "dark" {
				b.look(400, 800, "light")
				b.fits(p.name)
				b.shoot(dir, p.name+"-narrow")
			}
			allowed := ""
			if p.name == "absent" {
				allowed = "404 (Not Found)"
			}
			b.quiet(p.name, allowed)
		}
	}
	if now := s.groups(); now != groups {
		t.Errorf("looking made groups: %s, before %s", now, groups)
	}
}

func TestConsole_SearchesByOffsetTimeKeyAndFollows(t *testing.T) {
	s, b := newStage(t), newBrowser(t)
	s.fill()
	groups := s.groups()
	b.look(1280, 860, "light")
	b.visit("http://"+s.broker.HTTP, "topic/orders", []string{"customer-"})
	set := func(id, value string) {
		t.Helper()
		b.eval(fmt.Sprintf(`(() => { const e = document.getElementById(%q); e.value = %q; e.dispatchEvent(new Event('input', {bubbles: true})); e.dispatchEvent(new Event('change', {bubbles: true})); })()`, id, value), nil)
	}
	search := func() { b.eval(`document.getElementById('search').click()`, nil) }
	set("from", "oldest")
	set("key", "customer-07")
	search()
	b.shows("30 messages")
	b.count(".messages li", 30)
	set("value", `"order":587,`)
	search()
	b.shows("1 message;", `"order":587`)
	b.eval(`document.querySelector('.messages summary').focus()`, nil) // open it with the keyboard
	b.press("Enter", 13, "\r")
	b.shows(`"id": 12345678901234567890`, "trace", "JSON")
	set("key", "0x637573746f6d65722d3037")
	search()
	b.shows("1 message;")
	set("key", "")
	set("value", "")
	set("partition", "2")
	set("from", "offset")
	set("offset", "3")
	search()
	b.shows("2:3\n")
	set("from", "time")
	set("time", "next week")
	search()
	b.shows("This is no time.")
	set("time", time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	search()
	b.shows("Nothing was found here.")
	set("time", "2020-01-01T00:00:00Z")
	search()
	b.shows("2:0\n")
	set("partition", "")
	b.eval(`document.getElementById('follow').click()`, nil)
	b.shows("50 messages")
	s.produce("orders", "late", `{"comes":"while somebody looks"}`)
	b.shows("while somebody looks")
	b.quiet("search", "")
	if now := s.groups(); now != groups {
		t.Errorf("looking made groups: %s, before %s", now, groups)
	}
}

func TestConsole_TheKeyboardReachesEverythingAndTheFocusIsSeen(t *testing.T) {
	s, b := newStage(t), newBrowser(t)
	s.fill()
	b.look(1280, 860, "light")
	b.visit("http://"+s.broker.HTTP, "topics", []string{"orders"})
	b.eval(`document.getElementById('live').click()`, nil)
	b.eval(`document.activeElement.blur()`, nil)
	var seen []string
	for range 30 {
		b.press("Tab", 9, "")
		var at struct{ Name, Outline string }
		b.eval(`(() => { const e = document.activeElement, s = getComputedStyle(e); return {name: e.textContent.trim().slice(0, 20) || e.id, outline: s.outlineStyle + ' ' + s.outlineWidth}; })()`, &at)
		if !strings.Contains(at.Outline, "solid 3px") && at.Name != "" && !strings.HasPrefix(at.Name, "Skip") && len(seen) < 12 {
			t.Errorf("focus on %q is not seen: %s", at.Name, at.Outline)
		}
		if at.Name == "orders" {
			b.press("Enter", 13, "\r")
			b.shows("Key is", "customer-")
			return
		}
		seen = append(seen, at.Name)
	}
	t.Errorf("Tab does not come to the topic: %q", seen)
}

func TestConsole_CanBeTurnedOff(t *testing.T) {
	b := harness.StartDev(t, t.TempDir(), "--console=false")
	for _, path := range []string{"/", "/console/", "/console/api/topics"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+b.HTTP+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html,*/*")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

func (s *stage) groups() string {
	s.Helper()
	all, err := s.admin.ListGroups(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return strings.Join(all.Groups(), " ")
}

func (b *browser) visit(root, path string, shows []string) {
	b.Helper()
	b.open(root + "/console/#/" + path)
	b.shows(shows...)
	var title string
	if b.eval("document.title", &title); !strings.HasSuffix(title, "· firnlog") {
		b.Errorf("%s: title %q", path, title)
	}
}

// accessible asks axe-core: labels, roles, contrast, order of headings.
func (b *browser) accessible(axe, where string) {
	b.Helper()
	b.quiet(where, "404 (Not Found)") // axe itself is no part of the page
	b.eval(axe+"; 0", nil)
	var found []struct {
		ID, Help string
		Nodes    []struct{ HTML, FailureSummary string }
	}
	b.eval(`axe.run(document, {resultTypes: ['violations']}).then((r) => r.violations.map((v) => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map((n) => ({html: n.html, failureSummary: n.failureSummary}))})))`, &found)
	for _, v := range found {
		b.Errorf("%s: %s: %s: %v", where, v.ID, v.Help, v.Nodes)
	}
	b.complaints()
}

// fits says that nothing but tables reaches beyond a narrow screen.
func (b *browser) fits(where string) {
	b.Helper()
	var wide int
	if b.eval("document.documentElement.scrollWidth", &wide); wide > 400 {
		b.Errorf("%s is %d px wide on a screen of 400", where, wide)
	}
}

func (b *browser) count(selector string, want int) {
	b.Helper()
	var got int
	if b.eval(fmt.Sprintf("document.querySelectorAll(%q).length", selector), &got); got != want {
		b.Errorf("%s: %d, want %d", selector, got, want)
	}
}

// quiet says that no script failed, nothing was blocked, and nothing but what is allowed was complained about.
func (b *browser) quiet(where, allowed string) {
	b.Helper()
	for _, c := range b.complaints() {
		if allowed == "" || !strings.Contains(c, allowed) {
			b.Errorf("%s: %s", where, c)
		}
	}
	var foreign int
	b.eval(`document.querySelectorAll('main img, main script, main iframe, [onerror], [onload], main style').length`, &foreign)
	if foreign > 0 {
		b.Errorf("%s: %d elements that came from a record", where, foreign)
	}
}
