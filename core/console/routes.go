package console

import (
	"context"
	"net/url"
	"strings"

	"github.com/firnlog/firnlog/core/auth"
)

// route is one row of the API. Its needs are what a caller must be allowed: an empty list is everybody who comes in.
type route struct {
	path   string // below api/; {name} stands for one segment
	needs  []need
	handle func(c *call) (any, error)
}

// need is an operation on the cluster, or on the topic that the path names or that a list is filtered by.
type need struct {
	on auth.ResourceType
	op auth.Operation
}

func (s *Server) table() []route {
	seeTopic, seeCluster := need{auth.ResourceTopic, auth.OperationDescribe}, need{auth.ResourceCluster, auth.OperationDescribe}
	read := need{auth.ResourceTopic, auth.OperationRead}
	return []route{
		{"cluster", []need{}, s.cluster},
		{"topics", []need{seeTopic}, s.topics},
		{"topics/{topic}", []need{seeTopic}, s.topic},
		{"topics/{topic}/messages", []need{read}, s.messages},
		{"topics/{topic}/partitions/{partition}/storage", []need{seeTopic, seeCluster}, s.storage},
		{"instances", []need{seeCluster}, s.instances},
		{"cost", []need{seeTopic, seeCluster}, s.cost},
	}
}

// match finds the route of a path.
func match(routes []route, escaped string) (*route, map[string]string) {
	got := strings.Split(escaped, "/")
	for i := range routes {
		want := strings.Split(routes[i].path, "/")
		if len(want) != len(got) {
			continue
		}
		params, fits := map[string]string{}, true
		for j, w := range want {
			value, err := url.PathUnescape(got[j])
			if strings.HasPrefix(w, "{") {
				params[strings.Trim(w, "{}")] = value
				fits = fits && err == nil && value != ""
			} else {
				fits = fits && value == w
			}
		}
		if fits {
			return &routes[i], params
		}
	}
	return nil, nil
}

// may asks the authorizer; without one everybody may do everything.
func (s *Server) may(ctx context.Context, op auth.Operation, on auth.Resource) bool {
	return s.backend.Authorizer == nil || auth.Ask(ctx, s.backend.Authorizer, op, on)
}

// mayTopic asks for all that the row says of topics. A row that says nothing of them is refused.
func (s *Server) mayTopic(c *call, name string) error {
	return s.mayAll(c, auth.Resource{Type: auth.ResourceTopic, Name: name})
}

// showsTopic is mayTopic where a list leaves out what may not be seen.
func (s *Server) showsTopic(c *call, name string) bool {
	aside := *c
	aside.ctx = auth.Aside(c.ctx)
	return s.mayTopic(&aside, name) == nil
}

func (s *Server) mayCluster(c *call) error {
	return s.mayAll(c, auth.Resource{Type: auth.ResourceCluster, Name: auth.ClusterName})
}

func (s *Server) mayAll(c *call, on auth.Resource) error {
	asked := false
	for _, n := range c.route.needs {
		if n.on != on.Type {
			continue
		}
		if !s.may(c.ctx, n.op, on) {
			return errForbidden
		}
		asked = true
	}
	if !asked {
		return errForbidden
	}
	return nil
}
