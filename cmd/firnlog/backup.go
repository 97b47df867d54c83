package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/telemetry"
)

type backupCommand struct{ config.Backup }

// Run takes a backup now.
func (c *backupCommand) Run(ctx context.Context) error {
	p, err := openPlace(ctx, &c.Place)
	if err != nil {
		return err
	}
	defer p.Close()
	keeper := backup.New(backup.Settings{
		Store: p.Store, KV: p.KV, Cluster: c.Cluster, Now: time.Now, Entropy: rand.Reader, Log: telemetry.NewLogger(os.Stderr, "warn"), Holder: "firnlog backup",
	})
	root, err := keeper.Take(ctx)
	if errors.Is(err, ledger.ErrNoCluster) {
		return exitError{fmt.Errorf("etcd holds no cluster %q", c.Cluster), exitRefused}
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(root)
	}
	size := int64(0)
	for _, part := range root.Parts {
		size += part.Size
	}
	fmt.Printf("backup %s of cluster %s: %s at revision %d, %s\n", root.ID, root.Cluster, plural(root.Keys, "key", "keys"), root.Revision, plural(size, "byte", "bytes"))
	return nil
}
