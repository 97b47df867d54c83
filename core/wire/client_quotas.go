package wire

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/quota"
)

var errNoQuotas = errors.New("there are no quotas here")

// quotaCodes are the rows of the table of errors that are about quotas.
func quotaCodes() []errorCode {
	return []errorCode{
		{errNoQuotas, kerr.UnsupportedVersion},
		{quota.ErrUnknownType, kerr.UnsupportedVersion}, // as Kafka says it
		{quota.ErrInvalid, kerr.InvalidRequest},
		{quota.ErrTooMany, kerr.PolicyViolation},
		{quota.ErrUnavailable, kerr.NotController},
		{quota.ErrNoCluster, kerr.NotController},
		{quota.ErrUnknown, kerr.RequestTimedOut},
	}
}

func (s *Server) mayQuotas(ctx context.Context, c *caller) error {
	if err := c.mayCluster(ctx); err != nil {
		return err
	}
	if s.guards.Quotas == nil {
		return errNoQuotas
	}
	return nil
}

// DescribeClientQuotas (key 48), versions 0-1.
//
//	v1  flexible
func (s *Server) describeClientQuotas(ctx context.Context, c *caller, req *kmsg.DescribeClientQuotasRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeClientQuotasResponse()
	resp.Version = req.Version
	f := quota.Filter{Strict: req.Strict}
	for _, m := range req.Components {
		f.Components = append(f.Components, quota.Component{Type: m.EntityType, Match: quota.Match(m.MatchType), Name: m.Match})
	}
	err := s.mayQuotas(ctx, c)
	var found []quota.Quota
	if err == nil {
		found, err = s.guards.Quotas.List(ctx, f)
	}
	if resp.ErrorCode, resp.ErrorMessage = s.code(err), message(err); err != nil {
		return resp, nil // entries are null
	}
	resp.Entries = []kmsg.DescribeClientQuotasResponseEntry{}
	for _, q := range found {
		entry := kmsg.NewDescribeClientQuotasResponseEntry()
		sides := q.Sides()
		for _, kind := range slices.Sorted(maps.Keys(sides)) {
			side := kmsg.NewDescribeClientQuotasResponseEntryEntity()
			side.Type = kind
			side.Name, _ = sides[kind].Name()
			entry.Entity = append(entry.Entity, side)
		}
		for _, key := range slices.Sorted(maps.Keys(q.Limits)) {
			value := kmsg.NewDescribeClientQuotasResponseEntryValue()
			value.Key, value.Value = key, q.Limits[key]
			entry.Values = append(entry.Values, value)
		}
		resp.Entries = append(resp.Entries, entry)
	}
	return resp, nil
}

// AlterClientQuotas (key 49), versions 0-1. The changes of one entity are made together; entities, each for itself.
//
//	v1  flexible
func (s *Server) alterClientQuotas(ctx context.Context, c *caller, req *kmsg.AlterClientQuotasRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrAlterClientQuotasResponse()
	resp.Version = req.Version
	refused := s.mayQuotas(ctx, c)
	seen := map[quota.Entity]bool{}
	for i := range req.Entries {
		asked := &req.Entries[i]
		entity, err := entityOf(asked)
		if err == nil && seen[entity] {
			err = errTwice
		}
		seen[entity] = true
		if refused != nil {
			err = refused
		}
		if err == nil {
			ops := make([]quota.Op, len(asked.Ops))
			for k, op := range asked.Ops {
				ops[k] = quota.Op{Key: op.Key, Value: op.Value, Remove: op.Remove}
			}
			err = s.guards.Quotas.Alter(ctx, entity, ops, req.ValidateOnly)
		}
		out := kmsg.NewAlterClientQuotasResponseEntry()
		out.ErrorCode, out.ErrorMessage = s.code(err), message(err)
		for _, side := range asked.Entity {
			one := kmsg.NewAlterClientQuotasResponseEntryEntity()
			one.Type, one.Name = side.Type, side.Name
			out.Entity = append(out.Entity, one)
		}
		resp.Entries = append(resp.Entries, out)
	}
	return resp, nil
}

func entityOf(asked *kmsg.AlterClientQuotasRequestEntry) (e quota.Entity, err error) {
	for _, side := range asked.Entity {
		if e, err = e.With(side.Type, quota.PartOf(side.Name)); err != nil {
			return e, err
		}
	}
	return e, nil
}
