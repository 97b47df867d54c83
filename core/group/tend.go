package group

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Tend does for all groups what a coordinator does by time, for a cluster in which no instance lives and whose members may have stopped
// asking: members without a seat lose their places, once a grace has passed (Visitor). What is left of a group without members is
// for ExpireOffsets. It gives the number of those put out.
//
// Without it a group whose last member went silently would have that member for ever, and its offsets would never expire.
func (v *Visitor) Tend(ctx context.Context) (out int, err error) {
	names, err := v.stored(ctx)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		v.Forget()
		n, err := v.tend(ctx, name)
		if out += n; err != nil {
			v.Log.Warn("members of a group are not looked after", "group", name, "error", err)
		}
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
	}
	return out, nil
}

// stored lists the groups in etcd by name.
func (v *Visitor) stored(ctx context.Context) ([]string, error) {
	found, err := v.names(ctx, "")
	return slices.Sorted(maps.Keys(found)), err
}

func (v *Visitor) tend(ctx context.Context, name string) (n int, err error) {
	err = v.repeat(ctx, name, "", func(ctx context.Context, s *Sight) error {
		n = 0
		if s.State == nil || len(s.State.Members) == 0 || len(s.Live) > 0 || len(s.unseated(v.Keys)) == 0 {
			return nil
		}
		topics, err := v.catalog(ctx, s, &ConsumerRequest{})
		if err != nil {
			return err
		}
		g, err := v.cellOf(s)
		if err != nil {
			return err
		}
		ids := g.machine.putOut(v.Now(), v.absent(s), "", topics)
		v.Spend()
		if err := v.settle(ctx, g, s, ids); err != nil {
			return fmt.Errorf("tend group %q: %w", name, err)
		}
		n = len(ids)
		return nil
	})
	return n, err
}
