package wire

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/acl"
	"github.com/firnlog/firnlog/core/auth"
)

// ACLs are the rules of who may what; *acl.ACLs is it.
type ACLs interface {
	List(ctx context.Context, f acl.Filter) ([]acl.Binding, error)
	Create(ctx context.Context, list []acl.Binding) []error
	Delete(ctx context.Context, filters []acl.Filter) []acl.Deleted
}

var errNoACLs = errors.New("there are no ACLs here: nobody is asked who they are, or --acls is off")

// aclCodes are the rows of the table of errors that are about ACLs.
func aclCodes() []errorCode {
	return []errorCode{
		{errNoACLs, kerr.SecurityDisabled},
		{acl.ErrInvalid, kerr.InvalidRequest},
		{acl.ErrTooMany, kerr.PolicyViolation},
		{acl.ErrUnavailable, kerr.NotController},
		{acl.ErrNoCluster, kerr.NotController},
		{acl.ErrUnknown, kerr.RequestTimedOut},
	}
}

// mayACLs says whether ACLs are there, and the caller may see or change them.
func (s *Server) mayACLs(ctx context.Context, c *caller) error {
	if s.guards.ACLs == nil {
		return errNoACLs
	}
	return c.mayCluster(ctx)
}

// DescribeAcls (key 29), versions 1-3.
//
//	v1  pattern types
//	v2  flexible
//	v3  resource type USER
func (s *Server) describeACLs(ctx context.Context, c *caller, req *kmsg.DescribeACLsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeACLsResponse()
	resp.Version = req.Version
	err := s.mayACLs(ctx, c)
	var found []acl.Binding
	if err == nil {
		found, err = s.guards.ACLs.List(ctx, acl.Filter{
			Type: auth.ResourceType(req.ResourceType), Name: req.ResourceName, Pattern: acl.Pattern(req.ResourcePatternType), Principal: req.Principal,
			Host: req.Host, Operation: auth.Operation(req.Operation), Permission: acl.Permission(req.PermissionType),
		})
	}
	resp.ErrorCode, resp.ErrorMessage = s.code(err), message(err)
	at := map[acl.Binding]int{} // of resources in the answer, by their part of an ACL
	for _, b := range found {
		key := acl.Binding{Type: b.Type, Name: b.Name, Pattern: b.Pattern}
		n, has := at[key]
		if !has {
			n = len(resp.Resources)
			at[key] = n
			r := kmsg.NewDescribeACLsResponseResource()
			r.ResourceType, r.ResourceName, r.ResourcePatternType = kmsg.ACLResourceType(b.Type), b.Name, kmsg.ACLResourcePatternType(b.Pattern)
			resp.Resources = append(resp.Resources, r)
		}
		one := kmsg.NewDescribeACLsResponseResourceACL()
		one.Principal, one.Host, one.Operation, one.PermissionType = b.Principal, b.Host, kmsg.ACLOperation(b.Operation), kmsg.ACLPermissionType(b.Permission)
		resp.Resources[n].ACLs = append(resp.Resources[n].ACLs, one)
	}
	return resp, nil
}

// CreateAcls (key 30), versions 1-3, as DescribeAcls. Each is judged for itself; one that is there already is none that is wrong.
func (s *Server) createACLs(ctx context.Context, c *caller, req *kmsg.CreateACLsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrCreateACLsResponse()
	resp.Version = req.Version
	list := make([]acl.Binding, len(req.Creations))
	for i, r := range req.Creations {
		list[i] = acl.Binding{
			Type: auth.ResourceType(r.ResourceType), Name: r.ResourceName, Pattern: acl.Pattern(r.ResourcePatternType), Principal: r.Principal, Host: r.Host,
			Operation: auth.Operation(r.Operation), Permission: acl.Permission(r.PermissionType),
		}
	}
	refused := s.mayACLs(ctx, c)
	errs := make([]error, len(list))
	if refused == nil {
		errs = s.guards.ACLs.Create(ctx, list)
	}
	for _, err := range errs {
		if refused != nil {
			err = refused
		}
		one := kmsg.NewCreateACLsResponseResult()
		one.ErrorCode, one.ErrorMessage = s.code(err), message(err)
		resp.Results = append(resp.Results, one)
	}
	return resp, nil
}

// DeleteAcls (key 31), versions 1-3, as DescribeAcls.
func (s *Server) deleteACLs(ctx context.Context, c *caller, req *kmsg.DeleteACLsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDeleteACLsResponse()
	resp.Version = req.Version
	filters := make([]acl.Filter, len(req.Filters))
	for i, f := range req.Filters {
		filters[i] = acl.Filter{
			Type: auth.ResourceType(f.ResourceType), Name: f.ResourceName, Pattern: acl.Pattern(f.ResourcePatternType), Principal: f.Principal, Host: f.Host,
			Operation: auth.Operation(f.Operation), Permission: acl.Permission(f.PermissionType),
		}
	}
	gone := make([]acl.Deleted, len(filters))
	if err := s.mayACLs(ctx, c); err != nil {
		for i := range gone {
			gone[i].Err = err
		}
	} else {
		gone = s.guards.ACLs.Delete(ctx, filters)
	}
	for _, d := range gone {
		one := kmsg.NewDeleteACLsResponseResult()
		one.ErrorCode, one.ErrorMessage = s.code(d.Err), message(d.Err)
		for _, b := range d.Bindings {
			m := kmsg.NewDeleteACLsResponseResultMatchingACL()
			m.ResourceType, m.ResourceName, m.ResourcePatternType = kmsg.ACLResourceType(b.Type), b.Name, kmsg.ACLResourcePatternType(b.Pattern)
			m.Principal, m.Host, m.Operation, m.PermissionType = b.Principal, b.Host, kmsg.ACLOperation(b.Operation), kmsg.ACLPermissionType(b.Permission)
			one.MatchingACLs = append(one.MatchingACLs, m)
		}
		resp.Results = append(resp.Results, one)
	}
	return resp, nil
}
