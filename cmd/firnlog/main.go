// Command firnlog is the broker and its tools in one binary.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands is the command line.
type commands struct {
	Dev     devCommand     `cmd:"" help:"Run everything in this one process: embedded etcd, object store on disk. Data is kept between runs."`
	Broker  brokerCommand  `cmd:"" help:"Run an instance on an object store and etcd. Any number of them side by side make a cluster."`
	Backup  backupCommand  `cmd:"" help:"Write a backup of all metadata in etcd to the object store now; brokers do so by themselves every hour."`
	Restore restoreCommand `cmd:"" help:"Rebuild a lost etcd from the object store alone."`
	Fsck    fsckCommand    `cmd:"" help:"Check that what etcd says, what manifests say and what lies in the object store are one; also beside running brokers."`
	Inspect inspectCommand `cmd:"" help:"Show a segment, settled object, manifest, commit, head, topic, backup or journal object."`
	Cost    costCommand    `cmd:"" help:"Reckon what topics cost a month, and what the same would cost on replicated disks."`
	Bench   benchCommand   `cmd:"" help:"Put a load on any Kafka-compatible broker and measure throughput, latency, CPU and requests."`
	Topic   topicCommands  `cmd:"" help:"List, make, show, delete and fork topics of a running cluster."`
	Stack   stackCommands  `cmd:"" help:"Run everything on this machine as it runs in a cloud: MinIO, etcd, brokers, the functions, a queue."`
	User    userCommands   `cmd:"" help:"Add, list and remove users, in etcd."`
	Upgrade upgradeCommand `cmd:"" help:"Raise the format of a cluster's records to that of this build, once every instance runs it."`
	Version versionCommand `cmd:"" help:"Print version, commit and format."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c commands
	k := kong.Parse(&c, kong.Name("firnlog"), kong.ShortUsageOnError(),
		kong.Description("A Kafka-compatible broker on object storage."),
		kong.BindTo(ctx, (*context.Context)(nil)))
	k.FatalIfErrorf(k.Run())
}
