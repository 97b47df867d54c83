package rest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// handler serves one route. The answer may be nil after call.begun was set.
type handler func(c *call) (*answer, error)

// route is one row of the table.
type route struct {
	method  string
	path    string // {name} stands for one segment, which may be escaped
	speaks  dialect
	needs   []need // who may send it
	handle  handler
	summary string
	carries bool // records: written or read

	segments []string
}

// dialect is which conventions a route follows: media types, and codes where they differ.
type dialect int

const (
	v2       dialect = iota // application/vnd.kafka.v2+json
	v2Write                 // takes records in an embedded format
	v2Read                  // gives records in an embedded format
	v3                      // application/json
	v3Stream                // reads its body itself
	plain                   // anything
)

// compile takes the patterns apart.
func compile(routes []route) []route {
	for i := range routes {
		routes[i].segments = split(routes[i].path)
		switch routes[i].speaks {
		case v2Write, v2Read, v3Stream:
			routes[i].carries = true
		}
	}
	return routes
}

func split(path string) []string {
	return strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), "/")
}

// match finds the route of a request. Without one, allow lists the methods that its path has, if any.
func match(routes []route, method, escapedPath string) (found *route, params map[string]string, allow []string) {
	segments := split(escapedPath)
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for i := range routes {
		values, ok := routes[i].values(segments)
		switch {
		case !ok:
		case routes[i].method == method:
			return &routes[i], values, nil
		default:
			allow = append(allow, routes[i].method)
			if routes[i].method == http.MethodGet {
				allow = append(allow, http.MethodHead)
			}
		}
	}
	if len(allow) > 0 {
		allow = append(allow, http.MethodOptions)
		slices.Sort(allow)
		allow = slices.Compact(allow)
	}
	return nil, nil, allow
}

// values gives the parameters of a path that fits.
func (r *route) values(segments []string) (map[string]string, bool) {
	if len(segments) != len(r.segments) {
		return nil, false
	}
	params := map[string]string{}
	for i, want := range r.segments {
		if !strings.HasPrefix(want, "{") {
			if got, err := url.PathUnescape(segments[i]); err != nil || got != want {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(segments[i])
		if err != nil || value == "" {
			return nil, false
		}
		params[strings.Trim(want, "{}")] = value
	}
	return params, true
}
