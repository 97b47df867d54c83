package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/firnlog/firnlog/core/acl"
	"github.com/firnlog/firnlog/core/auth"
)

// ACLs of version 3: list, create one or several, delete what parameters mean.

// ACLs are the rules of who may what; *acl.ACLs is it.
type ACLs interface {
	List(ctx context.Context, f acl.Filter) ([]acl.Binding, error)
	Create(ctx context.Context, list []acl.Binding) []error
	Delete(ctx context.Context, filters []acl.Filter) []acl.Deleted
}

var errNoACLs = errors.New("there are no ACLs here: nobody is asked who they are, or --acls is off")

type aclJSON struct {
	Kind     string       `json:"kind"`
	Metadata metadataJSON `json:"metadata"`
	Cluster  string       `json:"cluster_id"`
	aclBody
}

// aclBody is an ACL as a request brings it.
type aclBody struct {
	Type       string `json:"resource_type"`
	Name       string `json:"resource_name"`
	Pattern    string `json:"pattern_type"`
	Principal  string `json:"principal"`
	Host       string `json:"host"`
	Operation  string `json:"operation"`
	Permission string `json:"permission"`
}

// binding reads the words; acl.Binding.Check judges the rest.
func (b *aclBody) binding() (out acl.Binding, err error) {
	out = acl.Binding{Name: b.Name, Principal: b.Principal, Host: b.Host}
	if out.Type, err = word("resource_type", b.Type, acl.ParseType); err != nil {
		return out, err
	}
	if out.Pattern, err = word("pattern_type", b.Pattern, acl.ParsePattern); err != nil {
		return out, err
	}
	if out.Operation, err = word("operation", b.Operation, acl.ParseOperation); err != nil {
		return out, err
	}
	out.Permission, err = word("permission", b.Permission, acl.ParsePermission)
	return out, err
}

// word reads one of Kafka's words, in capitals or not.
func word[T any](name, text string, parse func(string) (T, bool)) (T, error) {
	v, known := parse(strings.ToUpper(text))
	if !known {
		return v, fmt.Errorf("%w: %s %q is not known", acl.ErrInvalid, name, cut(text))
	}
	return v, nil
}

// mayACLs gives the cluster of the path, if ACLs are there and the caller may see or change them.
func (s *Server) mayACLs(c *call) (link, error) {
	if err := s.mayCluster(c); err != nil {
		return link{}, err
	}
	if s.backend.ACLs == nil {
		return link{}, errNoACLs
	}
	return s.cluster3(c)
}

func (s *Server) aclsOf(l link, list []acl.Binding) []aclJSON {
	out := []aclJSON{}
	for _, b := range list {
		out = append(out, aclJSON{"KafkaAcl", l.to("acls", "", "").metadata(), s.backend.Topics.ClusterID(), aclBody{
			acl.TypeName(b.Type), b.Name, acl.PatternName(b.Pattern), b.Principal, b.Host, acl.OperationName(b.Operation), acl.PermissionName(b.Permission),
		}})
	}
	return out
}

// filter reads the parameters of the query. Those that are missing mean every ACL, but for those that must be there.
func (c *call) filter(must ...string) (acl.Filter, error) {
	f, q := acl.Everything(), c.query()
	for _, name := range must {
		if !q.Has(name) {
			return f, fmt.Errorf("%w: %s is missing (ANY is every one)", acl.ErrInvalid, name)
		}
	}
	text := func(name string) *string {
		if !q.Has(name) {
			return nil
		}
		v := q.Get(name)
		return &v
	}
	f.Name, f.Principal, f.Host = text("resource_name"), text("principal"), text("host")
	var errs [4]error
	if q.Has("resource_type") {
		f.Type, errs[0] = word("resource_type", q.Get("resource_type"), acl.ParseType)
	}
	if q.Has("pattern_type") {
		f.Pattern, errs[1] = word("pattern_type", q.Get("pattern_type"), acl.ParsePattern)
	}
	if q.Has("operation") {
		f.Operation, errs[2] = word("operation", q.Get("operation"), acl.ParseOperation)
	}
	if q.Has("permission") {
		f.Permission, errs[3] = word("permission", q.Get("permission"), acl.ParsePermission)
	}
	return f, errors.Join(errs[:]...)
}

func (s *Server) listACLs(c *call) (*answer, error) {
	l, err := s.mayACLs(c)
	if err != nil {
		return nil, err
	}
	f, err := c.filter()
	if err != nil {
		return nil, err
	}
	found, err := s.backend.ACLs.List(c.ctx, f)
	if err != nil {
		return nil, err
	}
	return listOf("KafkaAclList", l.to("acls", "", ""), s.aclsOf(l, found))
}

func (s *Server) createACL(c *call) (*answer, error) {
	l, err := s.mayACLs(c)
	if err != nil {
		return nil, err
	}
	var body aclBody
	if err := s.decode(c, &body, false); err != nil {
		return nil, err
	}
	if err := s.makeACLs(c.ctx, []aclBody{body}); err != nil {
		return nil, err
	}
	c.w.Header().Set("Location", l.to("acls", "", "").url())
	return &answer{status: http.StatusCreated}, nil
}

func (s *Server) createACLs(c *call) (*answer, error) {
	if _, err := s.mayACLs(c); err != nil {
		return nil, err
	}
	var body struct {
		Data []aclBody `json:"data"`
	}
	if err := s.decode(c, &body, false); err != nil {
		return nil, err
	}
	switch {
	case len(body.Data) == 0:
		return nil, c.malformed("data: there are no ACLs")
	case len(body.Data) > s.settings.BatchEntriesMax:
		return nil, failf(413, 413, "data: %d ACLs, at most %d", len(body.Data), s.settings.BatchEntriesMax)
	}
	if err := s.makeACLs(c.ctx, body.Data); err != nil {
		return nil, err
	}
	return &answer{status: http.StatusCreated}, nil
}

// makeACLs makes none if one of them is wrong.
func (s *Server) makeACLs(ctx context.Context, bodies []aclBody) error {
	list := make([]acl.Binding, len(bodies))
	for i := range bodies {
		b, err := bodies[i].binding()
		if err == nil {
			err = b.Check()
		}
		if err != nil {
			return at(err, "ACL %d", i)
		}
		list[i] = b
	}
	return errors.Join(s.backend.ACLs.Create(ctx, list)...)
}

// deleteACLs deletes what the parameters mean. Whoever leaves out one that says much would delete more than was meant.
func (s *Server) deleteACLs(c *call) (*answer, error) {
	l, err := s.mayACLs(c)
	if err != nil {
		return nil, err
	}
	f, err := c.filter("resource_type", "pattern_type", "operation", "permission")
	if err != nil {
		return nil, err
	}
	gone := s.backend.ACLs.Delete(c.ctx, []acl.Filter{f})[0]
	if gone.Err != nil {
		return nil, gone.Err
	}
	return ok(struct {
		Data []aclJSON `json:"data"`
	}{s.aclsOf(l, gone.Bindings)})
}

// aclCodes are the rows of the table of errors that are about ACLs.
func aclCodes() []row {
	return []row{
		{errNoACLs, http.StatusBadRequest, codeBadRequestV3, 0},
		{acl.ErrInvalid, 400, codeBadRequestV3, 0},
		{acl.ErrTooMany, http.StatusUnprocessableEntity, 422, 0},
		{acl.ErrUnavailable, http.StatusServiceUnavailable, codeRetriable, 0},
		{acl.ErrNoCluster, http.StatusServiceUnavailable, codeRetriable, 0},
		{acl.ErrUnknown, http.StatusServiceUnavailable, codeRetriable, 0},
	}
}

// someTopicWrite is what an idempotent producer needs, if it has no right of its own (KIP-679).
func (s *Server) someTopicWrite(c *call) error {
	if s.mayCluster(c.aside()) == nil || s.maySome(c.ctx, auth.OperationWrite, auth.ResourceTopic) {
		return nil
	}
	return s.mayCluster(c) // which is told of now
}
