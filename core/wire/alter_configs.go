package wire

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/topic"
)

// AlterConfigs (key 33), versions 0-2 (v2 flexible): all configs of a topic are replaced by those given.
func (s *Server) alterConfigs(ctx context.Context, who *caller, req *kmsg.AlterConfigsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrAlterConfigsResponse()
	resp.Version = req.Version
	for _, asked := range req.Resources {
		changes, err := []topic.Change(nil), error(nil)
		for _, c := range asked.Configs {
			changes, err = addChange(changes, err, c.Name, topic.Set, c.Value)
		}
		if err == nil {
			err = s.alter(ctx, who, asked.ResourceType, asked.ResourceName, changes, true, req.ValidateOnly)
		}
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = asked.ResourceType, asked.ResourceName
		out.ErrorCode, out.ErrorMessage = s.code(err), message(err)
		resp.Resources = append(resp.Resources, out)
	}
	return resp, nil
}

// IncrementalAlterConfigs (key 44), versions 0-1 (v1 flexible): single configs of a topic are set or deleted; lists
// are appended to or subtracted from.
func (s *Server) incrementalAlterConfigs(ctx context.Context, who *caller, req *kmsg.IncrementalAlterConfigsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrIncrementalAlterConfigsResponse()
	resp.Version = req.Version
	for _, asked := range req.Resources {
		changes, err := []topic.Change(nil), error(nil)
		for _, c := range asked.Configs {
			changes, err = addChange(changes, err, c.Name, topic.Op(c.Op), c.Value)
		}
		if err == nil {
			err = s.alter(ctx, who, asked.ResourceType, asked.ResourceName, changes, false, req.ValidateOnly)
		}
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = asked.ResourceType, asked.ResourceName
		out.ErrorCode, out.ErrorMessage = s.code(err), message(err)
		resp.Resources = append(resp.Resources, out)
	}
	return resp, nil
}

// addChange adds a change of a config, unless an earlier one is wrong already. Null is for deleting alone.
func addChange(changes []topic.Change, err error, name string, op topic.Op, value *string) ([]topic.Change, error) {
	switch {
	case err != nil:
		return nil, err
	case value != nil:
		return append(changes, topic.Change{Key: name, Op: op, Value: *value}), nil
	case op == topic.Unset:
		return append(changes, topic.Change{Key: name, Op: op}), nil
	}
	return nil, fmt.Errorf("%w: config %s has no value", errRequest, name)
}

func (s *Server) alter(ctx context.Context, who *caller, kind kmsg.ConfigResourceType, name string, changes []topic.Change, replaceAll, validateOnly bool) error {
	if err := who.mayConfigs(ctx, kind, name); err != nil {
		return err
	}
	if kind != kmsg.ConfigResourceTypeTopic {
		return s.alterFixed(kind, name, changes)
	}
	seen := map[string]bool{}
	for _, c := range changes {
		if seen[c.Key] {
			return fmt.Errorf("config %s: %w", c.Key, errTwice)
		}
		seen[c.Key] = true
	}
	ctx, cancel := adminTimeout(ctx, alterTimeoutMs)
	defer cancel()
	_, err := s.backend.Admin.SetConfigs(ctx, name, changes, replaceAll, validateOnly)
	return err
}

// alterFixed refuses changes of what cannot be changed. To delete what was never set is no change: tools that tidy up after
// themselves (kafka-reassign-partitions takes back its throttles) go on.
func (s *Server) alterFixed(kind kmsg.ConfigResourceType, name string, changes []topic.Change) error {
	if kind == kmsg.ConfigResourceTypeBroker && name == "" {
		return deletionsOnly(changes, "the cluster has no dynamic defaults: settings are flags of each instance")
	}
	switch kind {
	case kmsg.ConfigResourceTypeBroker:
		if err := s.isUs(name); err != nil {
			return err
		}
		return deletionsOnly(changes, "settings of an instance are flags and FIRNLOG_ variables: change them there and start it again")
	case kmsg.ConfigResourceTypeBrokerLogger:
		return fmt.Errorf("%w: the log level of an instance is its flag --log-level", errRequest)
	case kmsg.ConfigResourceTypeGroupConfig:
		return deletionsOnly(changes, "groups have no configs of their own")
	}
	return fmt.Errorf("%w: configs of resource type %v are not served", errRequest, kind)
}

// deletionsOnly says why anything but a deletion is refused.
func deletionsOnly(changes []topic.Change, why string) error {
	for _, c := range changes {
		if c.Op != topic.Unset {
			return fmt.Errorf("%w: cannot change %s: %s", errRequest, c.Key, why)
		}
	}
	return nil
}

// alterTimeoutMs stands in for the time-out that these requests do not carry.
const alterTimeoutMs = 30_000
