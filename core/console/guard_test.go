package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/firnlog/firnlog/core/auth"
)

// ask sends a row of the table with a name in each place; the name is blotted out of the answer.
func (s *stage) ask(r *route, name string) (int, string) {
	s.Helper()
	path := strings.NewReplacer("{topic}", name, "{partition}", "0").Replace(r.path)
	resp, text := s.get("api/" + path)
	return resp.StatusCode, strings.ReplaceAll(text, name, "NAME")
}

func TestWalk_WhoMayDoNothingLearnsNothing(t *testing.T) {
	s := guarded(t)
	s.fill("secret", 1, 3)
	for i := range s.server.routes {
		r := &s.server.routes[i]
		status, got := s.ask(r, "secret")
		other, want := s.ask(r, "absent")
		switch {
		case r.path == "cluster": // tells the time
		case status != other || got != want:
			t.Errorf("%s: what is there is answered %d %s, what is not %d %s", r.path, status, got, other, want)
		case r.path == "topics" && got != `{"topics":[]}`, r.path != "topics" && status != http.StatusForbidden:
			t.Errorf("%s: %d %s", r.path, status, got)
		}
		if r.needs == nil {
			t.Errorf("%s does not say what it needs", r.path)
		}
	}
}

func TestWalk_EachNeedOfARowIsAskedFor(t *testing.T) {
	for i := range (&Server{}).table() {
		s := guarded(t)
		s.fill("secret", 1, 3)
		r := &s.server.routes[i]
		for j, n := range r.needs {
			status, text := s.ask(r, "secret")
			if status == http.StatusOK && strings.Contains(text, "NAME") {
				t.Errorf("%s: %d %s with %d of %v", r.path, status, text, j, r.needs)
			}
			name := "secret"
			if n.on == auth.ResourceCluster {
				name = auth.ClusterName
			}
			s.grant(n.on, name, n.op)
		}
		if status, text := s.ask(r, "secret"); status != http.StatusOK {
			t.Errorf("%s: %d %s with all of %v", r.path, status, text, r.needs)
		}
	}
}

func TestWalk_ARowThatSaysNothingIsRefused(t *testing.T) {
	s := newStage(t)
	s.server.routes[1].needs = nil
	if resp, text := s.get("api/topics"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("%s %s", resp.Status, text)
	}
}

// closed lets nobody in.
type closed struct{}

func (closed) Authenticate(*http.Request) (*auth.Identity, error) { return nil, auth.ErrDenied }
func (closed) Challenge() []string                                { return []string{`Basic realm="firnlog"`} }

func TestServe_NothingIsShownBeforeWhoAsksIsKnown(t *testing.T) {
	s := newStage(t, func(b *Backend) { b.Authenticator = closed{} })
	for _, path := range []string{"", "app.js", "api/topics", "api/cluster", "nothing"} {
		resp, text := s.get(path)
		if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" || strings.Contains(text, "firnlog") && !strings.Contains(text, "firnlog user add") {
			t.Errorf("%s: %s %s", path, resp.Status, text)
		}
	}
}

func TestServe_EveryAnswerForbidsTheBrowserAllButThePage(t *testing.T) {
	s := newStage(t)
	for _, path := range []string{"", "app.js", "style.css", "icon.svg", "api/topics", "api/nothing", "nothing"} {
		resp, _ := s.get(path)
		csp := resp.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(csp, want) || strings.Contains(csp, "unsafe") {
				t.Errorf("%s: policy %q lacks %s", path, csp, want)
			}
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %v", path, resp.Header)
		}
		if kind := resp.Header.Get("Content-Type"); strings.HasPrefix(path, "api/") && kind != "application/json" {
			t.Errorf("%s: %s", path, kind)
		}
	}
}

func TestServe_ReadsOnly(t *testing.T) {
	s := newStage(t)
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		w := httptest.NewRecorder()
		s.server.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, Root+"api/topics", nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

func TestAssets_HaveNothingInlineAndNothingFromElsewhere(t *testing.T) {
	files, err := embedded()
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	inline := regexp.MustCompile(`<style|\sstyle="|\son\w+="|<script(>| type="module">)|javascript:`)
	unsafe := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|createContextualFragment|setHTML`)
	elsewhere := regexp.MustCompile(`(src|href)="?(https?:)?//|@import|url\(|from 'http|import\('http`)
	for name, f := range files {
		if m := inline.FindString(f.body); strings.HasSuffix(name, ".html") && m != "" {
			t.Errorf("%s has %q", name, m)
		}
		if m := unsafe.FindString(f.body); m != "" {
			t.Errorf("%s has %q", name, m)
		}
		if m := elsewhere.FindString(f.body); m != "" {
			t.Errorf("%s has %q", name, m)
		}
		if f.kind == "" {
			t.Errorf("%s has no type", name)
		}
	}
}

func TestWantsPage_IsForBrowsersAlone(t *testing.T) {
	for _, c := range []struct {
		method, path, accept string
		want                 bool
	}{
		{"GET", "/", "text/html,application/xhtml+xml,*/*;q=0.8", true},
		{"HEAD", "/", "text/html", true},
		{"GET", "/", "*/*", false},
		{"GET", "/", "", false},
		{"GET", "/", "application/json", false},
		{"POST", "/", "text/html", false},
		{"GET", "/topics", "text/html", false},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil)
		r.Header.Set("Accept", c.accept)
		if got := WantsPage(r); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestFailure_OfAnUnknownErrorTellsNothing(t *testing.T) {
	f := failureOf(errors.New("secret of the inside"))
	if f.status != 500 || strings.Contains(f.message+f.hint, "secret") {
		t.Errorf("%+v", f)
	}
}

func TestAnswered_TellsOfEachRequestByItsRoute(t *testing.T) {
	var mu sync.Mutex
	var told []string
	s := newStage(t, func(b *Backend) {
		b.Answered = func(a Answered) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprint(a.Route, " ", a.Method, " ", a.Status, " ", a.BytesOut > 0))
		}
	})
	for _, c := range []struct{ method, path string }{{"GET", "api/topics"}, {"GET", "api/topics/none"}, {"GET", ""}, {"HEAD", ""}, {"GET", "api/made/up"}, {"POST", "api/topics"}} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, Root+c.path, http.NoBody)
		s.server.ServeHTTP(httptest.NewRecorder(), r)
	}
	want := []string{"console/api/topics GET 200 true", "console/api/topics/{topic} GET 404 true", "console GET 200 true", "console GET 200 false", "console GET 404 true", "console other 405 true"}
	if !slices.Equal(told, want) {
		t.Errorf("told of %q, want %q", told, want)
	}
}
