package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/upgrade"
	"github.com/firnlog/firnlog/localstack"
)

type upgradeCommand struct{ config.Upgrade }

// Run raises the format in force to the newest that this build knows.
func (c *upgradeCommand) Run(ctx context.Context) error {
	if err := c.Check(); err != nil {
		return err
	}
	endpoints := c.Etcd
	if c.Data != "" {
		local, err := localstack.StartEmbedded(ctx, c.Data)
		if err != nil {
			return err
		}
		defer local.Close()
		endpoints = local.Endpoints()
	}
	kv, err := dialEtcd(endpoints, &c.EtcdAccess)
	if err != nil {
		return err
	}
	defer kv.Close()
	plan, err := upgrade.Look(ctx, kv, c.Cluster, ledger.FormatVersion)
	if err == nil && !c.DryRun {
		err = plan.Raise(ctx, kv, c.Leave)
	}
	switch {
	case errors.Is(err, upgrade.ErrBehind):
		return exitError{fmt.Errorf("%w\nupgrade them first (docs/OPERATIONS.md, Upgrades), or let them stop with --leave-behind", err), exitRefused}
	case errors.Is(err, upgrade.ErrLower), errors.Is(err, upgrade.ErrMoved):
		return exitError{err, exitRefused}
	case err != nil:
		return err
	}
	return c.report(plan)
}

func (c *upgradeCommand) report(p *upgrade.Plan) error {
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(p)
	}
	what := "raised"
	switch {
	case p.Force == p.To:
		what = "nothing to do: it is in force already;"
	case c.DryRun:
		what = "would be raised"
	}
	fmt.Printf("cluster %s: %s from format %d to %d; %s\n", p.Cluster, what, p.Force, p.To, plural(int64(len(p.Live)), "instance lives", "instances live"))
	for _, b := range p.Behind {
		fmt.Printf("  does not know it, and stops: %s\n", b)
	}
	return nil
}
