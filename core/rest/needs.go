package rest

import (
	"context"

	"github.com/firnlog/firnlog/core/auth"
)

// need is a resource that a route names, with what is done to it. The table of routes has the needs of each: of two of one type
// the first is that of call.may, the others are asked for by name (mayAlso). What a route does not have is refused, and so is a route
// without any, which may only be meant for everybody who comes in if it says so (everybody).
type need struct {
	on auth.ResourceType
	op auth.Operation
}

// everybody may send it.
func everybody() []need { return []need{} }

// mayCall asks for what the route's row says of resources of a type.
func (s *Server) mayCall(c *call, on auth.ResourceType, name string) error {
	for _, n := range c.route.needs {
		if n.on == on {
			return s.ask(c.ctx, n, name)
		}
	}
	return errForbidden
}

// mayAlso asks for a need that is not the first of its type.
func (s *Server) mayAlso(c *call, op auth.Operation, on auth.ResourceType, name string) error {
	for _, n := range c.route.needs {
		if n == (need{on, op}) {
			return s.ask(c.ctx, n, name)
		}
	}
	return errForbidden
}

func (s *Server) ask(ctx context.Context, n need, name string) error {
	if s.may(ctx, n.op, auth.Resource{Type: n.on, Name: name}) {
		return nil
	}
	return errForbidden
}

// mayTopic is mayCall of a topic. It is asked before the topic is looked for, so that an answer tells nobody what is there who may not know.
func (s *Server) mayTopic(c *call, name string) error {
	return s.mayCall(c, auth.ResourceTopic, name)
}

// aside is the call where something is only left out of an answer.
func (c *call) aside() *call {
	out := *c
	out.ctx = auth.Aside(c.ctx)
	return &out
}

// showsTopic is mayTopic where a list leaves out what may not be seen.
func (s *Server) showsTopic(c *call, name string) bool { return s.mayTopic(c.aside(), name) == nil }

// mayGroup is mayCall of a group.
func (s *Server) mayGroup(c *call, name string) error {
	return s.mayCall(c, auth.ResourceGroup, name)
}

// mayCluster is mayCall of the one resource of its type.
func (s *Server) mayCluster(c *call) error {
	return s.mayCall(c, auth.ResourceCluster, auth.ClusterName)
}

// mayCreate says whether a topic of this name may be made.
func (s *Server) mayCreate(c *call, name string) error {
	if s.mayAlso(c.aside(), auth.OperationCreate, auth.ResourceCluster, auth.ClusterName) == nil {
		return nil
	}
	return s.mayAlso(c, auth.OperationCreate, auth.ResourceTopic, name)
}

// maySome asks the authorizer for any resource of a type.
func (s *Server) maySome(ctx context.Context, op auth.Operation, on auth.ResourceType) bool {
	return s.backend.Authorizer == nil || auth.AskSome(ctx, s.backend.Authorizer, op, on)
}
