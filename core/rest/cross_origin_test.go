package rest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/firnlog/firnlog/core/auth"
)

// proves is an Authenticator that takes everybody for somebody who has proven it in one way.
type proves string

func (p proves) Authenticate(*http.Request) (*auth.Identity, error) {
	return &auth.Identity{Principal: auth.User("alice"), Mechanism: string(p)}, nil
}

func (proves) Challenge() []string { return nil }

func TestCrossOrigin_APageOfAnotherSiteChangesNothingWithWhatTheBrowserRemembers(t *testing.T) {
	for _, who := range []struct {
		name    string
		door    Authenticator
		anyone  bool // also pages of other sites
		outside bool // a function: the platform says which sites may
	}{
		{"a password", proves(auth.Plain), false, false}, {"a certificate", proves(auth.Certificate), false, false}, {"a token", proves(auth.OAuthBearer), true, false},
		{"IAM", proves(auth.IAM), true, false}, {"nobody asked", nil, false, false}, {"nobody asked by a function", nil, true, true}, {"a password for a function", proves(auth.Plain), false, true},
	} {
		a := newAPI(t, func(s *Settings, b *Backend) {
			s.SameSite, b.Authenticator = !who.outside, who.door
		})
		a.topic("t", 1)
		for _, c := range []struct {
			what, method, path string
			headers            []string
			elsewhere          bool
		}{
			{"a program", "POST", "/producers", nil, false},
			{"a form of another site", "POST", "/producers", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, true},
			{"a site below the same name", "POST", "/producers", []string{"Sec-Fetch-Site", "same-site"}, true},
			{"an older browser", "POST", "/producers", []string{"Origin", "https://evil.example"}, true},
			{"a page without an origin", "POST", "/producers", []string{"Origin", "null"}, true},
			{"deleting", "DELETE", "/consumers/g/instances/c", []string{"Origin", "https://evil.example"}, true},
			{"our own page", "POST", "/producers", []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://firnlog.example"}, false},
			{"our own page, in an older browser", "POST", "/producers", []string{"Origin", "http://firnlog.example"}, false},
			{"a link", "GET", "/topics", []string{"Sec-Fetch-Site", "cross-site"}, false},
		} {
			r := httptest.NewRequestWithContext(t.Context(), c.method, "http://firnlog.example"+c.path, http.NoBody)
			for i := 0; i < len(c.headers); i += 2 {
				r.Header.Set(c.headers[i], c.headers[i+1])
			}
			w := httptest.NewRecorder()
			a.server.ServeHTTP(w, r)
			if refused := w.Code == http.StatusForbidden; refused != (c.elsewhere && !who.anyone) {
				t.Errorf("%s with %s: %d %s", c.what, who.name, w.Code, w.Body)
			}
		}
	}
}
